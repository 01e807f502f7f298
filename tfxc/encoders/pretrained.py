"""Pretrained transformers, from a folder or a hub."""

import json
import pathlib

from tfxc.data.fingerprint import digest_of_files
from tfxc.encoders.transformer_encoder import TransformerEncoder
from tfxc.errors import InputError
from tfxc.legacy_keras import legacy_keras

LOCAL = (
    "give a folder with config.json, model.safetensors and the vocabulary, as "
    "the Hugging Face hub holds them"
)


def load_pretrained(name, pooling="mean", dropout=None):
    """Loads a transformer with its tokenizer.

    Args:
        name: Folder in the format of Hugging Face (`config.json`,
            `model.safetensors`, vocabulary) or of KerasHub, or a preset of
            KerasHub such as "bert_tiny_en_uncased" or "hf://USER/MODEL", which
            is downloaded.
        pooling: "mean" or "cls", see `TransformerEncoder`.
        dropout: Rate of dropout in training; as the preset has it if left out.

    Returns:
        `(TransformerEncoder, KerasHub tokenizer)`.

    Raises:
        InputError: if KerasHub is missing, there is no such preset, or the
            folder lacks weights or vocabulary.
    """
    keras_hub = import_keras_hub()
    check_folder(name)
    options = {} if dropout is None else {"dropout": dropout}
    try:
        backbone = keras_hub.models.Backbone.from_preset(str(name), **options)
        tokenizer = keras_hub.models.Tokenizer.from_preset(str(name))
        config, words = (
            read_json(name, file)
            for file in ("config.json", "tokenizer_config.json")
        )
    except Exception as error:
        # KerasHub and the hubs behind it have errors of many kinds.
        [first, *_] = [*str(error).strip().splitlines(), ""]
        raise InputError(
            f"--encoder: expected a preset of KerasHub that can be reached; or "
            f"{LOCAL}. Received: {name} ({type(error).__name__}: {first:.300})"
        ) from error
    for attribute in ("hidden_dim", "max_sequence_length"):
        if not hasattr(backbone, attribute):
            raise InputError(
                "--encoder: expected an encoder of the BERT family. "
                f"Received: {type(backbone).__name__}"
            )
    # KerasHub's own presets name none of these.
    exact = config.get("hidden_act", config.get("activation")) == "gelu"
    if "model_type" in config and hasattr(tokenizer, "strip_accents"):
        strip = words.get("strip_accents")
        tokenizer.strip_accents = (
            tokenizer.lowercase if strip is None else strip
        )
    encoder = TransformerEncoder(
        backbone, pooling, tokenizer.pad_token_id, exact
    )
    return encoder, tokenizer


def content_of(name):
    """Names what `load_pretrained` would load from a folder.

    Returns:
        32 hexadecimal digits; the name itself where it is no folder.

    Raises:
        InputError: if a file cannot be read.
    """
    folder = pathlib.Path(name)
    if not folder.is_dir():
        return str(name)
    return digest_of_files(
        {path.name: path for path in folder.iterdir() if path.is_file()}
    )


def import_keras_hub():
    """KerasHub, such that TFRS's ScaNN layer can still be imported.

    Raises:
        InputError: if it is not installed.
    """
    try:
        with legacy_keras():
            import keras_hub
    except ImportError as error:
        raise InputError(
            "pretrained encoders need KerasHub: pip install 'tfxc[text]'. "
            f"Received: {error}"
        ) from error
    return keras_hub


def read_json(name, file):
    """A file of a folder or preset that was loaded; empty if it has none."""
    from keras_hub.src.utils.preset_utils import check_file_exists, load_json

    name = str(name)
    return load_json(name, file) if check_file_exists(name, file) else {}


def check_folder(name):
    """Looks for what a local folder must hold, with better words than others.

    Raises:
        InputError: if the folder lacks something.
    """
    folder = pathlib.Path(name)
    if not folder.exists():
        if folder.is_absolute() or str(name).startswith("."):
            raise InputError(
                f"--encoder: expected a folder; {LOCAL}. Received: {name}, "
                "which does not exist"
            )
        return
    try:
        json.loads((folder / "config.json").read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise InputError(
            f"{folder}: expected config.json; {LOCAL}. Received: {error}"
        ) from error
    weights = ("model.safetensors", "model.weights.h5")
    words = ("vocab.txt", "vocab.json", "tokenizer.json", "spm.model")
    words += ("sentencepiece.bpe.model", "assets")
    weights += ("model.safetensors.index.json", "model.weights.json")
    for files, what in ((weights, "weights"), (words, "a vocabulary")):
        if not any((folder / file).exists() for file in files):
            raise InputError(
                f"{folder}: expected {what}: one of {', '.join(files)}. "
                f"Received: {sorted(p.name for p in folder.iterdir())}"
            )
