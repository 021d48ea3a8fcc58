"""What the student sees of a word: its row in the word table, its shape, and its characters.

Shapes: T distinct words ("types"), C characters of a word.
"""

from __future__ import annotations

import json
import re
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

PADDING, UNKNOWN = 0, 1
MAX_KNOWN_CHARACTERS = 250
MAX_CHARACTERS = 20
"""A longer word is seen by its first and last ten characters."""

SHAPES = (
    "lower",
    "Title",
    "UPPER",
    "single capital",
    "miXed",
    "digits",
    "digits and letters",
    "punctuation",
    "no case",
)
_DIGIT = re.compile(r"\d")


@dataclass(frozen=True, slots=True)
class WordFeatures:
    """The features of T distinct words, on one device."""

    words: torch.Tensor  # int64 [T], ids; or float32 [T, H], vectors of an encoder in their place
    shapes: torch.Tensor  # int64 [T]
    characters: torch.Tensor  # int64 [T, C], padded with 0

    def __len__(self) -> int:
        return len(self.words)

    def take(self, index: torch.Tensor) -> WordFeatures:
        """Select the words of an index, with repetition."""
        return WordFeatures(self.words[index], self.shapes[index], self.characters[index])

    @classmethod
    def join(cls, parts: Sequence[WordFeatures]) -> WordFeatures:
        """Put the features of several lists of words after one another."""
        columns = ((part.words, part.shapes, part.characters) for part in parts)
        return cls(*(torch.cat(column) for column in zip(*columns, strict=True)))

    def to(self, device: torch.device) -> WordFeatures:
        """Copy the features to a device."""
        return WordFeatures(self.words.to(device), self.shapes.to(device), self.characters.to(device))


@dataclass(frozen=True)
class Vocabulary:
    """The known words, in lower case with digits as 0, and the known characters; both by falling frequency."""

    words: tuple[str, ...]
    characters: tuple[str, ...]

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.words, self.characters)  # without what is computed of them

    @classmethod
    def build(cls, counts: Counter[str], *, max_words: int) -> Vocabulary:
        """Take the most frequent words and characters; ties go by code point, not by the order of counting."""
        words: Counter[str] = Counter()
        characters: Counter[str] = Counter()
        for word, count in counts.items():
            words[normalize(word)] += count
            for character in word:
                characters[character] += count
        return cls(_most_frequent(words, max_words), _most_frequent(characters, MAX_KNOWN_CHARACTERS))

    @property
    def word_rows(self) -> int:
        """Count the rows of the word table: padding, unknown and the known words."""
        return len(self.words) + 2

    @property
    def character_rows(self) -> int:
        """Count the rows of the character table: padding, unknown and the known characters."""
        return len(self.characters) + 2

    def features(self, types: Sequence[str]) -> WordFeatures:
        """Return the features of distinct words."""
        words = np.fromiter((self._word_ids.get(normalize(t), UNKNOWN) for t in types), np.int64, len(types))
        shapes = np.fromiter((_shape(t) for t in types), np.int64, len(types))
        views = [t if len(t) <= MAX_CHARACTERS else t[: MAX_CHARACTERS // 2] + t[-MAX_CHARACTERS // 2 :] for t in types]
        lengths = np.fromiter(map(len, views), np.int64, len(views))
        code_points = np.frombuffer("".join(views).encode("utf-32-le", "surrogatepass"), np.uint32)
        characters = np.full((len(types), MAX_CHARACTERS), PADDING, dtype=np.int64)
        characters[np.arange(MAX_CHARACTERS) < lengths[:, None]] = self._character_ids[code_points]
        return WordFeatures(torch.from_numpy(words), torch.from_numpy(shapes), torch.from_numpy(characters))

    def save(self, path: Path) -> None:
        """Write the vocabulary as JSON."""
        content = {"words": self.words, "characters": self.characters}
        path.write_text(json.dumps(content, ensure_ascii=True), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Vocabulary:
        """Read what `save` wrote."""
        content = json.loads(path.read_text("utf-8"))
        return cls(tuple(content["words"]), tuple(content["characters"]))

    @cached_property
    def _word_ids(self) -> dict[str, int]:
        return {word: i for i, word in enumerate(self.words, start=UNKNOWN + 1)}

    @cached_property
    def _character_ids(self) -> np.ndarray:
        ids = np.full(sys.maxunicode + 1, UNKNOWN, dtype=np.int16)
        ids[[ord(character) for character in self.characters]] = range(UNKNOWN + 1, self.character_rows)
        return ids


def normalize(word: str) -> str:
    """Return the word as the word table has it, in lower case, with digits as 0; shape and characters tell the rest."""
    return word.lower() if word.isalpha() else _DIGIT.sub("0", word.lower())


def _shape(word: str) -> int:
    if word.islower():
        name = "lower" if word.isalpha() else "digits and letters"
    elif word.isupper():
        name = "single capital" if len(word) == 1 else "UPPER"
    elif word.istitle():
        name = "Title"
    elif word.isdigit() or (word[0].isdigit() and not any(c.isalpha() for c in word)):
        name = "digits"
    elif not any(c.isalnum() for c in word):
        name = "punctuation"
    else:
        name = "no case" if word.lower() == word.upper() else "miXed"
    return SHAPES.index(name)


def _most_frequent(counts: Counter[str], limit: int) -> tuple[str, ...]:
    return tuple(sorted(counts, key=lambda key: (-counts[key], key))[:limit])
