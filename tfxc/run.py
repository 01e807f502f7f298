"""Run folders: what was asked for, how far it is, what came out."""

import csv
import dataclasses
import io
import json
import os
import pathlib

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

from tfxc.data.arrays import write_text
from tfxc.errors import InputError

DATA = ("options", "data")
HELD = {}  # open folders of runs, by path: each is locked


@dataclasses.dataclass(frozen=True)
class Run:
    """The files of one training run.

    ```
    recipe.json    the recipe, resolved, and the data it was started with
    history.csv    one line per finished epoch
    tensorboard/   the same, for TensorBoard
    checkpoints/   the state after the last epoch; embedding bank and clusters
    metrics.json   of the test queries; written last, so it marks the end
    saved_model/   the model to serve
    report.html    all of it on one page
    ```

    Args:
        folder: Path of the folder.
    """

    folder: pathlib.Path

    @property
    def complete(self):
        """Whether the run has finished."""
        return (self.folder / "metrics.json").exists()

    def settings(self):
        """What `start` wrote; `None` for a new run.

        Raises:
            InputError: if the folder holds something else than a run.
        """
        file = self.folder / "recipe.json"
        if file.exists():
            return read_settings(file)
        if self.folder.is_file():
            raise InputError(
                f"{self.folder}: expected a folder. Received: a file"
            )
        if self.folder.exists() and any(self.folder.iterdir()):
            raise InputError(
                f"{self.folder}: expected a new folder or that of a run. "
                "Received: a folder with files but without recipe.json"
            )
        return None

    def data_name(self):
        """Name of the data set that a run was started with."""
        return data_name(self.settings()["options"].get("data"))

    def start(self, settings):
        """Writes `settings`, or checks that the run was started with them.

        Args:
            settings: JSON-serialisable dictionary of dictionaries; "content"
                names the data, which "options" "data" says where to find.

        From then on no other process may work in the folder.

        Raises:
            InputError: naming the first value that differs; or if another
                process is at work in the folder.
        """
        settings = json.loads(json.dumps(settings))
        saved = self.settings()
        self.folder.mkdir(parents=True, exist_ok=True)
        self._lock()
        if saved is not None:
            self._check_same(saved, settings)
        if saved != settings:  # new, or the data stands somewhere else now
            write_text(
                self.folder / "recipe.json", json.dumps(settings, indent=1)
            )

    def once(self, name, make):
        """A value that was decided in the first start, for later ones, too.

        Args:
            name: Of its file in the folder.
            make: Function that returns it; JSON-serialisable.
        """
        file = self.folder / f"{name}.json"
        if not file.exists():
            write_text(file, json.dumps(make()))
        return json.loads(file.read_text())

    def _lock(self):
        """Holds the folder until this process ends, however it does."""
        folder = self.folder.resolve()
        if fcntl is None or folder in HELD:
            return
        held = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(held)
            raise InputError(
                f"{self.folder}: expected a folder that no other process works "
                "in; wait for that one, or choose another --output. "
                f"Received: {error}"
            ) from error
        HELD[folder] = held

    def withdraw(self):
        """Forgets a start of which nothing but its settings was written.

        So that a mistake that shows only later than the command line's can be
        corrected in the same folder.
        """
        file = self.folder / "recipe.json"
        if file.exists() and list(self.folder.iterdir()) == [file]:
            file.unlink()
            if (held := HELD.pop(self.folder.resolve(), None)) is not None:
                os.close(held)
            self.folder.rmdir()

    def _check_same(self, saved, settings):
        """Data is the same if its content is, wherever it stands."""
        before, now = saved["content"], settings["content"]
        if before.get("key") != now.get("key"):
            raise InputError(
                f"{self.folder}: expected the data that the run was started "
                f"with, {saved['options'].get('data')}, unchanged; "
                "choose another --output for other data. "
                f"Received: {settings['options']['data']}"
            )
        for section, values in settings.items():
            for name, value in values.items() if section != "content" else ():
                found = saved.get(section, {}).get(name)
                if found != value and (section, name) != DATA:
                    raise InputError(
                        f"{self.folder}: the run was started with {section} "
                        f"{name}={found!r}; continue with that, or choose "
                        f"another --output. Received: {name}={value!r}"
                    )
        if before != now:
            raise InputError(
                f"{self.folder}: expected the pretrained encoder that the run "
                "was started with, unchanged; choose another --output for "
                f"other weights. Received: {settings['recipe'].get('encoder')}"
            )

    def write_history(self, history):
        """Writes one line per epoch, with the columns of every epoch."""
        columns = list(dict.fromkeys(name for row in history for name in row))
        text = io.StringIO()
        writer = csv.DictWriter(text, columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(history)
        write_text(self.folder / "history.csv", text.getvalue())

    def write_metrics(self, metrics):
        """Writes `metrics.json`: the run is complete.

        Its keys are flat: `{"groups": {"head": {"P@1": 40.0}}}` is written as
        "groups/head/P@1".
        """
        text = json.dumps(flatten(metrics, "/"), indent=1)
        write_text(self.folder / "metrics.json", text + "\n")


def flatten(nested, separator, prefix=""):
    """One level of a nested dictionary: `{"a": {"b": 1}}` to `{"a.b": 1}`."""
    flat = {}
    for name, value in nested.items():
        if isinstance(value, dict) and value:
            flat |= flatten(value, separator, f"{prefix}{name}{separator}")
        else:
            flat[f"{prefix}{name}"] = value
    return flat


def read_settings(path):
    """Reads a `recipe.json`; `InputError` where it is not one."""
    settings = read_json(path)
    sections = ("options", "recipe", "content")
    if not isinstance(settings, dict) or not all(
        isinstance(settings.get(name), dict) for name in sections
    ):
        raise InputError(
            f"{path}: expected an object with {', '.join(sections)}, as "
            f"train.py writes it. Received: {str(settings)[:80]}"
        )
    return settings


def read_json(path):
    """Reads a JSON file; `InputError` where it is not one."""
    try:
        return json.loads(pathlib.Path(path).read_text())
    except (OSError, ValueError) as error:
        raise InputError(
            f"{path}: expected a JSON file. Received: {error}"
        ) from error


def data_name(path):
    """Name of a data set: of its folder or file, or of the built-in one."""
    return pathlib.Path(path).resolve().name if path else "python_api"
