"""How sure F1 is: bootstrap intervals over the documents, or sentences, of a labeled set.

The percentile bootstrap (Efron and Tibshirani 1993, chapter 13): as many documents as the set has are drawn from it
with replacement, again and again, and F1 is computed of each sample. Models are measured on the same samples, so that
the interval of a difference knows that they read the same sentences (the paired bootstrap of Berg-Kirkpatrick et al.
2012). It tells how much depends on the choice of the test set, not on the seed of a training.

Shapes: U units (documents or sentences), T types of entities, S samples. Counts are correct, predicted and gold.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from kdner.measuring.predictions import Prediction, Span

SAMPLES = 1000
SEED = 1
PERCENTILES = (2.5, 97.5)
"""Of the samples: an interval of 95 %."""
FEW_DOCUMENTS = 30
"""With fewer, sentences are drawn: samples of so few units say little."""


class Bootstrap(NamedTuple):
    """F1 of each model in S samples; not a number where a sample has neither gold nor predicted entities of a type."""

    unit: str
    """What was drawn: `documents` or `sentences`."""
    units: int
    """How many there are, and how many each sample has."""
    labels: list[str]
    """The T types of entities."""
    micro: dict[str, np.ndarray]  # float64 [S], by model
    of_labels: dict[str, np.ndarray]  # float64 [S, T], by model

    def interval(self, model: str, label: str | None = None) -> list[float] | None:
        """Return the 95 % interval of a model's micro F1, or of its F1 of one label; None where no sample has it."""
        return _interval(self.micro[model] if label is None else self.of_labels[model][:, self.labels.index(label)])

    def difference(self, model: str, other: str) -> dict[str, Any]:
        """Return the 95 % interval of how much higher a model's micro F1 is than another's.

        `positive_share` is the share of samples in which it is higher, 0 to 1.
        """
        above = self.micro[model] - self.micro[other]
        return {"interval": _interval(above), "positive_share": round(float((above > 0).mean()), 4)}


def bootstrap(predictions: Sequence[Prediction], labels: Sequence[str]) -> Bootstrap:
    """Draw samples of a labeled set and compute every model's F1 of each.

    Args:
        predictions: those of all models for each sentence.
        labels: types of entities.
    """
    documents = {prediction.document: None for prediction in predictions}
    by_document = len(documents) >= FEW_DOCUMENTS
    places = {document: place for place, document in enumerate(documents)}
    rows = [places[p.document] if by_document else row for row, p in enumerate(predictions)]
    units = len(documents) if by_document else len(predictions)
    counts = {
        model: _counts(rows, units, [(p.gold, p.models[model]) for p in predictions], labels)
        for model in predictions[0].models
    }
    f1 = _resampled(counts, units)
    micro = {model: values[:, -1] for model, values in f1.items()}
    of_labels = {model: values[:, :-1] for model, values in f1.items()}
    return Bootstrap("documents" if by_document else "sentences", units, list(labels), micro, of_labels)


def _counts(
    rows: Sequence[int], units: int, entities: Sequence[tuple[list[Span], list[Span]]], labels: Sequence[str]
) -> np.ndarray:
    """Return float64 [U, 3, T + 1]: correct, predicted and gold entities of each unit by type, and of all types."""
    place = {label: number for number, label in enumerate(labels)}
    counts = np.zeros((units, 3, len(labels) + 1))
    for row, (gold, predicted) in zip(rows, entities, strict=True):
        wanted = {span[:3] for span in gold}
        for span in predicted:
            counts[row, 0, place[span.label]] += span[:3] in wanted
            counts[row, 1, place[span.label]] += 1
        for span in gold:
            counts[row, 2, place[span.label]] += 1
    counts[:, :, -1] = counts.sum(axis=2)
    return counts


def _resampled(counts: Mapping[str, np.ndarray], units: int) -> dict[str, np.ndarray]:
    """Return each model's F1 of each sample, float64 [S, T + 1]."""
    random = np.random.default_rng(SEED)
    totals = {model: np.empty((SAMPLES, *own.shape[1:])) for model, own in counts.items()}
    flat = {model: own.reshape(units, -1) for model, own in counts.items()}
    for sample in range(SAMPLES):
        times = np.bincount(random.integers(units, size=units), minlength=units).astype(np.float64)
        for model, own in flat.items():
            totals[model][sample] = (times @ own).reshape(3, -1)
    with np.errstate(invalid="ignore"):
        return {model: 2 * own[:, 0] / (own[:, 1] + own[:, 2]) for model, own in totals.items()}


def _interval(values: np.ndarray) -> list[float] | None:
    known = values[~np.isnan(values)]
    return [round(float(value), 4) for value in np.percentile(known, PERCENTILES)] if len(known) else None
