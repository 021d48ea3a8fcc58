"""The shape of a word: how it is written. An encoder that reads lower case sees nothing of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

SHAPES = (
    "lower",
    "Title",
    "UPPER",
    "one capital",
    "miXed",
    "digits",
    "digits and letters",
    "no letters",
    "letters without case",
)


def shapes_of(words: Sequence[str]) -> np.ndarray:
    """Return the place in `SHAPES` of each of N words, int64 [N]."""
    return np.fromiter(map(_shape, words), np.int64, len(words))


def _shape(word: str) -> int:
    has_letters = any(map(str.isalpha, word))
    if any(map(str.isdigit, word)):
        name = "digits and letters" if has_letters else "digits"
    elif not has_letters:
        name = "no letters"
    elif word.lower() == word.upper():
        name = "letters without case"
    elif word == word.lower():
        name = "lower"
    elif word == word.upper():
        name = "UPPER" if len(word) > 1 else "one capital"
    else:
        name = "Title" if word[1:] == word[1:].lower() else "miXed"
    return SHAPES.index(name)
