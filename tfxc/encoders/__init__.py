"""Texts or sparse features to unit vectors."""

from tfxc.encoders.bag_encoder import BagEncoder as BagEncoder
from tfxc.encoders.centroids import label_centroids as label_centroids
from tfxc.encoders.centroids import (
    start_from_centroids as start_from_centroids,
)
from tfxc.encoders.dual_encoder import DualEncoder as DualEncoder
from tfxc.encoders.encode import encode as encode
from tfxc.encoders.pretrained import load_pretrained as load_pretrained
from tfxc.encoders.stored_vectors import StoredVectors as StoredVectors
from tfxc.encoders.transformer_encoder import (
    TransformerEncoder as TransformerEncoder,
)
