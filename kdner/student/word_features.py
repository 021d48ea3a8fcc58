"""The features of words as tensors: what training reads, and inference in PyTorch.

Shapes: T distinct words ("types"), P pieces and C characters of a word, H width of an encoder's vectors.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import torch

from kdner.student.vocabulary import MAX_CHARACTERS, MAX_PIECES, PADDING, Vocabulary, normalize


@dataclass(frozen=True, slots=True)
class WordFeatures:
    """The features of T distinct words, on one device."""

    words: torch.Tensor  # int64 [T], rows of own vectors, 0 without one; or float32 [T, H], an encoder's vectors
    pieces: torch.Tensor  # int64 [T, P], rows of the pieces, padded with 0
    characters: torch.Tensor  # int64 [T, C], padded with 0

    def __len__(self) -> int:
        return len(self.words)

    def take(self, index: torch.Tensor) -> WordFeatures:
        """Select the words of an index, with repetition."""
        return WordFeatures(*(feature[index] for feature in self._features()))

    @classmethod
    def join(cls, parts: Sequence[WordFeatures]) -> WordFeatures:
        """Put the features of several lists of words after one another."""
        return cls(*map(torch.cat, zip(*(part._features() for part in parts), strict=True)))

    def to(self, device: torch.device) -> WordFeatures:
        """Copy the features to a device."""
        return WordFeatures(*(feature.to(device) for feature in self._features()))

    def _features(self) -> tuple[torch.Tensor, ...]:
        return self.words, self.pieces, self.characters

    @classmethod
    def of(cls, vocabulary: Vocabulary, types: Sequence[str]) -> WordFeatures:
        """Return the features of distinct words."""
        normalized = list(map(normalize, types))
        made_of = list(map(vocabulary.pieces, normalized))
        counts = np.fromiter(map(len, made_of), np.int64, len(types))
        pieces = np.full((len(types), MAX_PIECES), PADDING, np.int64)
        pieces[np.arange(MAX_PIECES) < counts[:, None]] = np.fromiter(chain.from_iterable(made_of), np.int64)
        flat, ends = vocabulary.characters_of(types)
        characters = np.full((len(types), MAX_CHARACTERS), PADDING, np.int64)
        characters[np.arange(MAX_CHARACTERS) < np.diff(ends, prepend=0)[:, None]] = flat
        return cls(*map(torch.from_numpy, (vocabulary.own_rows(normalized), pieces, characters)))
