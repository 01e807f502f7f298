"""Text encoder from a pretrained transformer."""

import keras
from keras import ops

POOLINGS = ("mean", "cls")


@keras.saving.register_keras_serializable(package="tfxc")
class TransformerEncoder(keras.layers.Layer):
    """A transformer's outputs, pooled to one unit vector for each text.

    A pretrained transformer knows what words mean before it has seen a
    query. It costs a thousand times as much as a `BagEncoder`, and pays where
    training queries are few.

    Args:
        backbone: KerasHub backbone of the BERT, DistilBERT or RoBERTa family;
            see `tfxc.encoders.load_pretrained`.
        pooling: "mean" over the tokens, or "cls" for the first one.
        pad_id: The token id that means: no token.
        exact_gelu: Whether the activation is the exact GELU, as in BERT's
            weights from PyTorch; KerasHub's BERT approximates it.

    Call arguments:
        inputs: `{"token_ids": [b, length] int}`; the length may vary.
        training: Whether dropout is on.

    Returns:
        `[b, dim]`, float32; unit vectors.

    Reference:
        [Reimers and Gurevych, 2019](https://arxiv.org/abs/1908.10084)
    """

    def __init__(
        self, backbone, pooling="mean", pad_id=0, exact_gelu=False, **kwargs
    ):
        super().__init__(**kwargs)
        if pooling not in POOLINGS:
            raise ValueError(
                f"`pooling` must be one of {POOLINGS}. "
                f"Received: pooling={pooling!r}"
            )
        self.backbone = backbone
        self.pooling = pooling
        self.pad_id = pad_id
        self.exact_gelu = exact_gelu
        if exact_gelu:
            for layer in backbone._flatten_layers():
                if layer.name == "feedforward_intermediate_dense":
                    layer.activation = keras.activations.gelu
        # What the pooled vector does not depend on is not trained.
        for layer in backbone.layers:
            if layer.name == "pooled_dense":
                layer.trainable = False

    @property
    def dim(self):
        """Dimension of the vectors."""
        return self.backbone.hidden_dim

    @property
    def max_length(self):
        """Most tokens that a text may have."""
        return self.backbone.max_sequence_length

    def build(self, input_shape=None):
        self.built = True  # the backbone came with its weights

    def gather(self, inputs):
        """What `head` reads: `[b, length]`; there is no table to look up."""
        return inputs["token_ids"]

    def head(self, token_ids, training=False):
        """Unit vectors of `[b, length]` token ids."""
        mask = ops.cast(ops.not_equal(token_ids, self.pad_id), "int32")
        given = {
            "token_ids": token_ids,
            "segment_ids": ops.zeros_like(token_ids),
            "padding_mask": mask,
        }
        names = [tensor.name for tensor in self.backbone.inputs]
        outputs = self.backbone(
            {name: given[name] for name in names}, training=training
        )
        if isinstance(outputs, dict):
            outputs = outputs["sequence_output"]
        outputs = ops.cast(outputs, "float32")  # [b, length, dim]
        if self.pooling == "cls":
            pooled = outputs[:, 0]
        else:
            weights = ops.cast(mask, "float32")[:, :, None]
            pooled = ops.sum(outputs * weights, axis=1)
        square = ops.sum(ops.square(pooled), axis=-1, keepdims=True)
        return pooled * ops.rsqrt(ops.maximum(square, 1e-12))

    def call(self, inputs, training=False):
        return self.head(self.gather(inputs), training)

    def compute_output_shape(self, input_shape):
        return (input_shape["token_ids"][0], self.dim)

    def get_config(self):
        return {
            **super().get_config(),
            "backbone": keras.saving.serialize_keras_object(self.backbone),
            "pooling": self.pooling,
            "pad_id": self.pad_id,
            "exact_gelu": self.exact_gelu,
        }

    @classmethod
    def from_config(cls, config):
        backbone = keras.saving.deserialize_keras_object(config["backbone"])
        return cls(**{**config, "backbone": backbone})
