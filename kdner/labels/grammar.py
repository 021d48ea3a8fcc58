"""Which label may follow which by IOB2: an `I-` label only follows a label of the same type."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np


def iob2_costs(labels: Sequence[str]) -> dict[str, np.ndarray]:
    """Return what a path through L labels costs beside its words, float32: 0, or minus infinity where it is not legal.

    Returns:
        `start_transitions` [L], `transitions` [L, L] (from, to) and `end_transitions` [L], as pytorch-crf names them.
    """
    inside = np.array([label.startswith("I-") for label in labels])
    names = np.array([label[2:] for label in labels])
    forbidden = {
        "start_transitions": inside,
        "transitions": inside & (names[:, None] != names),
        "end_transitions": np.zeros_like(inside),
    }
    return {name: np.where(places, -np.inf, 0).astype(np.float32) for name, places in forbidden.items()}
