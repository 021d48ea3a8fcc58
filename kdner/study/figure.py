"""The figure of a low-resource study, as PNG. matplotlib is in the extra `measure`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kdner.measuring.figures import png
from kdner.study.table import Row, f1_rows, size_and_speed


def study_figure(trials: Sequence[Mapping[str, Any]]) -> bytes:
    """Draw mean F1 with its standard deviation against the number of labeled sentences, a line for each model.

    Where the speed of several students is known, their F1 stands beside it against words/s, a line for each size.

    Args:
        trials: lines of `jobs/low_resource.py`.
    """
    from matplotlib.figure import Figure

    students = size_and_speed(trials)
    panels = 2 if len(students) > 1 else 1
    figure = Figure(figsize=(8 * panels, 5), layout="constrained")
    by_size, *by_speed = figure.subplots(1, panels, squeeze=False)[0]
    rows = f1_rows(trials)
    for row in rows:
        sizes = sorted(row.means)
        f1, spread = ([100 * values[size] for size in sizes] for values in (row.means, row.spreads))
        error = None if np.isnan(spread).any() else spread
        by_size.errorbar(sizes, f1, yerr=error, marker="o", capsize=3, label=row.name)
    sizes = sorted({trial["size"] for trial in trials})
    by_size.set(xlabel="labeled sentences", ylabel="F1", xscale="log")
    by_size.set_xticks(sizes, [str(size) for size in sizes])
    for axes in by_speed:
        _draw_speed([row for row in rows if row.name in students], students, sizes, axes)
    for axes in (by_size, *by_speed):
        axes.minorticks_off()
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    return png(figure)


def _draw_speed(
    rows: Sequence[Row], students: Mapping[str, tuple[float, float]], sizes: Sequence[int], axes: Any
) -> None:
    """Draw mean F1 of students against their words/s, the fastest last; each is named where it is best."""
    from matplotlib.ticker import EngFormatter, LogLocator

    rows = sorted(rows, key=lambda row: students[row.name][1])
    for size in sizes:
        points = [(students[row.name][1], 100 * row.means[size]) for row in rows if size in row.means]
        axes.plot(*zip(*points, strict=True), marker="o", label=f"{size} labeled sentences")
    for row in rows:
        parameters, speed = students[row.name]
        name = row.name.replace(",", ",\n") + f"\n{parameters / 1e6:.1f} M"
        place = (speed, 100 * max(row.means.values()))
        axes.annotate(name, place, (0, 6), textcoords="offset points", ha="center", fontsize="x-small")
    axes.set(xlabel="words/s of one core", ylabel="F1", xscale="log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
    axes.xaxis.set_major_formatter(EngFormatter())
    axes.margins(x=0.1, y=0.15)
