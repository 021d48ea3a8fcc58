"""The figure of a low-resource study, as PNG. matplotlib is in the extra `measure`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from kdner.measuring.figures import png
from kdner.study.table import f1_rows


def study_figure(trials: Sequence[Mapping[str, Any]]) -> bytes:
    """Draw mean F1 with its standard deviation against the number of labeled sentences, a line for each model.

    Args:
        trials: lines of `jobs/low_resource.py`.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.subplots()
    for row in f1_rows(trials):
        sizes = sorted(row.means)
        f1, spread = ([100 * values[size] for size in sizes] for values in (row.means, row.spreads))
        axes.errorbar(sizes, f1, yerr=None if np.isnan(spread).any() else spread, marker="o", capsize=3, label=row.name)
    sizes = sorted({trial["size"] for trial in trials})
    axes.set(xlabel="labeled sentences", ylabel="F1", xscale="log")
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.minorticks_off()
    axes.grid(alpha=0.3)
    axes.legend(fontsize="small")
    return png(figure)
