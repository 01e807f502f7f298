"""Checkpoints: every variable of a model, all of them or none."""

import pathlib
import re
import shutil

from tfxc.data.arrays import read_arrays, remove_abandoned, write_arrays
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
    target = folder / f"epoch-{epoch:05d}"
    remove_abandoned(target, 0)  # of a start that was killed while it wrote
    write_arrays(target, _variables(model), meta)
    for older in finished(folder)[:-1]:
        shutil.rmtree(older)


def restore_checkpoint(folder, model):
    """Assigns the newest checkpoint to the variables of `model`.

    Returns:
        `(epoch, meta)`; `(0, {})` where there is no checkpoint.

    Raises:
        InputError: if the checkpoint cannot be read, or is of another model.
    """
    variables = _variables(model)
    checkpoints = finished(pathlib.Path(folder))
    if not checkpoints:
        return 0, {}
    newest = checkpoints[-1]
    try:
        arrays, meta = read_arrays(newest)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(
            f"{newest}: expected a complete checkpoint; without "
            f"{newest.parent} this phase of training starts anew. "
            f"Received: {error}"
        ) from error
    saved = {name: array.shape for name, array in arrays.items()}
    expected = {name: tuple(v.shape) for name, v in variables.items()}
    if saved != expected:
        different = sorted(saved.items() ^ expected.items())
        raise InputError(
            f"{newest}: expected the variables of this model. "
            f"Received: {different[:4]}"
        )
    for name, variable in variables.items():
        variable.assign(arrays[name])
    return int(newest.name.removeprefix("epoch-")), meta


def finished(folder):
    """Folders of the complete checkpoints, oldest first."""
    return sorted(folder.glob("epoch-*"))


def _variables(model):
    """`{name: variable}` of the model and its optimiser.

    The names do not depend on how many models the program has made before:
    Keras numbers its layers, and an optimiser's variables have their names.
    """
    if not model.optimizer.built:
        # Else the first step builds it, and is traced twice for that.
        model.optimizer.build(model.trainable_variables)
    return {
        **{
            f"model/{i} {re.sub('_[0-9]+', '', v.name)}": v
            for i, v in enumerate(model.variables)
        },
        **{
            f"optimizer/{i}": v for i, v in enumerate(model.optimizer.variables)
        },
    }
