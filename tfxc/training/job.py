"""What every phase of a training run shares."""

import dataclasses
import functools
import typing

import numpy as np

from tfxc.batching import epoch_order
from tfxc.data.batches import full_label_batches, training_batches
from tfxc.data.dataset import Dataset
from tfxc.data.prepared import Prepared
from tfxc.encoders import encode
from tfxc.metrics.propensity import DEFAULT_CONSTANTS
from tfxc.run import Run
from tfxc.search.exact import ExactSearch
from tfxc.training.fit import fit
from tfxc.training.mining import NegativeMining
from tfxc.training.validate import validate


@dataclasses.dataclass(frozen=True)
class Job:
    """Data, an encoder of texts, and where the results go.

    Args:
        dataset: `tfxc.data.Dataset`.
        prepared: `tfxc.data.Prepared`; its tokens.
        encoder: Encoder of queries and labels.
        rows: `[n]`, int; training queries to learn from.
        held_out: `[m]`, int; training queries to watch and to fit fusion on.
        run: `tfxc.run.Run`.
        console: `rich.console.Console`.
        seed: Of initial values, order, clusters and drawn positives.
        propensity: Constants `(a, b)`, see `tfxc.metrics.propensity_constants`.
    """

    dataset: Dataset
    prepared: Prepared
    encoder: typing.Any
    rows: np.ndarray
    held_out: np.ndarray
    run: Run
    console: typing.Any
    seed: int = 0
    propensity: tuple = DEFAULT_CONSTANTS

    @property
    def relevant(self):
        """`LabelLists` of the training queries."""
        return self.dataset.train.relevant

    @property
    def filtered(self):
        """`LabelLists` of labels that training queries shall not get."""
        return self.dataset.train.filtered

    def label_vectors(self):
        """The encoded labels: `[L, dim]`."""
        return encode(self.encoder, self.prepared.labels)

    def query_vectors(self, rows, dtype=np.float32):
        """Some encoded training queries: `[n, dim]`."""
        return encode(self.encoder, self.prepared.train, rows, dtype=dtype)

    def train(
        self,
        model,
        phase,
        epochs,
        num_candidates,
        curriculum,
        *,
        queries=None,
        labels=None,
        rows=None,
        relevant=None,
        vectors=None,
        search=None,
        start=None,
        every_positive=True,
        token_dropout=0.0,
        history=(),
        callbacks=(),
    ):
        """Trains a model on cluster-aware batches, see `fit`.

        Args:
            model: Compiled `DualEncoder` or `QueryClassifier`.
            phase: What is trained, in a word; names the checkpoints.
            epochs: Epochs in all.
            num_candidates: Labels that each query is compared with; `None` for
                all, or where a `QueryClassifier` finds its own.
            curriculum: `tfxc.batching.Curriculum`.
            queries: What `model.encoder` reads, by row; the tokens if left out.
            labels: What encodes the labels reads; their tokens if left out.
            rows: Rows of `queries` to learn from.
            relevant: `LabelLists` of all of `queries`.
            vectors: Function that returns the label vectors `[L, dim]`.
            search: What to validate by; `ExactSearch` among those vectors if
                left out.
            start: `[rows, dim]`; the first embedding bank, see
                `NegativeMining`; of vectors that do not change if `queries`
                are `tfxc.data.Vectors`.
            every_positive: See `tfxc.data.in_batch_candidates`, or
                `tfxc.data.full_label_batches`.
            token_dropout: See `tfxc.data.hide_tokens`.
            history: Of earlier phases.
            callbacks: See `fit`; also functions of `NegativeMining` and
                queries that return one.

        Returns:
            The history, this phase's epochs last.
        """
        rows = self.rows if rows is None else rows
        relevant = self.relevant if relevant is None else relevant
        queries = self.prepared.train if queries is None else queries
        vectors = vectors or self.label_vectors
        batch_size = model.query_vectors.shape[0]
        lengths = queries.lengths(rows)
        mining = NegativeMining(
            self.run.folder / "checkpoints" / phase,
            rows,
            model.encoder.dim,
            batch_size,
            curriculum,
            self.seed,
            relevant,
            vectors,
            lengths=lengths if np.ptp(lengths) else None,
            start=start,
            fixed="vectors" in queries.fields,
        )
        callbacks = [
            callback(mining, queries) if callable(callback) else callback
            for callback in callbacks
        ]
        if num_candidates is None:
            batches = full_label_batches(
                *(mining.current, queries, relevant, batch_size),
                *(self.seed, token_dropout, every_positive),
            )
        else:
            room = min(num_candidates, max(relevant.num_columns, batch_size))
            # Whole chunks: what labels do not fill is padding.
            room += -room % (model.chunk_rows or 1)
            batches = training_batches(
                mining.current,
                queries,
                labels or self.prepared.labels,
                relevant,
                batch_size,
                room,
                self.seed,
                every_positive,
                token_dropout,
                model.negatives is not None,
            )
        return fit(
            model,
            batches,
            mining,
            self.run,
            epochs,
            functools.partial(self.validate, vectors, search),
            self.console,
            phase,
            history,
            callbacks,
        )

    def validate(self, label_vectors, search=None):
        """The main metrics of the held-out queries, by label vectors alone.

        Or by another search.
        """
        if not len(self.held_out):
            return {}
        return validate(
            self.query_vectors(self.held_out),
            search or ExactSearch(label_vectors()),
            self.dataset.train,
            self.held_out,
            *self.propensity,
        )


def split_rows(relevant, validation_rows, seed):
    """Rows to train on and rows to watch; rows without labels in neither.

    Args:
        relevant: `LabelLists` of the training queries.
        validation_rows: How many to hold out; at most a tenth.
        seed: Integer, not negative.

    Returns:
        `(rows, held_out)`, sorted, int64.
    """
    rows = np.flatnonzero(relevant.row_counts())
    order = epoch_order(len(rows), seed, epoch=0)
    count = num_held_out(len(rows), validation_rows)
    return np.sort(rows[order[count:]]), np.sort(rows[order[:count]])


def num_held_out(num_rows, validation_rows):
    """How many of so many rows with labels are held out."""
    return min(max(validation_rows, 0), num_rows // 10)
