"""A data set as every reader returns it."""

import dataclasses

from tfxc.data.label_lists import LabelLists
from tfxc.data.sparse_features import SparseFeatures
from tfxc.data.texts import Texts


@dataclasses.dataclass(frozen=True)
class Split:
    """Queries with their relevant labels.

    Args:
        queries: What is to be classified, one row each.
        relevant: The labels of each query; a row may be empty.
        filtered: Labels of each query that count neither as right nor as
            wrong: they are removed from predictions before the top k are
            taken. All rows are empty where the data set has no filter file.
    """

    queries: Texts | SparseFeatures
    relevant: LabelLists
    filtered: LabelLists

    def __len__(self):
        return len(self.queries)


@dataclasses.dataclass(frozen=True)
class Dataset:
    """Training and test queries over one set of labels.

    Args:
        train: The training queries.
        test: The test queries; may have no rows.
        labels: What the label encoder reads, one row per label; `None` where
            labels are known by their number alone.
        label_names: One printable name per label.
    """

    train: Split
    test: Split
    labels: Texts | SparseFeatures | None
    label_names: Texts

    @property
    def num_labels(self):
        return len(self.label_names)
