"""Hashes of the ids of a whole corpus, in parts that are each looked through alone for those that come twice.

They stay in memory while they are few. Else they lie in a temporary file, in buckets by their first bits: 12 bytes for
each.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from typing import IO, NamedTuple

import numpy as np

from kdner.corpora.id_hashes import ROWS_NAMED
from kdner.errors import InputError

IDS_AT_ONCE = 1 << 22
"""Ids in memory before they are written, and in a part as far as there are buckets enough: 50 MB."""
REPEATED_NAMED = 100
"""Hashes of a part that are named at most, where more of them come twice."""
_BUCKET_BITS = 10
_ENTRY = np.dtype([("hash", "<u8"), ("file", "<u4")])


class Part(NamedTuple):
    """All entries of some hashes."""

    entries: np.ndarray
    """The hash of each id, and the number of its file."""

    @property
    def size(self) -> int:
        """Bytes."""
        return self.entries.nbytes


class IdBuckets:
    """The hashes of ids, each with the number of its file."""

    def __init__(self) -> None:
        self._waiting: list[tuple[int, np.ndarray]] = []
        self._count = 0
        self._file: IO[bytes] | None = None
        self._borders: list[np.ndarray] = []
        """Of each block that was written: the bytes at which its buckets begin, and the last one ends."""

    def add(self, file: int, hashes: np.ndarray) -> None:
        """Add hashes, [IDS] of uint64, of the file of a number.

        Raises:
            InputError: the temporary file cannot be written.
        """
        for first in range(0, len(hashes), IDS_AT_ONCE):
            self._waiting.append((file, hashes[first : first + IDS_AT_ONCE]))
            self._count += len(self._waiting[-1][1])
            if self._count >= IDS_AT_ONCE:
                self._write()

    @property
    def in_memory(self) -> bool:
        """Whether they are so few that they make one part."""
        return self._file is None

    def parts(self) -> Iterator[Part]:
        """Yield all entries in parts."""
        if self._file is None:
            yield Part(_entries(*self._in_memory()))
            return
        self._write()
        buckets = np.sum([np.diff(borders) for borders in self._borders], axis=0)
        first = 0
        while first < len(buckets):
            rest = np.cumsum(buckets[first:])
            last = first + max(1, int(np.searchsorted(rest, IDS_AT_ONCE * _ENTRY.itemsize, side="right")))
            blocks = [self._read(borders[first], borders[last]) for borders in self._borders]
            yield Part(np.concatenate(blocks))
            first = last

    def _in_memory(self) -> tuple[np.ndarray, np.ndarray]:
        """Return the hashes that are not written yet, and the numbers of their files."""
        files = np.array([file for file, _ in self._waiting], np.uint32)
        hashes = [np.empty(0, np.uint64), *(hashes for _, hashes in self._waiting)]
        return np.concatenate(hashes), np.repeat(files, [len(hashes) for _, hashes in self._waiting])

    def _write(self) -> None:
        hashes, files = self._in_memory()
        buckets = (hashes >> np.uint64(64 - _BUCKET_BITS)).astype(np.uint16)
        order = np.argsort(buckets, kind="stable")
        sizes = np.bincount(buckets, minlength=1 << _BUCKET_BITS) * _ENTRY.itemsize
        begin = self._borders[-1][-1] if self._borders else 0
        try:
            if self._file is None:
                self._file = tempfile.TemporaryFile(prefix="kdner-")  # noqa: SIM115
            self._file.write(_entries(hashes[order], files[order]).tobytes())
            self._file.flush()
        except OSError as error:
            raise InputError(
                f"{tempfile.gettempdir()}: cannot take the hashes of the corpus's ids, {_ENTRY.itemsize} bytes for "
                f"each document ({error}); make room, name another folder by TMPDIR, or leave their check out with "
                "--ids trust"
            ) from error
        self._borders.append(np.concatenate([[begin], begin + np.cumsum(sizes)]))
        self._waiting.clear()
        self._count = 0

    def _read(self, begin: int, end: int) -> np.ndarray:
        assert self._file is not None
        self._file.seek(begin)
        return np.frombuffer(self._file.read(end - begin), _ENTRY)


def _entries(hashes: np.ndarray, files: np.ndarray) -> np.ndarray:
    entries = np.empty(len(hashes), _ENTRY)
    entries["hash"], entries["file"] = hashes, files
    return entries


def repeated(part: Part) -> list[tuple[int, list[int]]]:
    """Return the hashes that come twice or more often in a part, each with the numbers of its first files.

    They are `REPEATED_NAMED` at most, by their first file; a file that has one twice is there twice.
    """
    hashes = np.sort(part.entries["hash"])
    twice = np.unique(hashes[1:][hashes[1:] == hashes[:-1]])
    if not len(twice):
        return []
    entries = part.entries[np.isin(part.entries["hash"], twice)]
    files: dict[int, list[int]] = {}
    for hash_, file in entries[np.argsort(entries["file"], kind="stable")].tolist():
        if hash_ in files or len(files) < REPEATED_NAMED:
            files.setdefault(hash_, []).append(file)
    return [(hash_, of_one[:ROWS_NAMED]) for hash_, of_one in files.items()]
