"""Texts on a page with their entities marked: by a colour, and by their label as a word."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from kdner.measuring.errors import Compared
from kdner.pages.page import Html, element, joined

COLOURS = 8
"""Colours of labels in `page.css`; more labels than that share them."""
CHARACTERS = 1200
"""Of a text that are shown at most."""
BEFORE = 200
"""Characters that are shown before the first place that matters, where a text has to be cut."""
SAID = {
    "label": "wrong label",
    "boundaries": "wrong boundaries",
    "both": "both wrong",
    "missed": "missed",
    "spurious": "spurious",
}
"""What the kinds of errors are called beside a label."""


class Mark(NamedTuple):
    """An entity to mark in a text."""

    start: int
    end: int
    label: str
    kind: str = "correct"
    """Of an error, as `kdner.measuring.errors.KINDS`."""
    score: float | None = None


def marks_of(compared: Sequence[Compared]) -> list[Mark]:
    """Return what a model predicted, by start, with what is wrong with it, and what it missed."""
    found = [Mark(*pair.predicted[:3], pair.kind, pair.predicted.score) for pair in compared if pair.predicted]
    return sorted(found + [Mark(*pair.gold[:3], pair.kind) for pair in compared if pair.gold and not pair.predicted])


def marked(text: str, marks: Sequence[Mark], labels: Sequence[str], *, first: int = 0) -> Html:
    """Return a text with its entities marked; one that overlaps another follows the text.

    Args:
        text: all of it; a long one is cut.
        marks: by start.
        labels: those of the page, which decide the colours.
        first: the first place that matters, which is shown if the text has to be cut.
    """
    begin = max(0, first - BEFORE) if len(text) > CHARACTERS else 0
    end = min(len(text), begin + CHARACTERS)
    predicted = [mark for mark in marks if mark.kind != "missed"]
    beside = [mark for mark in marks if mark.kind == "missed" and any(_overlap(mark, other) for other in predicted)]
    parts: list[object] = [_cut(begin)]
    position = begin
    for mark in marks:
        if mark not in beside and position <= mark.start and mark.end <= end:
            parts += [text[position : mark.start], _mark(mark, text, labels)]
            position = mark.end
    after = [joined([" ", _mark(mark, text, labels)]) for mark in beside]
    return joined([*parts, text[position:end], _cut(len(text) - end), *after])


def label_tag(label: str, labels: Sequence[str]) -> Html:
    """Return a label in its colour, as it stands behind an entity."""
    return element("span", label, class_=f"tag c{_colour(label, labels)}")


def _mark(mark: Mark, text: str, labels: Sequence[str]) -> Html:
    said = [mark.label]
    if mark.kind != "correct":
        said += [SAID[mark.kind]] if mark.score is None else [SAID[mark.kind], f"{mark.score:.2f}"]
    tag = element("span", " · ".join(said), class_="tag", dir="ltr")
    name = "mark" if mark.kind != "missed" else "span"
    kind = {"correct": "", "missed": " missed"}.get(mark.kind, " wrong")
    return element(name, text[mark.start : mark.end], " ", tag, class_=f"entity c{_colour(mark.label, labels)}{kind}")


def _colour(label: str, labels: Sequence[str]) -> int:
    return labels.index(label) % COLOURS


def _cut(characters: int) -> Html:
    return element("span", f"[{characters:,} characters]", class_="cut") if characters else Html("")


def _overlap(one: Mark, other: Mark) -> bool:
    return one.start < other.end and other.start < one.end
