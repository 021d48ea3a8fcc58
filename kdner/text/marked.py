"""A text with its entities marked, for people to read."""

from __future__ import annotations

import zlib
from collections.abc import Iterable

_COLORS = (33, 34, 35, 36, 32, 31)
"""Of a terminal, by number: yellow, blue, magenta, cyan, green, red."""


def marked(text: str, entities: Iterable[tuple[int, int, str]], *, colored: bool = False) -> str:
    """Return the text with each entity in brackets, its label after it: ``[Ada PER] left``.

    Args:
        text: the text.
        entities: start, end and label of each, in order and apart.
        colored: whether a terminal shows it; then each label has a colour of its own, too.
    """
    parts, position = [], 0
    for start, end, label in entities:
        mark = f"[{text[start:end]} {label}]"
        color = _COLORS[zlib.crc32(label.encode()) % len(_COLORS)]
        parts += [text[position:start], f"\x1b[1;{color}m{mark}\x1b[0m" if colored else mark]
        position = end
    return "".join([*parts, text[position:]])
