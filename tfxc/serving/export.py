"""A trained encoder and its labels as a SavedModel."""

import json
import pathlib
import shutil
import tempfile

import numpy as np
import tensorflow as tf

import tfxc
from tfxc.data.arrays import replace_folder
from tfxc.saved_model import DESCRIPTION
from tfxc.serving.fused_find import settings
from tfxc.serving.scann_index import MIN_LABELS, ScannIndex
from tfxc.serving.search_model import SearchModel

INDEXES = ("exact", "scann")


def export_saved_model(
    folder,
    encoder,
    tokenizer,
    search,
    label_names,
    label_counts,
    index="exact",
    label_tokenizer=None,
    metadata=None,
):
    """Writes a SavedModel that answers strings, without tfxc or Keras.

    Its functions are signatures for TensorFlow Serving and attributes of what
    `tf.saved_model.load` returns; `text` is `[b]` string, b may be 0:

    ```
    serving_default(text) -> {"ids", "scores", "names"}, the best 10
    search(text, k)       -> {"ids", "scores", "names"}: [b, min(k, L)]
    embed_query(text)     -> {"vectors": [b, d]}
    embed_label(text)     -> {"vectors": [b, d]}
    ```

    `label_vectors`, `label_names` and `label_counts` are attributes as well.
    The folder is written beside its final place and then renamed: where this
    fails, what stood there before still stands.

    Args:
        folder: Path; replaced if it exists.
        encoder: Keras layer: `{"ids", "weights"} -> [b, d]` float32.
        tokenizer: `tf.Module`: `[b]` string -> what `encoder` takes; one with
            `packages` needs these to be imported before the model is loaded.
        search: `tfxc.search.FusedSearch` among the `L` labels.
        label_names: `Texts` of `L` names.
        label_counts: `[L]`, int; how many training rows have each label.
        index: "exact", for which TensorFlow alone suffices, or "scann", faster
            for many labels: what loads it must import scann before. Fewer
            than 16 labels are always searched exactly.
        label_tokenizer: As `tokenizer`, for the texts of labels; by default
            the same.
        metadata: JSON-serialisable dictionary, written to `tfxc.json` in the
            folder. `python -m tfxc.evaluate` needs "num_train_rows",
            "propensity_A" and "propensity_B" in it; with "num_features",
            queries are `feature:value` pairs below that number.

    Returns:
        The path of the folder.

    Raises:
        InputError: if `index` is "scann" and ScaNN cannot be imported.
        ValueError: if the arguments disagree.

    Example:

    >>> search = tfxc.search.FusedSearch(vectors)
    >>> tfxc.serving.export_saved_model(
    ...     "model", encoder, tokenizer, search, names, counts)
    >>> model = tf.saved_model.load("model")
    >>> model.search(["how to keep bread fresh"], 3)["names"]
    """
    vectors = search.vectors()
    _check(vectors, label_names, label_counts, index)
    found = None
    if index == "scann" and len(vectors) >= MIN_LABELS:
        found = ScannIndex(vectors)
    model = SearchModel(
        encoder,
        tokenizer,
        label_tokenizer or tokenizer,
        search,
        label_names.encoded(),
        label_counts,
        found,
    )
    description = {
        **(metadata or {}),
        "tfxc": tfxc.__version__,
        "index": "scann" if found else "exact",
        "packages": list(getattr(tokenizer, "packages", ())),
        "fusion": settings(search) if search.needs_ranking else None,
        "num_labels": len(vectors),
        "dim": vectors.shape[1],
    }
    return _save(model, pathlib.Path(folder), description)


def _check(label_vectors, label_names, label_counts, index):
    if index not in INDEXES:
        raise ValueError(
            f"`index` must be one of {INDEXES}. Received: index={index!r}"
        )
    lengths = len(label_vectors), len(label_names), len(label_counts)
    if label_vectors.ndim != 2 or len(set(lengths)) > 1 or not lengths[0]:
        raise ValueError(
            "label vectors must be [L, d], with L names and L counts, and "
            f"L at least 1. Received: vectors of shape {label_vectors.shape}, "
            f"{lengths[1]} names, {lengths[2]} counts"
        )
    if not np.isfinite(label_vectors).all():
        raise ValueError(
            "label vectors must be finite. Received: "
            f"{np.count_nonzero(~np.isfinite(label_vectors))} that are not"
        )


def _save(model, folder, description):
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = pathlib.Path(
        tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent)
    )
    try:
        tf.saved_model.save(
            model,
            str(temporary),
            signatures=model.signatures(),
            options=tf.saved_model.SaveOptions(namespace_whitelist=["Scann"]),
        )
        text = json.dumps(description, indent=1) + "\n"
        (temporary / DESCRIPTION).write_text(text)
        temporary.chmod(0o755)  # mkdtemp makes it private
        replace_folder(temporary, folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder
