"""Training that can be stopped at any moment and goes on where it was."""

import math
import time

import keras
import numpy as np
import tensorflow as tf

from tfxc.errors import InputError
from tfxc.training.checkpoint import restore_checkpoint, save_checkpoint
from tfxc.training.progress import Progress


def fit(
    model,
    batches,
    mining,
    run,
    epochs,
    validate,
    console,
    phase="encoder",
    history=(),
    callbacks=(),
):
    """Trains `model`, or continues, until `epochs` epochs are done.

    Every epoch ends with a line in `history.csv` and a checkpoint; batches,
    clusters and positives are functions of (seed, epoch), so a run that was
    stopped equals one that was not: bit for bit on CPUs under `jit_compile`,
    without which TensorFlow adds up repeated rows in any order.

    Args:
        model: Compiled `DualEncoder`.
        batches: `tf.data.Dataset` over the batches of `mining`.
        mining: `NegativeMining`; the checkpoints go into its folder.
        run: `Run`.
        epochs: Epochs in all.
        validate: Function that returns a dictionary of validation metrics.
        console: `rich.console.Console`.
        phase: What is trained, in a word.
        history: What earlier phases of the run returned.
        callbacks: Further `keras.callbacks.Callback`s. One may have a `report`,
            a dictionary of numbers that each epoch begins anew: it becomes part
            of the epoch's line, as that of `mining`.

    Returns:
        `history`, and one dictionary per epoch, as in `history.csv`.

    Raises:
        InputError: if the loss or a weight is no longer finite. The last
            checkpoint is from before that.
    """
    done, meta = restore_checkpoint(mining.folder, model)
    history = meta.get("history", list(history))
    if 0 < done < epochs:
        print(f"{phase}: continuing after epoch {done} of {epochs}")
    board = tf.summary.create_file_writer(str(run.folder / "tensorboard"))
    with (
        Progress(phase, done, epochs, console) as progress,
        board.as_default(),
    ):
        for epoch in range(done, epochs):
            start = time.perf_counter()
            mining.begin_epoch(epoch)
            losses = FiniteLosses(phase, epoch, mining.folder)
            model.fit(
                batches,
                initial_epoch=epoch,
                epochs=epoch + 1,
                steps_per_epoch=len(mining.batches),
                shuffle=False,
                verbose=0,
                callbacks=[losses, mining, *callbacks, progress],
            )
            losses.check_weights()
            row = {
                "epoch": len(history) + 1,
                "phase": phase,
                "loss": losses.mean(),
                "fit_seconds": time.perf_counter() - start,
                "step_seconds": losses.step_seconds(),
                **reports([mining, *callbacks]),
                **validate(),
            }
            row["seconds"] = time.perf_counter() - start
            history = [*history, row]
            run.write_history(history)
            save_checkpoint(
                mining.folder, model, epoch + 1, {"history": history}
            )
            progress.end_epoch(row)
            for name, value in row.items():
                if isinstance(value, int | float):
                    tf.summary.scalar(name, value, step=len(history))
            board.flush()
    return history


def reports(callbacks):
    """What callbacks tell of an epoch, in one dictionary."""
    told = {}
    for callback in callbacks:
        told |= getattr(callback, "report", {})
    return told


class FiniteLosses(keras.callbacks.Callback):
    """Collects the losses of an epoch; stops at one that is not finite.

    Args:
        phase: What is trained, in a word.
        epoch: Number of epochs before this one.
        checkpoints: Folder of the last good state, for the message.
    """

    def __init__(self, phase, epoch, checkpoints):
        super().__init__()
        self.phase = phase
        self.epoch = epoch
        self.checkpoints = checkpoints
        self.losses, self.times = [], []

    def on_train_batch_end(self, step, logs=None):
        self.times.append(time.perf_counter())
        self.losses.append(logs["loss"])
        if not math.isfinite(logs["loss"]):
            raise InputError(
                f"{self.phase}, epoch {self.epoch + 1}, step {step + 1}: "
                f"expected a finite loss. {self._advice()} "
                f"Received: loss={logs['loss']}"
            )

    def check_weights(self):
        """Raises `InputError` if the last step has spoilt the weights.

        Its loss was computed before, so no loss shows it.
        """
        sampler = getattr(self.model, "sampler", None)
        # What a sampler holds is no weight; log 0 is in it for good reason.
        others = {id(held) for held in sampler.variables} if sampler else ()
        for variable in self.model.variables:
            if id(variable) in others:
                continue
            if not np.isfinite(np.sum(variable.numpy(), dtype=np.float32)):
                raise InputError(
                    f"{self.phase}, epoch {self.epoch + 1}: expected finite "
                    f"weights. "
                    f"{self._advice()} Received: NaN or infinity in "
                    f"{variable.path}"
                )

    def _advice(self):
        state = "No epoch was finished"
        if self.epoch:
            state = f"The state after epoch {self.epoch} is kept"
        return (
            f"{state} in {self.checkpoints}; start anew with a smaller "
            "learning rate, in another --output."
        )

    def step_seconds(self):
        """The mean time of a step, but for the slowest twentieth.

        Among those are the steps that were compiled first.
        """
        seconds = np.sort(np.diff(self.times))
        kept = len(seconds) - -(-len(seconds) // 20)
        return float(seconds[:kept].mean()) if kept else 0.0

    def mean(self):
        """The mean loss of the epoch."""
        return math.fsum(self.losses) / max(len(self.losses), 1)
