"""Figures of measurements, as PNG. matplotlib is in the extra `measure`."""

from __future__ import annotations

import importlib.util
import io
from typing import Any

from kdner.errors import InputError


def has_figures() -> bool:
    """Whether figures can be drawn."""
    return importlib.util.find_spec("matplotlib") is not None


def check_figures() -> None:
    """Check that figures can be drawn.

    Raises:
        InputError: if matplotlib is not installed.
    """
    if not has_figures():
        raise InputError("matplotlib, which draws the figure, is not installed. Run: pip install 'kdner[measure]'")


def throughput_figure(found: dict[str, Any]) -> bytes:
    """Draw words per second against batch size, and against the number of actors with the peers beside it.

    Args:
        found: what `jobs/measure_throughput.py` measured.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(11, 4.5), layout="constrained")
    by_batch, by_actors = figure.subplots(1, 2)
    for model in dict.fromkeys(row["model"] for row in found["batches"]):
        rows = [row for row in found["batches"] if row["model"] == model]
        by_batch.plot(*_points(rows, "batch"), marker="o", label=model)
    by_batch.set(title=f"Sentence batches, {found['cores']} cores", xlabel="sentences in a batch", yscale="log")
    by_batch.set_xticks(sorted({row["batch"] for row in found["batches"]}))
    by_actors.plot(*_points(found["actors"], "actors"), marker="o", label="tag_corpus")
    for number, peer in enumerate(found["peers"]):
        by_actors.axhline(peer["words_per_second"], linestyle="--", color=f"C{number + 1}", label=peer["peer"])
    by_actors.set(title="Documents to files of entities", xlabel="actors of one core", yscale="log")
    by_actors.set_xticks([row["actors"] for row in found["actors"]])
    for axes in (by_batch, by_actors):
        axes.set_ylabel("words/s")
        axes.grid(alpha=0.3)
        axes.legend(fontsize="small")
    return png(figure)


def png(figure: Any) -> bytes:
    """Return a matplotlib figure as a PNG file."""
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=120)
    return file.getvalue()


def _points(rows: list[dict[str, Any]], key: str) -> tuple[list[float], list[float]]:
    return [row[key] for row in rows], [row["words_per_second"] for row in rows]
