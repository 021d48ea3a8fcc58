"""The table of a low-resource study: mean F1 and its spread, by model and size, and students against one of them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

CONFIDENCE = 0.95
MEAN = "mean of the teachers"
"""The name of their row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A model, or a student less the reference in the same trials."""

    name: str
    means: dict[int, float]
    """Mean F1 (0 to 1), or mean difference, by size."""
    spreads: dict[int, float]
    """Standard deviation over trials; of a difference, half of its 95 % interval. NaN where there is one trial."""
    trials: dict[int, int]


def f1_rows(trials: Iterable[Mapping[str, Any]]) -> list[Row]:
    """Give each teacher, their mean, and each student a row."""
    rows = []
    for name, values in _by_model(trials).items():
        spreads = {size: float(np.std(own, ddof=1)) if len(own) > 1 else float("nan") for size, own in values.items()}
        rows.append(_row(name, values, spreads))
    return rows


def difference_rows(trials: Sequence[Mapping[str, Any]], reference: str) -> list[Row]:
    """Give each student a row of its F1 less the reference's, paired by trial, with Student's t interval.

    Args:
        trials: lines of `jobs/low_resource.py`.
        reference: name of a model; trials without it are left out.
    """
    from scipy.stats import t

    rows = []
    for name in dict.fromkeys(name for trial in trials for name in trial["students"] if name != reference):
        values: dict[int, list[float]] = {}
        for trial in trials:
            f1 = _f1_by_model(trial)
            if name in f1 and reference in f1:
                values.setdefault(trial["size"], []).append(f1[name] - f1[reference])
        spreads = {}
        for size, own in values.items():
            n = len(own)
            quantile = t.ppf((1 + CONFIDENCE) / 2, n - 1) if n > 1 else float("nan")
            spreads[size] = float(quantile * np.std(own, ddof=1) / np.sqrt(n)) if n > 1 else float("nan")
        if values:
            rows.append(_row(name, values, spreads))
    return rows


def study_table(trials: Sequence[Mapping[str, Any]], reference: str | None = None) -> str:
    """Lay both out as Markdown, in points of F1 (0 to 100), with the number of trials of each size.

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
    if differences:
        lines += [
            "",
            f"| less {reference}, mean ± half of the 95 % interval |{head} all sizes |",
            "|---|" + "---|" * (len(sizes) + 1),
            *(f"{_line(row, sizes, '+')} {100 * np.mean(list(row.means.values())):+.1f} |" for row in differences),
        ]
    return "\n".join(lines)


def _by_model(trials: Iterable[Mapping[str, Any]]) -> dict[str, dict[int, list[float]]]:
    values: dict[str, dict[int, list[float]]] = {}
    for trial in trials:
        for name, f1 in _f1_by_model(trial).items():
            values.setdefault(name, {}).setdefault(trial["size"], []).append(f1)
    return values


def _f1_by_model(trial: Mapping[str, Any]) -> dict[str, float]:
    mean = {MEAN: trial["mean"]} if "mean" in trial else {}
    return {name: scores["f1"] for name, scores in {**trial["teachers"], **mean, **trial["students"]}.items()}


def _row(name: str, values: dict[int, list[float]], spreads: dict[int, float]) -> Row:
    return Row(
        name=name,
        means={size: float(np.mean(own)) for size, own in values.items()},
        spreads=spreads,
        trials={size: len(own) for size, own in values.items()},
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
