"""What a student's scores are worth: quality by threshold, and how often entities of a score are right.

An entity's score is the mean, over its words, of the probability of the tag that each was given. It is right if an
entity with its boundaries and its label is labeled.

The expected calibration error (Naeini et al. 2015; Guo et al. 2017) cuts 0 to 1 into `BINS` equal bins and is the mean,
over all predicted entities, of the distance between the mean score of an entity's bin and the share of entities in the
bin that are right: 0 where of the entities with a score of 0.8 four in five are right. It is measured, and not mended:
a temperature would have to be found on labeled sentences that no model has learned from, and where labels are scarce
there are none; and to the teachers' distributions a student's own are fitted already, by its training.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kdner.measuring.predictions import Prediction

THRESHOLDS = tuple(number / 20 for number in range(20))
"""0, 0.05, ..., 0.95."""
BINS = 10


def score_quality(predictions: Sequence[Prediction], model: str) -> dict[str, Any]:
    """Measure what a student's scores say.

    The best thresholds are chosen on the labeled set that they are measured on: on another one they are a little worse.

    Returns:
        `expected_calibration_error`; `bins`, of those with entities; `thresholds`, the micro quality of the entities
        with at least that score; `best_threshold`, the least of them with the best F1; and `best_thresholds`, the same
        of each label alone.
    """
    gold: dict[str, int] = {}
    rows: list[tuple[str, float, bool]] = []
    for prediction in predictions:
        wanted = {span[:3] for span in prediction.gold}
        rows += [(s.label, s.score or 0.0, s[:3] in wanted) for s in prediction.models[model]]
        for span in prediction.gold:
            gold[span.label] = gold.get(span.label, 0) + 1
    labels = np.array([label for label, _, _ in rows], dtype=object)
    scores = np.array([score for _, score, _ in rows], np.float64)
    right = np.array([is_right for _, _, is_right in rows], bool)
    table = _by_threshold(scores, right, sum(gold.values()))
    best = {}
    for label in sorted({*gold, *labels}):
        own = labels == label
        best[label] = best_threshold(_by_threshold(scores[own], right[own], gold.get(label, 0)))
    bins = _bins(scores, right)
    error = sum(b["entities"] * abs(b["mean_score"] - b["share_right"]) for b in bins) / max(1, len(rows))
    return {
        "expected_calibration_error": round(error, 4),
        "bins": [{key: round(value, 4) for key, value in b.items()} for b in bins],
        "thresholds": table,
        "best_threshold": best_threshold(table),
        "best_thresholds": best,
    }


def best_threshold(thresholds: Sequence[Mapping[str, float]]) -> float:
    """Return the least threshold with the best F1, of rows with `threshold` and `f1`."""
    return max(thresholds, key=lambda row: (row["f1"], -row["threshold"]))["threshold"]


def _by_threshold(scores: np.ndarray, right: np.ndarray, gold: int) -> list[dict[str, float]]:
    kept = scores[None, :] >= np.array(THRESHOLDS)[:, None]
    found, correct = kept.sum(axis=1), (kept & right).sum(axis=1)
    return [
        {
            "threshold": threshold,
            "f1": round(float(2 * c / max(1, n + gold)), 4),
            "precision": round(float(c / max(1, n)), 4),
            "recall": round(float(c / max(1, gold)), 4),
            "entities": int(n),
        }
        for threshold, n, c in zip(THRESHOLDS, found, correct, strict=True)
    ]


def _bins(scores: np.ndarray, right: np.ndarray) -> list[dict[str, float]]:
    place = np.minimum((scores * BINS).astype(int), BINS - 1)
    return [
        {
            "from": number / BINS,
            "to": (number + 1) / BINS,
            "entities": int(own.sum()),
            "mean_score": float(scores[own].mean()),
            "share_right": float(right[own].mean()),
        }
        for number in range(BINS)
        if (own := place == number).any()
    ]
