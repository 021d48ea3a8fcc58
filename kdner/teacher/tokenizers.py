"""Tokenizers, taken by what they do: whether words alone become the pieces that they are in running text.

Teachers read words, one by one. Byte-level and SentencePiece tokenizers mark that a blank stands before a piece, and
not all of them mark a word that comes alone: it would then be read as the rest of a longer word, in silence.
"""

from __future__ import annotations

import json
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from typing import Any

from transformers import AutoConfig, AutoTokenizer

from kdner.errors import InputError
from kdner.teacher.encoder import load_pretrained, model_folder

COMMON_WORDS = ("Anna", "lives", "in", "Oslo", "the", "since", "1996")
"""Words that are tried with every tokenizer, beside words of its own."""
OWN_WORDS = 40
"""Words of a tokenizer's vocabulary that are tried."""
EQUAL_SHARE = 0.9
"""Share of the words tried that must become the pieces that they are in running text: few tokenizers join words."""


def load_tokenizer(path: str) -> Any:
    """Load an encoder's fast tokenizer, without truncation and padding, and check that words can be given to it.

    Raises:
        InputError: it cannot be loaded, is not a fast one, has no piece for padding, or cuts words that come alone
            otherwise than in running text.
    """
    folder = Path(path)
    if any(folder.glob("*.model")) and not (folder / "tokenizer.json").is_file() and not find_spec("sentencepiece"):
        raise InputError(
            f"{path}: its tokenizer is a SentencePiece model ({next(folder.glob('*.model')).name}) without a "
            "tokenizer.json; to read it the package sentencepiece is needed. Run: pip install 'kdner[sentencepiece]'"
        )
    tokenizer = load_pretrained(AutoTokenizer, path)
    if not getattr(tokenizer, "is_fast", False):
        raise InputError(
            f"{path}: its tokenizer ({type(tokenizer).__name__}) has no fast form. Expected one of the "
            "library tokenizers, with a tokenizer.json or vocabulary files that it can read; take another encoder."
        )
    if len(tokenizer) <= len(tokenizer.all_special_ids):  # what transformers makes up where the files are missing
        raise InputError(f"{path}: it has no tokenizer. Expected a tokenizer.json, or the vocabulary files, beside it.")
    if tokenizer.pad_token_id is None:
        raise InputError(
            f"{path}: its tokenizer has no padding token. Name one of its special tokens as pad_token in its "
            "tokenizer_config.json; which one does not matter, as padding is masked."
        )
    tokenizer.backend_tokenizer.no_truncation()
    tokenizer.backend_tokenizer.no_padding()
    leading_blank(tokenizer, path)
    return tokenizer


def check_encoder(base: str) -> None:
    """Check that an encoder can be found and be given words, without loading its weights.

    Raises:
        InputError: it cannot.
    """
    folder = model_folder(base)
    if _is_of_kdner(folder):
        raise InputError(
            f"{base}: is a finished model of kdner, not an encoder to train. Take an encoder, such as minilm; this one "
            f"is a teacher as it is, for precompute_logits --teacher, or in low_resource as fixed:{base}"
        )
    load_pretrained(AutoConfig, str(folder))
    if not any(folder.glob("model*.safetensors")):
        raise InputError(
            f"{base}: there is no file named model.safetensors. Expected weights as safetensors only. "
            "Load it with transformers and save it with save_pretrained, on a machine that may run its code."
        )
    load_tokenizer(str(folder))


def _is_of_kdner(folder: Path) -> bool:
    try:
        model_type = json.loads((folder / "config.json").read_text("utf-8"))["model_type"]
    except (OSError, ValueError, KeyError, TypeError):  # what is wrong with it, transformers says
        return False
    return str(model_type).startswith("kdner-")


def leading_blank(tokenizer: Any, owner: str = "") -> str:
    """Return what must stand before a word that comes alone, so that its pieces are those of running text.

    It is found by trying: nothing, or a blank.

    Args:
        tokenizer: a fast one of transformers.
        owner: whose it is, for errors.

    Raises:
        InputError: with neither a word's pieces are those of running text.
    """
    words = [*COMMON_WORDS, *_own_words(tokenizer)]
    right = {blank: [word for word in words if _is_as_in_text(tokenizer, word, blank)] for blank in ("", " ")}
    blank = max(right, key=lambda blank: len(right[blank]))
    if len(right[blank]) < EQUAL_SHARE * len(words):
        wrong = next(word for word in words if word not in right[blank])
        in_text, alone = (tokenizer.convert_ids_to_tokens(ids) for ids in _both(tokenizer, wrong, blank))
        raise InputError(
            f"{owner}: its tokenizer makes other pieces of words that come alone than of running text: of "
            f"{f'{wrong} {wrong}'!r} it makes {in_text}, of the second word alone {alone}. Take another encoder."
        )
    return blank


def unknown_piece(tokenizer: Any) -> int:
    """Return the id of the piece for a word without pieces: the unknown one, else the mask, else padding."""
    ids = (tokenizer.unk_token_id, tokenizer.mask_token_id, tokenizer.pad_token_id)
    return next(piece for piece in ids if piece is not None)


def _is_as_in_text(tokenizer: Any, word: str, blank: str) -> bool:
    """Tell whether the second of two equal words of running text has the pieces of the word alone."""
    in_text, alone = _both(tokenizer, word, blank)
    first = tokenizer.backend_tokenizer.encode(word, add_special_tokens=False).ids
    return in_text == first + alone


def _both(tokenizer: Any, word: str, blank: str) -> tuple[list[int], list[int]]:
    """Return the pieces of a text of a word twice, and those of the word alone behind a blank or nothing."""
    backend = tokenizer.backend_tokenizer
    in_text = backend.encode(f"{word} {word}", add_special_tokens=False).ids
    return in_text, backend.encode([blank + word], is_pretokenized=True, add_special_tokens=False).ids


def _own_words(tokenizer: Any) -> list[str]:
    """Return words of a tokenizer's vocabulary, evenly drawn from it: those of its language."""
    pieces = sorted(tokenizer.get_vocab())
    words = [word for piece in pieces if len(word := piece.lstrip("\u0120\u2581#")) > 2 and word.isalpha()]
    return list(islice(words, 0, None, max(1, len(words) // OWN_WORDS)))[:OWN_WORDS]
