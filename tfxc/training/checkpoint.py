"""Checkpoints: every variable of a model, all of them or none."""

import pathlib
import shutil

from tfxc.data.arrays import read_arrays, write_arrays
from tfxc.errors import InputError


def save_checkpoint(folder, model, epoch, meta):
    """Writes the state after `epoch` epochs, then removes the older ones.

    Args:
        folder: Folder of the checkpoints.
        model: Compiled Keras model; its optimiser is saved with it.
        epoch: Number of finished epochs.
        meta: JSON-serialisable dictionary to return on restoring.
    """
    folder = pathlib.Path(folder)
    arrays = {name: v.numpy() for name, v in _variables(model).items()}
    write_arrays(folder / f"epoch-{epoch:05d}", arrays, meta)
    for older in finished(folder)[:-1]:
        shutil.rmtree(older)


def restore_checkpoint(folder, model):
    """Assigns the newest checkpoint to the variables of `model`.

    Returns:
        `(epoch, meta)`; `(0, {})` where there is no checkpoint.

    Raises:
        InputError: if the checkpoint is of another model.
    """
    checkpoints = finished(pathlib.Path(folder))
    if not checkpoints:
        return 0, {}
    arrays, meta = read_arrays(checkpoints[-1])
    variables = _variables(model)
    saved = {name: array.shape for name, array in arrays.items()}
    expected = {name: tuple(v.shape) for name, v in variables.items()}
    if saved != expected:
        different = sorted(saved.items() ^ expected.items())
        raise InputError(
            f"{checkpoints[-1]}: expected the variables of this model. "
            f"Received: {different[:4]}"
        )
    for name, variable in variables.items():
        variable.assign(arrays[name])
    return int(checkpoints[-1].name.removeprefix("epoch-")), meta


def finished(folder):
    """Folders of the complete checkpoints, oldest first."""
    return sorted(folder.glob("epoch-*"))


def _variables(model):
    """`{number and path: variable}` of the model and its optimiser."""
    variables = [*model.variables, *model.optimizer.variables]
    return {f"{i} {v.path}": v for i, v in enumerate(variables)}
