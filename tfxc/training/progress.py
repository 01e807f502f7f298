"""How far a training run is, and how long it still takes."""

import keras
from rich import progress


class Progress(keras.callbacks.Callback):
    """A bar for one phase of a run, over all its calls of `fit`.

    Args:
        phase: What is trained, in a word.
        done: Epochs that are already finished.
        epochs: Epochs in all.
        console: `rich.console.Console`; without a terminal there is no bar,
            only a line for each epoch.
    """

    def __init__(self, phase, done, epochs, console):
        super().__init__()
        self.phase = phase
        self.epoch, self.epochs = done, epochs
        self.bar = progress.Progress(
            progress.TextColumn("{task.fields[epoch]}"),
            progress.BarColumn(),
            progress.TaskProgressColumn(),
            progress.TextColumn("loss {task.fields[loss]}"),
            progress.TimeElapsedColumn(),
            progress.TextColumn("left"),
            progress.TimeRemainingColumn(),
            console=console,
            disable=not console.is_terminal,
        )
        self.task = self.bar.add_task(
            "", total=epochs, completed=done, epoch=phase, loss="…"
        )

    def __enter__(self):
        self.bar.start()
        return self

    def __exit__(self, *error):
        self.bar.stop()

    def on_train_batch_end(self, step, logs=None):
        part = (step + 1) / self.params["steps"]
        self.bar.update(
            self.task,
            completed=self.epoch + part,
            epoch=f"{self.phase} {self.epoch + 1}/{self.epochs}",
            loss=f"{logs['loss']:.4f}",
        )

    def end_epoch(self, row):
        """Prints the figures of a finished epoch."""
        self.epoch += 1
        shown = ["loss", "P@1", "PSP@1", "R@100", "seconds"]
        figures = "  ".join(
            f"{name} {row[name]:.4g}" for name in shown if name in row
        )
        self.bar.console.print(
            f"{self.phase} {self.epoch}/{self.epochs}  {figures}",
            highlight=False,
            soft_wrap=True,
        )
