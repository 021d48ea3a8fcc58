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


def tasks_of(shards: ShardTable, pending: np.ndarray, actors: int) -> list[np.ndarray]:
    """Group shards, by their numbers in order, and order the groups.

    As a rule a group is one shard; of more than `MAX_TASKS` shards some that follow one another. Shards of a file that
    can only be read from its beginning go together as far as all actors have work, so that few of them read it.
    """
    if not len(pending):
        return []
    usual = -(-len(pending) // MAX_TASKS)
    packed = max(usual, len(pending) // (TASKS_AN_ACTOR * actors))
    files = shards.files_read_from_the_start[pending]
    borders = np.flatnonzero(np.diff(files)) + 1
    groups = [
        run[first : first + together]
        for run, file in zip(np.split(pending, borders), files[[0, *borders]].tolist(), strict=True)
        for together in [packed if file >= 0 else usual]
        for first in range(0, len(run), together)
    ]
    text_bytes = shards.text_bytes
    return [groups[place] for place in heaviest_first([int(text_bytes[group].sum()) for group in groups])]


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
