"""What one reading of a corpus file tells of it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from kdner.corpora.files import SourceFile
from kdner.corpora.marks import Marks


class Inspected(NamedTuple):
    """A file whose documents are counted."""

    file: SourceFile
    marks: Marks
    """How much lies before its rows."""
    id_hashes: np.ndarray | None = None
    """The hashes of its ids, [ROWS] of uint64; None where they are made, or not asked for."""

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self.file.size
