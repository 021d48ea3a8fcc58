"""F1 of each label with its interval, model beside model, and how far the models are apart, for the console."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from typing import Any


def label_table(models: dict[str, dict[str, Any]]) -> str:
    """Lay out F1 and its 95 % interval of each label, one label a row, and how far the models are apart.

    Args:
        models: by name, what `kdner.measuring.evaluation.add_analysis` made of their measures.
    """
    labels = list(dict.fromkeys(label for own in models.values() for label in own["per_label"]))
    rows = [("all labels", list(models.values()))]
    rows += [(label, [own["per_label"].get(label) for own in models.values()]) for label in labels]
    width = max(len(name) for name, _ in rows)
    wide = [max(26, len(name) + 2) for name in models]
    heads = "".join(f"{name:>{w}}" for name, w in zip(models, wide, strict=True))
    lines = [f"{'F1':<{width}}{'entities':>10}{heads}"]
    for name, row in rows:
        support = max(own["support"] for own in row if own)
        cells = "".join(f"{_sure(own):>{w}}" for own, w in zip(row, wide, strict=True))
        lines.append(f"{name:<{width}}{support:>10,}{cells}")
    what = next(iter(models.values()))["bootstrap"]
    lines.append(f"in brackets: 95 % of {what['samples']:,} bootstrap samples of the {what['units']:,} {what['unit']}")
    for name, other in better_first(models):
        above = models[name]["against"][other]
        low, high = above["interval"]
        lines.append(
            f"{name} over {other}: {above['f1']:+.4f} [{low:+.4f}, {high:+.4f}], "
            f"better in {above['positive_share']:.1%} of the samples"
        )
    return "\n".join(lines)


def better_first(models: Mapping[str, dict[str, Any]]) -> list[tuple[str, str]]:
    """Return the names of all pairs of models, of each pair the one with the higher F1 first."""
    return [pair if models[pair[0]]["f1"] >= models[pair[1]]["f1"] else pair[::-1] for pair in combinations(models, 2)]


def _sure(row: dict[str, Any] | None) -> str:
    if row is None:
        return ""
    low, high = row["f1_interval"] or (float("nan"), float("nan"))
    return f"{row['f1']:.4f} [{low:.4f}, {high:.4f}]"
