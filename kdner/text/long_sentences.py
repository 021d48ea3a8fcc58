"""Where a sentence of very many words is cut, from what kind of word each is."""

from __future__ import annotations

MAX_SENTENCE_WORDS = 128
"""A longer sentence is cut, into parts of at least half as many words but for the last."""

NAME, PAUSE, CLOSER, OTHER = b"N,)w"
"""Kinds of words: capitalized ones and numbers, of which names and amounts consist; pauses; what closes; the others."""
_PAUSES = frozenset(",;:—،؛，、；：፣፤፥།")
_CLOSERS = frozenset(")]}”»")
_NAME_REACH = 3
"""So far apart two words of a name may be, as in `University of the Arts`."""


def kind_of(word: str) -> int:
    """Return `NAME`, `PAUSE`, `CLOSER` or `OTHER`."""
    first = word[0]
    if first.islower():
        return OTHER
    if first.isupper() or first.istitle() or first.isnumeric():
        return NAME
    return PAUSE if word in _PAUSES else CLOSER if word in _CLOSERS else OTHER


def cut_places(kinds: bytes) -> list[int]:
    """Return where a sentence of words of these kinds is cut: the number of words before each cut.

    No part has more than `MAX_SENTENCE_WORDS`, and none but the last less than half of them. Of the places that this
    leaves the last one is taken that is: after a pause; after what closes; not between two words of kind `NAME` with at
    most two others between them; not between two with nothing between them. Failing all, it is the limit.
    """
    places: list[int] = []
    first = 0
    while len(kinds) - first > MAX_SENTENCE_WORDS:
        least, limit = first + MAX_SENTENCE_WORDS // 2, first + MAX_SENTENCE_WORDS
        first = (
            kinds.rfind(PAUSE, least - 1, limit) + 1
            or kinds.rfind(CLOSER, least - 1, limit) + 1
            or _last_outside_names(kinds, least, limit, _NAME_REACH)
            or _last_outside_names(kinds, least, limit, 1)
            or limit
        )
        places.append(first)
    return places


def _last_outside_names(kinds: bytes, least: int, limit: int, reach: int) -> int:
    """Return the last place from `least` to `limit` that no two names around it are within reach of; 0 for none."""
    for place in range(limit, least - 1, -1):
        before, after = kinds.rfind(NAME, place - reach, place), kinds.find(NAME, place, place + reach)
        if min(before, after) < 0 or after - before > reach:
            return place
    return 0
