"""yso-finna-en with one label a query, and fixed features."""

import dataclasses

import numpy as np
from prepared_job import prepared_job

DIM, TESTED = 256, 5000


class Data:
    """Rows `(features [n, d], labels [n])` of three kinds, and all labels."""

    def __init__(self, file):
        self.num_labels = int(file["num_labels"])
        names = ("train", "held_out", "test")
        self.train, self.held_out, self.test = (
            (np.float32(file[f"{name}_x"]), file[f"{name}_y"]) for name in names
        )
        self.lists = {
            name: (file[f"{name}_ids"], file[f"{name}_splits"])
            for name in names
        }


def make_features(data, path):
    """Trains an encoder on half of the rows, and keeps vectors of the rest."""
    import tfxc
    from models import ngame

    recipe = dataclasses.replace(ngame.Recipe.yso_finna_en(), epochs=3, dim=DIM)
    with prepared_job(recipe, data) as job:
        mine = np.random.default_rng(0).random(len(job.rows)) < 0.5
        ngame.train_encoder(
            recipe, dataclasses.replace(job, rows=job.rows[mine])
        )
        dataset, arrays = job.dataset, {}
        every = np.flatnonzero(dataset.test.relevant.row_counts())
        tested = every[np.linspace(0, len(every) - 1, TESTED).astype(int)]
        for name, bags, relevant, rows in (
            ("train", job.prepared.train, job.relevant, job.rows[~mine]),
            ("held_out", job.prepared.train, job.relevant, job.held_out),
            ("test", job.prepared.test, dataset.test.relevant, tested),
        ):
            vectors = tfxc.encoders.encode(
                job.encoder, bags, rows, dtype=np.float16
            )
            arrays[f"{name}_x"] = vectors
            lists = relevant.take(rows)
            arrays[f"{name}_y"] = one_label(lists, rows)
            arrays[f"{name}_ids"] = lists.ids
            arrays[f"{name}_splits"] = lists.splits
        np.savez(path, num_labels=dataset.num_labels, **arrays)


def one_label(lists, rows):
    """One label of each row, by a hash of its number: `[n]`, int32."""
    mixed = rows.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    counts = lists.row_counts().astype(np.uint64)
    place = (mixed >> np.uint64(33)) % counts
    return lists.ids[lists.splits[:-1] + place.astype(np.int64)].astype("int32")
