"""Which files of a folder hold a data set."""

import dataclasses
import pathlib

from tfxc.errors import InputError


@dataclasses.dataclass(frozen=True)
class DataFiles:
    """The files of one data set, by the name that their layout gives them.

    Args:
        path: What the user named, for messages.
        found: `{name: path}`; a file `name.gz` is found as `name`.
    """

    path: pathlib.Path
    found: dict

    @classmethod
    def of(cls, folder, names):
        """Finds each of `names` in a folder, plain or else with `.gz` added.

        Files that were found before are returned as they are.
        """
        if isinstance(folder, cls):
            return folder
        folder = pathlib.Path(folder)
        found = {}
        for name in names:
            for path in (folder / name, folder / f"{name}.gz"):
                if path.exists():
                    found.setdefault(name, path)
        return cls(folder, found)

    def get(self, *names):
        """The path of the first of `names` that exists, or `None`."""
        paths = (self.found.get(name) for name in names)
        return next((path for path in paths if path), None)

    def require(self, name):
        """The path of `name`; an `InputError` where there is none."""
        if name not in self.found:
            raise InputError(
                f"{self.path}: expected a file {name} or {name}.gz. "
                f"Received: {', '.join(sorted(self.found)) or 'no such file'}"
            )
        return self.found[name]
