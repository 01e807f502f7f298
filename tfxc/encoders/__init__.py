"""Texts or sparse features to unit vectors.

What needs TensorFlow is imported when it is first used.
"""

from tfxc.encoders.bag_encoder import BagEncoder as BagEncoder
from tfxc.encoders.encode import encode as encode
from tfxc.encoders.pretrained import content_of as content_of
from tfxc.encoders.pretrained import load_pretrained as load_pretrained
from tfxc.encoders.stored_vectors import StoredVectors as StoredVectors
from tfxc.encoders.transformer_encoder import (
    TransformerEncoder as TransformerEncoder,
)
from tfxc.on_first_use import on_first_use

TENSORFLOW = {
    "DrawnNegatives": "drawn_negatives",
    "DualEncoder": "dual_encoder",
    "FullLabelClassifier": "full_label_classifier",
    "InBatchNegatives": "in_batch_negatives",
}
__getattr__ = on_first_use(__name__, TENSORFLOW)
