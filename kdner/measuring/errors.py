"""Which entities a model got wrong, and how: the kinds of the SemEval-2013 task 9 and of nervaluate.

A gold and a predicted entity that overlap make a pair; each entity is in one pair at most. Of all possible pairs the
most alike come first: equal ones, then those with the same boundaries, then those with the same label, then others;
among alike pairs those whose boundaries are closest (the distance of the starts and that of the ends, in characters,
added), then the one that begins first. So nothing depends on an order in which entities are listed.

| kind | the entities | nervaluate's scenario |
|---|---|---|
| `correct` | boundaries and label are equal | I |
| `label` | equal boundaries, another label | IV |
| `boundaries` | they overlap, and the label is equal | V |
| `both` | they overlap, and neither is equal | VI |
| `missed` | a gold entity without a partner | III |
| `spurious` | a predicted entity without a partner | II |

`correct + label + boundaries + both + missed` is the number of gold entities, and with `spurious` in the place of
`missed` that of predicted ones. nervaluate's four ways to count follow: `strict` takes `correct` only as right, `exact`
also `label`, `type` also `boundaries`; `partial` is `exact` with half of `boundaries` and of `both`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from kdner.measuring.predictions import Prediction, Span

KINDS = {
    "correct": "boundaries and label are right",
    "label": "the boundaries are right, the label is wrong",
    "boundaries": "the label is right, the boundaries are wrong",
    "both": "it overlaps a labeled entity, but boundaries and label are wrong",
    "missed": "a labeled entity that was not found",
    "spurious": "nothing is labeled there",
}
"""Each kind and what it says of a predicted entity, `missed` of a labeled one."""
OUTSIDE = "O"
"""In a confusion, the partner of what has none."""
CONTEXT_WORDS = 8
"""White-space separated words of the context on each side."""


class Compared(NamedTuple):
    """A gold and a predicted entity, one of them None where it has no partner."""

    kind: str
    gold: Span | None
    predicted: Span | None

    @property
    def start(self) -> int:
        """Where the first of them begins."""
        return min(span.start for span in self[1:] if span is not None)


def compare(gold: Sequence[Span], predicted: Sequence[Span]) -> list[Compared]:
    """Compare all entities of a sentence, by start.

    Args:
        gold: what is labeled; no two overlap.
        predicted: what a model found; no two overlap.
    """
    overlapping = [(g, p) for g in gold for p in predicted if g.start < p.end and p.start < g.end]
    left_gold, left_predicted = dict.fromkeys(gold), dict.fromkeys(predicted)
    compared = []
    for g, p in sorted(overlapping, key=_unlikeness):
        if g in left_gold and p in left_predicted:
            del left_gold[g], left_predicted[p]
            compared.append(Compared(_kind(g, p), g, p))
    compared += [Compared("missed", g, None) for g in left_gold]
    compared += [Compared("spurious", None, p) for p in left_predicted]
    return sorted(compared, key=lambda pair: (pair.start, pair.kind))


def count_kinds(compared: Iterable[Compared]) -> dict[str, int]:
    """Count pairs by kind, in the order of `KINDS`."""
    counts = Counter(pair.kind for pair in compared)
    return {kind: counts[kind] for kind in KINDS}


def confusion(compared: Iterable[Compared], labels: Sequence[str]) -> dict[str, dict[str, int]]:
    """Count pairs by gold label, then by predicted label; `O` stands for no entity on that side.

    Args:
        compared: the pairs.
        labels: types of entities, which come first and are there whether they occur or not.
    """
    counts = Counter(
        (pair.gold.label if pair.gold else OUTSIDE, pair.predicted.label if pair.predicted else OUTSIDE)
        for pair in compared
    )
    names = [*labels, OUTSIDE]
    return {gold: {predicted: counts[gold, predicted] for predicted in names} for gold in names}


def error_lines(predictions: Iterable[Prediction], model: str) -> Iterator[dict[str, Any]]:
    """Yield what `errors.jsonl` says of a model: each pair that is not correct, in its sentence.

    `before` and `after` are the text around, some words of it; all offsets are code points of `text`.
    """
    for prediction in predictions:
        for pair in compare(prediction.gold, prediction.models[model]):
            if pair.kind != "correct":
                spans = [span for span in pair[1:] if span is not None]
                first, last = min(span.start for span in spans), max(span.end for span in spans)
                yield {
                    "model": model,
                    "kind": pair.kind,
                    "document": prediction.document,
                    "sentence": prediction.sentence,
                    "gold": _described(pair.gold, prediction.text),
                    "predicted": _described(pair.predicted, prediction.text),
                    "before": " ".join(prediction.text[:first].split()[-CONTEXT_WORDS:]),
                    "after": " ".join(prediction.text[last:].split()[:CONTEXT_WORDS]),
                    "text": prediction.text,
                }


def _described(span: Span | None, text: str) -> dict[str, Any] | None:
    if span is None:
        return None
    described = {"start": span.start, "end": span.end, "label": span.label, "text": text[span.start : span.end]}
    return described if span.score is None else {**described, "score": span.score}


def _kind(gold: Span, predicted: Span) -> str:
    same_label, same_boundaries = gold.label == predicted.label, gold[:2] == predicted[:2]
    if same_boundaries:
        return "correct" if same_label else "label"
    return "boundaries" if same_label else "both"


def _unlikeness(pair: tuple[Span, Span]) -> tuple[int, int, int, int]:
    gold, predicted = pair
    distance = abs(gold.start - predicted.start) + abs(gold.end - predicted.end)
    return list(KINDS).index(_kind(gold, predicted)), distance, gold.start, predicted.start
