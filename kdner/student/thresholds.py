"""The least score of an entity that is kept, by label: as callers give it, and as flags spell it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from numbers import Real
from typing import TypeAlias

from kdner.errors import InputError

Score: TypeAlias = float | Mapping[str, float] | None
"""One threshold for all entities, or those of some labels; None for none."""


def thresholds_by_label(score: float | Mapping[str, float], labels: Sequence[str]) -> dict[str, float]:
    """Return the threshold of every type of entity; 0 for those that a mapping does not name.

    Args:
        score: one threshold, or a mapping of types, such as `PER`, to theirs.
        labels: the label list.

    Raises:
        InputError: a threshold is not from 0 to 1, or of a type that is not in the list.
    """
    types = sorted({label[2:] for label in labels if label != "O"})
    named = score if isinstance(score, Mapping) else dict.fromkeys(types, score)
    for name, threshold in named.items():
        if name not in types:
            raise InputError(f"score: {name!r} is no label of this student; it has {', '.join(types)}")
        if isinstance(threshold, bool) or not (isinstance(threshold, Real) and 0 <= threshold <= 1):
            raise InputError(f"score: the threshold of {name} is {threshold!r}; expected a number from 0 to 1")
    return {name: float(named.get(name, 0)) for name in types}


def parse_thresholds(values: Sequence[str], labels: Sequence[str]) -> dict[str, float]:
    """Read what `--score` spells: `0.5` for all labels, `PER=0.7` for one, or both; as `thresholds_by_label` does.

    Raises:
        InputError: a value is neither, is out of range, names no label of the list, or comes twice.
    """
    given: dict[str, float] = {}
    for value in values:
        name, _, number = value.rpartition("=")
        try:
            threshold = float(number)
        except ValueError:
            raise InputError(f"--score {value}: expected a number from 0 to 1, or LABEL=NUMBER as in PER=0.7") from None
        if name in given:
            raise InputError(f"--score {' '.join(values)}: {name or 'the threshold of all labels'} is there twice")
        given[name] = threshold
    every = thresholds_by_label(given.pop("", 0.0), labels)
    thresholds_by_label(given, labels)
    return {**every, **given}
