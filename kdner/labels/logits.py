"""Logits that fit float16, in which they are stored."""

from __future__ import annotations

import numpy as np

LARGEST = 64.0
"""Logits of a word up to this size stay as they are: there float16 is exact to 1/32. Others are shifted."""
LOWEST = -1000.0
"""Logits so far below the highest of a shifted word are raised to this: their probability is 0 to any precision."""


def fits_float16(logits: np.ndarray) -> bool:
    """Tell whether all logits are numbers that float16 holds closely enough."""
    if logits.dtype != np.float16:
        return bool((np.abs(logits) <= LARGEST).all())
    sizes = logits.view(np.uint16) & 0x7FFF  # without the sign, halves order as integers, which are faster
    return bool((sizes <= np.float16(LARGEST).view(np.uint16)).all())


def fit_float16(logits: np.ndarray, owner: str) -> np.ndarray:
    """Return logits [N, L] that float16 holds and whose softmax is the same: a word's logits may be shifted as one.

    Words whose logits are all small stay as they are. Where one is large, or minus infinity as of a label that is ruled
    out, the highest of the word becomes 0 and the lowest `LOWEST`.

    Args:
        logits: of any size and numeric type.
        owner: whose they are, for errors.

    Raises:
        ValueError: a logit is not a number or plus infinity, or all of a word are minus infinity.
    """
    if fits_float16(logits):
        return logits
    highest = logits.max(axis=1, keepdims=True)  # not a number where one of them is not
    if not np.isfinite(highest).all():
        word = int(np.flatnonzero(~np.isfinite(highest[:, 0]))[0])
        raise ValueError(
            f"{owner}: the logits of word {word} are not finite numbers: {logits[word][:6]}. Expected numbers, or "
            "minus infinity for labels that are impossible, but not for all"
        )
    large = np.abs(logits).max(axis=1) > LARGEST
    shifted = logits.copy()
    shifted[large] = np.maximum(logits[large] - highest[large], LOWEST)
    return shifted
