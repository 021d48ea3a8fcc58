"""How much lies before each row of a corpus file."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True)
class Marks:
    """How much lies before rows of a file: before each row, or before some, between which all weigh the same."""

    rows: Sequence[int]
    """The marked rows, rising, from 0 to the number of rows."""
    amounts: Sequence[int]
    """What lies before each of them."""

    def thinned(self, amount: int) -> Marks:
        """Keep the first and the last mark of each part of so much: what lies between two marks stays one."""
        if amount <= 1:
            return self
        amounts = np.asarray(self.amounts)
        parts = amounts // amount
        kept = np.flatnonzero((np.diff(parts, prepend=-1) != 0) | (np.diff(parts, append=parts[-1] + 1) != 0))
        return Marks(array("q", np.asarray(self.rows)[kept].tolist()), array("q", amounts[kept].tolist()))

    def last_before(self, row: int) -> tuple[int, int]:
        """Return the last marked row that is not after a row, and what lies before it."""
        mark = bisect_right(self.rows, row) - 1
        return self.rows[mark], self.amounts[mark]

    def before(self, row: int) -> int:
        """Return how much lies before a row."""
        mark = bisect_right(self.rows, row) - 1
        past = row - self.rows[mark]
        if not past:
            return self.amounts[mark]
        rows = self.rows[mark + 1] - self.rows[mark]
        return self.amounts[mark] + past * (self.amounts[mark + 1] - self.amounts[mark]) // rows

    def row_at(self, amount: int) -> int:
        """Return the first row that has at least so much before it; the number of rows where all hold less."""
        mark = bisect_left(self.amounts, amount)
        if mark in (0, len(self.amounts)):
            return self.rows[min(mark, len(self.rows) - 1)]
        rows = self.rows[mark] - self.rows[mark - 1]
        step = self.amounts[mark] - self.amounts[mark - 1]
        return self.rows[mark - 1] - (self.amounts[mark - 1] - amount) * rows // step
