"""Ids as hashes of 8 bytes, the same in every process, gathered while a file is read."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Sequence
from hashlib import blake2b

import numpy as np

from kdner.corpora.files import SourceFile
from kdner.errors import InputError

ROWS_NAMED = 5
"""Documents, or ids, that a message names at most."""
_IDS_HASHED_AT_ONCE = 8192


def hashes_of(ids: Iterable[str]) -> np.ndarray:
    """Return the hashes of ids, [IDS] of uint64."""
    digests = [blake2b(id_.encode(errors="surrogatepass"), digest_size=8).digest() for id_ in ids]
    return np.frombuffer(b"".join(digests), np.uint64)


class IdHashes:
    """The hashes of the ids of one file, in order; it notes which documents have none."""

    def __init__(self, file: SourceFile, column: str, unit: str) -> None:
        """Take the file, the column that holds its ids, and what its documents are: ``row`` or ``line``."""
        self._file, self._column, self._unit = file, column, unit
        self._ids: list[str] = []
        self._hashes = array("Q")
        self._missing: list[int] = []

    def add(self, numbers: Sequence[int], ids: Sequence[str | None]) -> None:
        """Add the ids of the rows, or lines, of these numbers; None and the empty string are none."""
        if all(ids):
            self._ids += ids  # type: ignore[arg-type]
        elif len(self._missing) < ROWS_NAMED:
            self._missing += [number for number, id_ in zip(numbers, ids, strict=True) if not id_]
        if len(self._ids) >= _IDS_HASHED_AT_ONCE:
            self._hash()

    def finish(self) -> np.ndarray:
        """Return the hashes, [IDS] of uint64.

        Raises:
            InputError: documents have no id; it names the first ones.
        """
        if self._missing:
            places = ", ".join(f"{self._unit} {number}" for number in self._missing[:ROWS_NAMED])
            raise InputError(
                f"{self._file.path}: no id in column {self._column!r} at {places}; each document needs one, a string "
                "or an integer: mend these rows, or name another column with --id-column"
            )
        self._hash()
        return np.frombuffer(self._hashes, np.uint64)

    def _hash(self) -> None:
        self._hashes.frombytes(hashes_of(self._ids).tobytes())
        self._ids.clear()
