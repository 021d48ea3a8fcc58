"""Offsets of spans in the units that tools count in, and what they may have been meant as.

kdner counts Unicode code points, end exclusive, as Python does. JavaScript, Java and .NET count the 16-bit units of
UTF-16, in which an emoji is two; some tools count the bytes of UTF-8; and some give the last character as the end.
"""

from __future__ import annotations

from functools import lru_cache
from itertools import accumulate

from kdner.flags import OffsetUnit

UNITS: dict[OffsetUnit, str] = {
    "code-points": "code points",
    "utf-16": "units of UTF-16",
    "bytes": "bytes of UTF-8",
}
"""What `--offsets` names."""


def in_code_points(text: str, start: int, end: int, unit: OffsetUnit) -> tuple[int, int] | None:
    """Convert the offsets of a span; None if they lie outside the text, inside a character, or not in this order."""
    places = _places(text, unit)
    if start >= end or start not in places or end not in places:
        return None
    return places[start], places[end]


def otherwise(text: str, start: int, end: int, unit: OffsetUnit) -> dict[str, tuple[int, int]]:
    """Return where a span would lie, in code points, if its offsets were meant otherwise, by the remedy for it."""
    others: list[OffsetUnit] = [other for other in UNITS if other != unit]
    meant = {f"Offsets in {UNITS[other]} fit, so give --offsets {other}": (start, end, other) for other in others}
    meant["Inclusive ends fit, so add 1 to each"] = (start, end + 1, unit)
    as_given = in_code_points(text, start, end, unit)
    places = {remedy: in_code_points(text, *offsets) for remedy, offsets in meant.items()}
    return {remedy: place for remedy, place in places.items() if place is not None and place != as_given}


@lru_cache(maxsize=4)
def _places(text: str, unit: OffsetUnit) -> range | dict[int, int]:
    """Return the code point at which each character, and the end of the text, lies, by its offset in units."""
    if unit == "code-points" or text.isascii():
        return range(len(text) + 1)
    encoding, width = ("utf-16-le", 2) if unit == "utf-16" else ("utf-8", 1)
    sizes = (len(character.encode(encoding)) // width for character in text)
    return {offset: i for i, offset in enumerate(accumulate(sizes, initial=0))}
