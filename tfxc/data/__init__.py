"""Files to memory-mapped tables: what every later stage reads.

`read_dataset` reads any of the known layouts into a `Dataset`, and
`prepared_dataset` does so once and maps the result into memory from then on.
Queries and labels are `Texts` or `SparseFeatures`; which labels are relevant to
which queries is a `LabelLists`. What cannot be read is an `InputError` that
names the file and the line. `prepare` turns it into `Bags` of tokens once, and
`training_batches` gathers them into what a training step sees.

What needs TensorFlow is imported when it is first used.
"""

import importlib

from tfxc.data.arrays import read_arrays as read_arrays
from tfxc.data.arrays import write_arrays as write_arrays
from tfxc.data.builtin.python_api import (
    python_api_dataset as python_api_dataset,
)
from tfxc.data.cluster_tokens import (
    with_cluster_tokens as with_cluster_tokens,
)
from tfxc.data.dataset import Dataset as Dataset
from tfxc.data.dataset import Split as Split
from tfxc.data.fingerprint import fingerprint as fingerprint
from tfxc.data.label_lists import LabelLists as LabelLists
from tfxc.data.load import cache_folder as cache_folder
from tfxc.data.load import describe as describe
from tfxc.data.load import load_dataset as load_dataset
from tfxc.data.readers.filters import read_filter_labels as read_filter_labels
from tfxc.data.readers.held_out import held_out_rows as held_out_rows
from tfxc.data.readers.json_lines import read_json_labels as read_json_labels
from tfxc.data.readers.json_lines import read_json_lines as read_json_lines
from tfxc.data.readers.json_lines import read_json_queries as read_json_queries
from tfxc.data.readers.matrix_files import read_label_lists as read_label_lists
from tfxc.data.readers.matrix_files import (
    read_labelled_features as read_labelled_features,
)
from tfxc.data.readers.matrix_files import (
    read_sparse_features as read_sparse_features,
)
from tfxc.data.readers.read import read_dataset as read_dataset
from tfxc.data.readers.tsv import read_tsv as read_tsv
from tfxc.data.readers.xmlc import read_xmlc_one_file as read_xmlc_one_file
from tfxc.data.readers.xmlc import read_xmlc_split as read_xmlc_split
from tfxc.data.sparse_features import SparseFeatures as SparseFeatures
from tfxc.data.store import cached_dataset as cached_dataset
from tfxc.data.store import dataset_from_arrays as dataset_from_arrays
from tfxc.data.store import dataset_to_arrays as dataset_to_arrays
from tfxc.data.store import prepared_dataset as prepared_dataset
from tfxc.data.texts import Texts as Texts
from tfxc.data.tokens.bags import Bags as Bags
from tfxc.data.tokens.bags import bags_from_features as bags_from_features
from tfxc.data.tokens.bags import label_rows as label_rows
from tfxc.data.tokens.buckets import bucket_lengths as bucket_lengths
from tfxc.data.tokens.joined import Joined as Joined
from tfxc.data.tokens.sequences import Sequences as Sequences
from tfxc.data.tokens.vectors import Vectors as Vectors
from tfxc.data.tokens.vocabulary import Vocabulary as Vocabulary

TENSORFLOW = {
    "BagTokenizer": "tokens.bag_tokenizer",
    "FeatureTokenizer": "tokens.feature_tokenizer",
    "Prepared": "prepared",
    "SequenceTokenizer": "tokens.sequence_tokenizer",
    "Tokens": "prepared",
    "full_label_batches": "batches",
    "hide_tokens": "batches",
    "in_batch_candidates": "batches",
    "prepare": "prepared",
    "prepare_sequences": "prepared_sequences",
    "one_of_each": "batches",
    "training_batches": "batches",
}


def __getattr__(name):
    if name not in TENSORFLOW:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = importlib.import_module(f"{__name__}.{TENSORFLOW[name]}")
    globals()[name] = getattr(module, name)
    return globals()[name]
