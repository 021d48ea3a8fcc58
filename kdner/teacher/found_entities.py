"""Entities that another package found in words, as logits: what its models give in place of a score of each label."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

CONFIDENCE = 0.95
"""Probability of a word's label where the package gives none; the other labels share the rest equally."""


class Found(NamedTuple):
    """An entity in the words of a sentence."""

    first: int
    last: int  # one past its last word
    name: str
    probability: float = CONFIDENCE


def entity_logits(entities: Iterable[Found], words: int, labels: Sequence[str]) -> np.ndarray:
    """Return the logarithms of probabilities, float32 [W, L], of the labels of a sentence's words.

    Args:
        entities: that do not overlap.
        words: of the sentence.
        labels: the label list, of IOB2.
    """
    best = np.zeros(words, np.int64)
    probability = np.full(words, CONFIDENCE)
    for first, last, name, sure in entities:
        best[first], best[first + 1 : last] = labels.index(f"B-{name}"), labels.index(f"I-{name}")
        probability[first:last] = min(sure, CONFIDENCE)
    shares = np.repeat((1 - probability)[:, None] / (len(labels) - 1), len(labels), axis=1)
    shares[np.arange(words), best] = probability
    return np.log(shares).astype(np.float32)
