"""The ids of a corpus: each document has one, and no two documents share one."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence

import numpy as np

from kdner.corpora.files import SourceFile
from kdner.corpora.lines import line_ids
from kdner.corpora.parquet import parquet_ids
from kdner.errors import InputError

_ROWS_NAMED = 5
_ROWS_MADE_AT_ONCE = 8192
_HASHES_CHECKED_AT_ONCE = 10_000


def check_ids(files: Sequence[SourceFile]) -> None:
    """Refuse missing and duplicate ids: by 8-byte hashes, then by the ids where hashes are equal.

    Made ids are unique by themselves, but may meet one that a file gives.

    Raises:
        InputError: naming the first documents without an id, or those that share one.
    """
    if all(file.id_column is None for file in files):
        return
    hashes = np.empty(sum(file.rows for file in files), np.int64)
    done = 0
    for file in files:
        missing: list[str] = []
        for places, ids in read_ids(file):
            hashes[done : done + len(ids)] = np.fromiter(map(hash, ids), np.int64, len(ids))
            done += len(ids)
            missing += [place for place, id_ in zip(places, ids, strict=True) if not id_]
            if len(missing) >= _ROWS_NAMED:
                break
        if missing:
            raise InputError(
                f"{file.path}: no id in column {file.id_column!r} at {', '.join(missing[:_ROWS_NAMED])}; "
                "each document needs one, a string or an integer: mend these rows, or name another column "
                "with --id-column"
            )
    hashes.sort()
    repeated = np.unique(hashes[1:][hashes[1:] == hashes[:-1]])
    for start in range(0, len(repeated), _HASHES_CHECKED_AT_ONCE):
        _refuse_duplicates(files, set(repeated[start : start + _HASHES_CHECKED_AT_ONCE].tolist()))


def read_ids(file: SourceFile) -> Iterator[tuple[list[str], list[str | None]]]:
    """Give place (``row 3``, ``line 4``) and id of each document, some thousands at once; None is no id.

    Raises:
        InputError: if the file cannot be read, or what should hold an id cannot.
    """
    if file.id_column is None:
        for first in range(0, file.rows, _ROWS_MADE_AT_ONCE):
            rows = range(first, min(first + _ROWS_MADE_AT_ONCE, file.rows))
            yield [f"row {row}" for row in rows], [file.made_id(row) for row in rows]
    else:
        yield from (parquet_ids if file.format == "parquet" else line_ids)(file, file.id_column)


def _refuse_duplicates(files: Sequence[SourceFile], hashes: set[int]) -> None:
    seen: dict[str | None, list[str]] = {}
    for file in files:
        for places, ids in read_ids(file):
            for place, id_ in zip(places, ids, strict=True):
                if hash(id_) in hashes and len(known := seen.setdefault(id_, [])) < _ROWS_NAMED:
                    known.append(f"{file.path} {place}")
    twice = ((id_, places) for id_, places in seen.items() if len(places) > 1)
    shown = [f"  {id_!r}: {', '.join(places)}\n" for id_, places in itertools.islice(twice, _ROWS_NAMED)]
    if shown:
        raise InputError(
            f"documents share an id:\n{''.join(shown)}make the ids unique, or name another column with --id-column"
        )
