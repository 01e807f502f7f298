"""What a recipe trains with, without `train.py` around it."""

import contextlib
import pathlib
import tempfile


@contextlib.contextmanager
def prepared_job(recipe, data):
    """A `tfxc.training.Job` with an untrained encoder, while it is needed.

    Args:
        recipe: Of `models.ngame`, or one that is made of it.
        data: Path of a data set.
    """
    import keras
    from rich.console import Console

    import tfxc
    from models import ngame

    dataset, key = tfxc.data.load_dataset(data)
    with tempfile.TemporaryDirectory() as folder:
        run = tfxc.run.Run(pathlib.Path(folder) / "run")
        run.start({"options": {}, "recipe": {}, "content": {"key": key}})
        keras.utils.set_random_seed(recipe.seed)
        yield ngame.job_of(recipe, dataset, key, run, Console())
