"""Texts or sparse features to unit vectors.

Models that train are those of Keras' TensorFlow backend; encoders are of any.
"""

import keras

from tfxc.encoders.bag_encoder import BagEncoder as BagEncoder
from tfxc.encoders.encode import encode as encode
from tfxc.encoders.pretrained import content_of as content_of
from tfxc.encoders.pretrained import load_pretrained as load_pretrained
from tfxc.encoders.stored_vectors import StoredVectors as StoredVectors
from tfxc.encoders.transformer_encoder import (
    TransformerEncoder as TransformerEncoder,
)

if keras.backend.backend() == "tensorflow":
    from tfxc.encoders.drawn_negatives import DrawnNegatives as DrawnNegatives
    from tfxc.encoders.dual_encoder import DualEncoder as DualEncoder
    from tfxc.encoders.full_label_classifier import (
        FullLabelClassifier as FullLabelClassifier,
    )
    from tfxc.encoders.in_batch_negatives import (
        InBatchNegatives as InBatchNegatives,
    )
    from tfxc.encoders.output_layer_classifier import (
        OutputLayerClassifier as OutputLayerClassifier,
    )
    from tfxc.encoders.sampled_label_classifier import (
        SampledLabelClassifier as SampledLabelClassifier,
    )
