"""The pieces that words are made of as a trie in flat arrays, in which `kdner.kernels.words.pieces` looks them up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from kdner.kernels.words import CHARACTER_BITS, HASH, NONE

BEGINNING, CONTINUATION = 0, 1
"""The nodes from which a word's first piece, and later ones, are looked up."""


@dataclass(frozen=True)
class Trie:
    """Pieces, each with the row of its vector."""

    keys: np.ndarray  # int64 [a power of two], of the steps, by their hashes, or NONE
    nodes: np.ndarray  # int32, where each step leads to
    rows: np.ndarray  # int32, of the piece that ends at each node, or NONE

    @property
    def shift(self) -> int:
        """Return how many bits of a hash are not used."""
        return 64 - self.mask.bit_length()

    @property
    def mask(self) -> int:
        """Return the highest place of a key."""
        return len(self.keys) - 1

    @classmethod
    def of(cls, beginnings: Sequence[str], continuations: Sequence[str], first_row: int) -> Trie:
        """Make the trie of pieces whose rows follow one another, of none of which there are two."""
        pieces = [*beginnings, *continuations]
        lengths = np.fromiter(map(len, pieces), np.int64, len(pieces))
        code_points = code_points_of("".join(pieces))
        firsts = np.cumsum(lengths) - lengths
        node_p = np.repeat([BEGINNING, CONTINUATION], [len(beginnings), len(continuations)])
        keys, nodes, ends, rows, count = [], [], [], [], 2
        for depth in range(int(lengths.max(initial=0))):
            goes_on = np.flatnonzero(lengths > depth)
            step = node_p[goes_on] << CHARACTER_BITS | code_points[firsts[goes_on] + depth]
            distinct, which = np.unique(step, return_inverse=True)
            keys.append(distinct)
            nodes.append(count + np.arange(len(distinct)))
            node_p[goes_on] = count + which
            count += len(distinct)
            last = goes_on[lengths[goes_on] == depth + 1]
            ends.append(node_p[last])
            rows.append(first_row + last)
        row_of = np.full(count, NONE, np.int32)
        if ends:
            row_of[np.concatenate(ends)] = np.concatenate(rows)
        return cls(*_hashed(np.concatenate([[], *keys]), np.concatenate([[], *nodes])), row_of)


def code_points_of(text: str) -> np.ndarray:
    """Return the code points of a text, int32."""
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.int32)


def _hashed(keys: np.ndarray, values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Put keys, int64, where their hashes say, or at the next place that is free; at most half of all are taken."""
    keys, values = keys.astype(np.int64), values.astype(np.int32)
    bits = max(4, int(2 * len(keys)).bit_length())
    placed, placed_values = np.full(1 << bits, NONE, np.int64), np.full(1 << bits, NONE, np.int32)
    places = ((keys.view(np.uint64) * np.uint64(HASH & ((1 << 64) - 1))) >> np.uint64(64 - bits)).astype(np.int64)
    while len(keys):
        _, first = np.unique(places, return_index=True)
        settled = np.zeros(len(keys), bool)
        settled[first] = placed[places[first]] == NONE
        placed[places[settled]], placed_values[places[settled]] = keys[settled], values[settled]
        keys, values, places = keys[~settled], values[~settled], (places[~settled] + 1) & len(placed) - 1
    return placed, placed_values
