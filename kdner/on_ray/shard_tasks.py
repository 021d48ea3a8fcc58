"""Which shards a process is sent together, and in which order: a task of Ray Data for each such group."""

from __future__ import annotations

import pickle
from collections.abc import Sequence
from itertools import chain

import numpy as np

from kdner.corpora.tables import ShardTable

MAX_TASKS = 20_000
"""Tasks of one job at most; Ray Data takes 1.2 ms and 3.7 kB for each before the first one begins."""
TASKS_AN_ACTOR = 2
"""Tasks for each actor at least, as far as there are shards, where shards of a packed file go together."""
TASKS_LEFT = 4
"""Tasks for each actor at least in what is left, where shards of a row group go together: they are smaller towards the
end, and the last ones a shard each, so that no actor is waited for long."""
SHARDS_OF_A_ROW_GROUP = 16
"""Shards of a row group that go together at most: a task tells only at its end what is done."""


def tasks_of(
    shards: ShardTable, pending: np.ndarray, actors: int, *, of_a_row_group: int = SHARDS_OF_A_ROW_GROUP
) -> list[np.ndarray]:
    """Group shards, by their numbers in order, and order the groups.

    As a rule a group is one shard; of more than `MAX_TASKS` shards some that follow one another. Shards of a file that
    can only be read from its beginning go together as far as all actors have work, so that few of them read it; so do
    some shards of a row group of Parquet, which is decoded from its beginning.
    """
    if not len(pending):
        return []
    usual = -(-len(pending) // MAX_TASKS)
    packed = len(pending) // (TASKS_AN_ACTOR * actors)
    text_bytes, (entries, in_parquet) = shards.text_bytes, shards.entries
    entries = entries[pending]
    borders = np.flatnonzero(np.any(np.diff(entries, axis=0), axis=1)) + 1
    ends = np.repeat([*borders, len(pending)], np.diff([0, *borders, len(pending)]))
    groups, weights, first = [], [], 0
    while first < len(pending):
        is_entered, is_row_group = entries[first, 0] < 0, in_parquet[pending[first]]
        most = of_a_row_group if is_row_group else packed
        if is_row_group:
            most = min(most, (len(pending) - first) // (TASKS_LEFT * actors))
        together = max(usual, 1 if is_entered else min(ends[first] - first, most))
        group = pending[first : first + together]
        groups.append(group)
        weights.append(int(text_bytes[group].max() if is_row_group else text_bytes[group].sum()))
        first += together
    return [groups[place] for place in heaviest_first(weights)]


def pickled(shards: ShardTable, group: np.ndarray) -> bytes:
    """Return the shards of a group as they are sent: a table of their own, which gives them in order."""
    return pickle.dumps(shards.part(group))


def heaviest_first(text_bytes: Sequence[int]) -> list[int]:
    """Order tasks of so many bytes of text so that the end of a run does not wait for a heavy one; returns places.

    Those with at least twice the text of the median one come first, by doublings: the longest processing time first.
    A light one follows each, so that none is sent to an actor that has just got another. All others keep their order,
    since an actor that goes through a file in order reads it once.
    """
    if not len(text_bytes):
        return []
    sizes = np.asarray(text_bytes)
    usual = max(1, int(np.sort(sizes)[len(sizes) // 2]))
    is_heavy = sizes >= 2 * usual
    light, heavy = np.flatnonzero(~is_heavy).tolist(), np.flatnonzero(is_heavy).tolist()
    heavy.sort(key=lambda place: -int(sizes[place] // usual).bit_length())
    return [*chain.from_iterable(zip(heavy, light, strict=False)), *light[len(heavy) :]]
