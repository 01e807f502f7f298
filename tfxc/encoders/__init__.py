"""Texts or sparse features to unit vectors."""

from tfxc.encoders.bag_encoder import BagEncoder as BagEncoder
from tfxc.encoders.dual_encoder import DualEncoder as DualEncoder
from tfxc.encoders.encode import encode as encode
