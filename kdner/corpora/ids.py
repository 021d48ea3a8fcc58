"""The ids of a corpus: no two documents share one. Files are read a second time only to name those that do."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from typing import Any

import numpy as np

from kdner.corpora.files import SourceFile
from kdner.corpora.id_buckets import IdBuckets, repeated
from kdner.corpora.id_hashes import ROWS_NAMED, hashes_of
from kdner.corpora.lines import line_ids
from kdner.corpora.parquet import parquet_ids
from kdner.corpora.tables import FileTable
from kdner.errors import InputError

_IDS_AT_ONCE = 8192

MapFiles = Callable[[Callable[[Any], Any], Iterable[Any]], Iterable[Any]]
"""Does as `map` does, perhaps at many places at once. The items have a `size`, the bytes that each stands for."""


def check_ids(files: FileTable, buckets: IdBuckets, map_files: MapFiles = map) -> None:
    """Refuse ids that documents share: found by their hashes, then by the ids themselves.

    Made ids are unique by themselves, but may meet one that a file gives.

    Args:
        files: all files of a corpus.
        buckets: the hashes of the ids that the files give.
        map_files: looks through parts, and reads files.

    Raises:
        InputError: naming documents that share an id.
    """
    is_made = files.table["id_column"].is_null().to_numpy()
    if is_made.all():
        return
    made = map_files(_hashes_of_made_ids, itertools.compress(files, is_made))
    for number, hashes in zip(np.flatnonzero(is_made).tolist(), made, strict=True):
        buckets.add(number, hashes)
    look = map if buckets.in_memory else map_files
    found = sorted((of_one, hash_) for part in look(repeated, buckets.parts()) for hash_, of_one in part)
    for first in range(0, len(found), ROWS_NAMED):
        some = found[first : first + ROWS_NAMED]
        hashes = frozenset(hash_ for _, hash_ in some)
        of_some = [files[number] for number in sorted({number for of_one, _ in some for number in of_one})]
        _refuse(map_files(partial(_places, hashes=hashes), of_some))


def read_ids(file: SourceFile) -> Iterator[tuple[str, str | None]]:
    """Yield place (``row 3``, ``line 4``) and id of each document; None is no id.

    Raises:
        InputError: if the file cannot be read, or a value is no id.
    """
    if file.id_column is None:
        yield from ((f"row {row}", file.made_id(row)) for row in range(file.rows))
    elif file.format == "parquet":
        yield from ((f"row {row}", id_) for row, id_ in parquet_ids(file, file.id_column))
    else:
        yield from ((f"line {line}", id_) for line, id_ in line_ids(file, file.id_column))


def _hashes_of_made_ids(file: SourceFile) -> np.ndarray:
    rows = range(file.rows)
    parts = [rows[first : first + _IDS_AT_ONCE] for first in range(0, len(rows), _IDS_AT_ONCE)]
    return np.concatenate([np.empty(0, np.uint64), *(hashes_of(map(file.made_id, part)) for part in parts)])


def _places(file: SourceFile, hashes: frozenset[int]) -> dict[str, list[str]]:
    """Return the documents of a file whose ids have these hashes, the first ones of each id."""
    found: dict[str, list[str]] = {}
    for place, id_ in read_ids(file):
        if id_ and int(hashes_of([id_])[0]) in hashes:
            found.setdefault(id_, []).append(f"{file.path} {place}")
    return {id_: places[:ROWS_NAMED] for id_, places in found.items()}


def _refuse(found: Iterable[dict[str, list[str]]]) -> None:
    places: dict[str, list[str]] = {}
    for of_file in found:
        for id_, some in of_file.items():
            places.setdefault(id_, []).extend(some)
    shown = [f"  {id_!r}: {', '.join(some[:ROWS_NAMED])}\n" for id_, some in places.items() if len(some) > 1]
    if shown:
        raise InputError(
            f"documents share an id:\n{''.join(shown)}make the ids unique, or name another column with --id-column"
        )
