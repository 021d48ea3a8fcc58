"""The table of a low-resource study: mean F1 and its spread, by model and size, and students against a reference."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

CONFIDENCE = 0.95
"""Probability that an interval holds the mean difference."""
MEAN = "mean of the teachers"
"""Name of the row for the mean of several teachers' logits."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A model, or a student less the reference in the same trials."""

    name: str
    means: dict[int, float]
    """Mean F1 or recall (0 to 1), or mean difference, by size."""
    spreads: dict[int, float]
    """Standard deviation over trials; of a difference, half of its 95 % interval. NaN where there is one trial."""
    trials: dict[int, int]
    """Number of trials by size."""


def f1_rows(trials: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Give each teacher, their mean, and each student a row of its F1."""
    return _rows(trials, lambda quality: quality["f1"])


def unknown_recall_rows(trials: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Give each a row of its recall of entities with a word that the trial's student does not know."""
    return _rows(trials, lambda quality: quality["unknown_words"]["recall"])


def _rows(trials: Iterable[Mapping[str, Any]], value: Callable[[Mapping[str, Any]], float | None]) -> list[Row]:
    """Give each model a row of a value of its measures; trials where that is None are left out."""
    values_of: dict[str, dict[int, list[float]]] = {}
    for trial in trials:
        for name, quality in _by_name(trial).items():
            if (measured := value(quality)) is not None:
                values_of.setdefault(name, {}).setdefault(trial["size"], []).append(measured)
    rows = []
    for name, by_size in values_of.items():
        spreads = {
            size: float(np.std(values, ddof=1)) if len(values) > 1 else float("nan") for size, values in by_size.items()
        }
        rows.append(_row(name, by_size, spreads))
    return rows


def difference_rows(trials: Sequence[Mapping[str, Any]], reference: str) -> list[Row]:
    """Give each student a row of its F1 less the reference's, paired by trial, with Student's t interval.

    Args:
        trials: lines of `jobs/low_resource.py`.
        reference: name of a model; trials without it are left out.
    """
    rows = []
    for name in dict.fromkeys(name for trial in trials for name in trial["students"] if name != reference):
        by_size: dict[int, list[float]] = {}
        for trial in trials:
            measured = _by_name(trial)
            if name in measured and reference in measured:
                difference = measured[name]["f1"] - measured[reference]["f1"]
                by_size.setdefault(trial["size"], []).append(difference)
        if by_size:
            rows.append(_row(name, by_size, {size: _half_interval(values) for size, values in by_size.items()}))
    return rows


def size_and_speed(trials: Iterable[Mapping[str, Any]]) -> dict[str, tuple[float, float]]:
    """Give each student its parameters and its words/s, the means of its trials; none where one lacks them."""
    measured: dict[str, list[tuple[float, float]]] = {}
    for trial in trials:
        for name, student in trial["students"].items():
            if "words_per_second" not in student:
                return {}
            measured.setdefault(name, []).append((student["parameters"], student["words_per_second"]))
    return {name: tuple(np.mean(pairs, axis=0).tolist()) for name, pairs in measured.items()}


def study_table(trials: Sequence[Mapping[str, Any]], reference: str | None = None) -> str:
    """Lay F1, recall, differences, size and speed out as Markdown; F1 and recall in points (0 to 100).

    Args:
        trials: lines of `jobs/low_resource.py`.
        reference: what students are compared with; by default the first teacher.
    """
    reference = reference or next(iter(trials[0]["teachers"]))
    f1, differences = f1_rows(trials), difference_rows(trials, reference)
    sizes = sorted({trial["size"] for trial in trials})
    counts = {size: sum(trial["size"] == size for trial in trials) for size in sizes}
    head = "".join(f" {size} |" for size in sizes)
    lines = [
        f"| F1, mean ± standard deviation |{head}",
        "|---|" + "---|" * len(sizes),
        *(_line(row, sizes, "") for row in f1),
        "| trials |" + "".join(f" {counts[size]} |" for size in sizes),
    ]
    if all("unknown_words" in quality for trial in trials for quality in _by_name(trial).values()):
        lines += [
            "",
            f"| recall of entities with a word unknown to the student |{head}",
            "|---|" + "---|" * len(sizes),
            *(_line(row, sizes, "") for row in unknown_recall_rows(trials)),
        ]
    if differences:
        lines += [
            "",
            f"| less {reference}, mean ± half of the 95 % interval |{head} all sizes |",
            "|---|" + "---|" * (len(sizes) + 1),
            *(f"{_line(row, sizes, '+')} {100 * np.mean(list(row.means.values())):+.1f} |" for row in differences),
        ]
    if students := size_and_speed(trials):
        lines += [
            "",
            "| mean of all trials | parameters | words/s of one core |",
            "|---|---|---|",
            *(f"| {name} | {count:,.0f} | {speed:,.0f} |" for name, (count, speed) in students.items()),
        ]
    return "\n".join(lines)


def _half_interval(values: Sequence[float]) -> float:
    """Return half of Student's t interval of a mean; NaN for one value."""
    from scipy.stats import sem, t  # here because it takes a second, which only a table needs

    if len(values) < 2:
        return float("nan")
    return float(t.interval(CONFIDENCE, len(values) - 1)[1] * sem(values))


def _by_name(trial: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    """Return what was measured of each model of a trial."""
    mean = {MEAN: trial["mean"]} if "mean" in trial else {}
    return {**trial["teachers"], **mean, **trial["students"]}


def _row(name: str, by_size: dict[int, list[float]], spreads: dict[int, float]) -> Row:
    return Row(
        name=name,
        means={size: float(np.mean(values)) for size, values in by_size.items()},
        spreads=spreads,
        trials={size: len(values) for size, values in by_size.items()},
    )


def _line(row: Row, sizes: Sequence[int], sign: str) -> str:
    cells = []
    for size in sizes:
        if size not in row.means:
            cells.append(" |")
            continue
        spread = "" if np.isnan(row.spreads[size]) else f" ± {100 * row.spreads[size]:.1f}"
        cells.append(f" {100 * row.means[size]:{sign}.1f}{spread} |")
    return f"| {row.name} |" + "".join(cells)
