"""What the student sees of a word: the rows of the word table that it is made of, and its characters.

Shapes: T distinct words ("types"), P pieces and C characters of a word.
"""

from __future__ import annotations

import json
import re
import sys
import unicodedata
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

K = TypeVar("K", str, tuple[bool, str])

PADDING, UNKNOWN = 0, 1
MAX_KNOWN_CHARACTERS = 250
MAX_CHARACTERS = 20
"""A longer word is seen by its first and last ten characters."""
MAX_PIECES = 8
"""A word of more pieces is seen by its first and last four."""

_DIGIT = re.compile(r"\d")


@dataclass(frozen=True)
class Vocabulary:
    """The words, pieces and characters that have vectors; words and pieces as `normalize` gives them.

    A word is made of pieces: the longest that it begins with, the longest that goes on from there, and so on. In a
    vocabulary without pieces every word is made of `UNKNOWN` alone.
    """

    words: tuple[str, ...]
    """Words that also have a vector of their own, by falling frequency."""
    characters: tuple[str, ...]
    """By falling frequency."""
    beginnings: tuple[str, ...] = ()
    """Pieces that words begin with."""
    continuations: tuple[str, ...] = ()
    """Pieces that go on within a word."""

    def __reduce__(self) -> tuple[Any, ...]:
        # without what is computed of them
        return type(self), (self.words, self.characters, self.beginnings, self.continuations)

    @classmethod
    def build(cls, counts: Counter[str], *, max_words: int) -> Vocabulary:
        """Take the most frequent words and characters, and no pieces."""
        words: Counter[str] = Counter()
        for word, count in counts.items():
            words[normalize(word)] += count
        return cls(most_frequent(words, max_words), frequent_characters(counts))

    @property
    def word_rows(self) -> int:
        """Count the rows of the word table: padding, unknown, own vectors and pieces."""
        return UNKNOWN + 1 + len(self.words) + len(self.beginnings) + len(self.continuations)

    @property
    def character_rows(self) -> int:
        """Count the rows of the character table: padding, unknown and the known characters."""
        return len(self.characters) + 2

    def own_rows(self, normalized: Sequence[str]) -> np.ndarray:
        """Return the row of each word's own vector, int64 [T], 0 without one; words as `normalize` gives them."""
        return np.fromiter((self._words.get(word, PADDING) for word in normalized), np.int64, len(normalized))

    def characters_of(self, types: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        """Return the characters of words, one word after the other, int64 [C], and where each ends, int64 [T]."""
        half = MAX_CHARACTERS // 2
        views = [word if len(word) <= MAX_CHARACTERS else word[:half] + word[-half:] for word in types]
        lengths = np.fromiter(map(len, views), np.int64, len(views))
        code_points = np.frombuffer("".join(views).encode("utf-32-le", "surrogatepass"), np.uint32)
        return self._character_ids[code_points].astype(np.int64), np.cumsum(lengths)

    def pieces(self, word: str) -> list[int]:
        """Return the rows of the pieces that a normalized word is seen by, `UNKNOWN` for a character that is none."""
        rows = self.all_pieces(word)
        return rows if len(rows) <= MAX_PIECES else rows[: MAX_PIECES // 2] + rows[-MAX_PIECES // 2 :]

    def all_pieces(self, word: str) -> list[int]:
        """Return the rows of all pieces that a normalized word is made of, however many."""
        if not self.beginnings:
            return [UNKNOWN]
        (known, longest), following = self._beginnings, self._continuations
        rows: list[int] = []
        begin, stop = 0, len(word)
        while begin < stop:
            row = None
            for end in range(min(stop, begin + longest), begin, -1):
                row = known.get(word[begin:end])
                if row is not None:
                    break
            rows.append(UNKNOWN if row is None else row)
            begin, (known, longest) = end, following
        return rows

    def knows(self, word: str) -> bool:
        """Tell whether a word has a vector that stands for it alone: one of its own, or that of its only piece."""
        word = normalize(word)
        return word in self._words or (UNKNOWN not in (rows := self.pieces(word)) and len(rows) == 1)

    def save(self, path: Path) -> None:
        """Write the vocabulary as JSON."""
        content = {field.name: getattr(self, field.name) for field in fields(self)}
        path.write_text(json.dumps(content, ensure_ascii=True), encoding="utf-8")

    @classmethod
    def load(cls, path: Path) -> Vocabulary:
        """Read what `save` wrote."""
        content = json.loads(path.read_text("utf-8"))
        return cls(**{name: tuple(values) for name, values in content.items()})

    @cached_property
    def _words(self) -> dict[str, int]:
        return {word: row for row, word in enumerate(self.words, start=UNKNOWN + 1)}

    @cached_property
    def _beginnings(self) -> tuple[dict[str, int], int]:
        return _rows_of(self.beginnings, UNKNOWN + 1 + len(self.words))

    @cached_property
    def _continuations(self) -> tuple[dict[str, int], int]:
        return _rows_of(self.continuations, UNKNOWN + 1 + len(self.words) + len(self.beginnings))

    @cached_property
    def _character_ids(self) -> np.ndarray:
        ids = np.full(sys.maxunicode + 1, UNKNOWN, dtype=np.int16)
        ids[[ord(character) for character in self.characters]] = range(UNKNOWN + 1, self.character_rows)
        return ids


def normalize(word: str) -> str:
    """Return the word as the word table has it: lower case in NFC, digits as 0; the characters tell the rest."""
    lower = word.lower()
    if not lower.isascii():
        lower = unicodedata.normalize("NFC", lower)
    return lower if lower.isalpha() else _DIGIT.sub("0", lower)


def most_frequent(counts: Counter[K], limit: int) -> tuple[K, ...]:
    """Return the most frequent; ties go by themselves, not by the order of counting."""
    return tuple(sorted(counts, key=lambda key: (-counts[key], key))[:limit])


def frequent_characters(counts: Counter[str]) -> tuple[str, ...]:
    """Return the characters of words that are so frequent that the student knows them."""
    characters: Counter[str] = Counter()
    for word, count in counts.items():
        for character in word:
            characters[character] += count
    return most_frequent(characters, MAX_KNOWN_CHARACTERS)


def _rows_of(pieces: Sequence[str], first: int) -> tuple[dict[str, int], int]:
    """Return the row of each piece, and the length of the longest."""
    return {piece: row for row, piece in enumerate(pieces, start=first)}, max(map(len, pieces), default=1)
