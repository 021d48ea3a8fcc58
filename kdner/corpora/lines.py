"""Rows of JSONL and plain text: counting them, and reading their ids and texts.

A document is a line that holds a JSON object (lines of white space are passed over), or a line of plain text (a blank
line is an empty document). No line is ever lost: what no text holds becomes U+FFFD, and a text that is missing or no
string, like a line that is no JSON object, becomes a document without text. Rows count from 0, lines from 1.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from kdner.corpora.columns import DEFAULT_ID_COLUMN, choose_columns, has_column
from kdner.corpora.digests import digest_of, new_digest, shown
from kdner.corpora.files import SourceFile, opened
from kdner.corpora.id_hashes import IdHashes
from kdner.corpora.inspected import Inspected
from kdner.corpora.marks import Marks
from kdner.data.encodings import UTF_8, Evidence
from kdner.data.text_files import clean, decode, is_packed, line_blocks, told_by_mark
from kdner.errors import InputError

_BLANK = b" \t\n\v\f\r\xef\xbb\xbf"
"""Bytes of white space and of byte order marks."""
NO_OBJECT = "the line holds no JSON object"
_KINDS = {int: "a number", float: "a number", bool: "true or false", list: "a list", dict: "an object"}
_REASONS: ContextVar[dict[tuple[str, int], str] | None] = ContextVar("reasons", default=None)
_LINES_LOOKED_AT_FOR_COLUMNS = 1000
_DECODE = json.JSONDecoder(strict=False).decode


def inspect_lines(
    file: SourceFile, text_column: str, id_column: str | None, encoding: str, *, with_ids: bool = False
) -> Inspected:
    """Find a file's encoding, count its rows, choose its id column, and mark the bytes of lines before each row.

    Bytes are those of whole lines as UTF-8, so that a row begins at the byte that its mark says, where the file is
    entered at offsets. `encoding` is that of files that are not UTF-8. With ids, these are read too, and hashed.

    Raises:
        InputError: if the file cannot be read, is no text, or of another encoding, or a column or an id is missing.
    """
    with opened(file.path) as stream:
        file, is_packed_file = replace(file, encoding=told_by_mark(stream)), is_packed(stream)
    while True:
        evidence, digest = Evidence(file.path), new_digest()
        gathered = _LineIds(file, id_column or DEFAULT_ID_COLUMN) if with_ids and file.format == "json" else None
        columns, offsets = _count(file, gathered, [evidence.add, digest.update])
        right = evidence.encoding(file.encoding, encoding)
        if right == file.encoding:
            break
        file = replace(file, encoding=right)
    rows = len(offsets) - 1
    ids = None
    if rows and file.format == "text":
        choose_columns(file.path, [text_column], text_column, id_column)
    elif rows and not columns:
        raise InputError(f"{file.path}: no JSON object in the first lines; expected one object a line")
    elif rows:
        ids = choose_columns(file.path, columns, text_column, id_column)
    file = replace(
        file,
        is_entered_at_offsets=not is_packed_file and file.encoding == UTF_8,
        rows=rows,
        text_bytes=offsets[-1],
        id_column=ids,
        digest=shown(digest),
    )
    hashes = gathered.finish() if gathered and ids else None
    return Inspected(file, Marks(range(rows + 1), offsets), hashes)


def digest_of_lines(file: SourceFile) -> str:
    """Return the digest of all lines, as they are read in the file's encoding.

    Raises:
        InputError: if the file cannot be read.
    """
    with opened(file.path) as stream:
        return digest_of(line_blocks(stream, file.encoding))


def line_ids(file: SourceFile, column: str) -> Iterator[tuple[int, str | None]]:
    """Yield the number and the id of each line that is a document; None is no id.

    Raises:
        InputError: if the file cannot be read.
    """
    for number, _, line in read_lines(file):
        yield number, _json_id(parse(line) or {}, column)


class _LineIds:
    """The ids of a file of lines, gathered while it is read."""

    def __init__(self, file: SourceFile, column: str) -> None:
        self.path, self.column = file.path, column
        self._hashes = IdHashes(file, column, "line")
        self._no_object: int | None = None

    def add(self, number: int, record: dict[str, Any] | None) -> None:
        """Add what the line of a number holds."""
        if record is not None:
            self._hashes.add((number,), (_json_id(record, self.column),))
        elif self._no_object is None:
            self._no_object = number

    def finish(self) -> np.ndarray:
        """Return the hashes, as `IdHashes` does.

        Raises:
            InputError: a line is no JSON object, or has no id.
        """
        if self._no_object is not None:
            raise InputError(
                f"{self.path} line {self._no_object}: not a JSON object, so it has no id in column {self.column!r}; "
                "mend or remove it"
            )
        return self._hashes.finish()


class LineDocument(NamedTuple):
    """The document that a line holds."""

    id: str | None
    text: str | None
    replaced: int
    """Characters of the text that became U+FFFD."""
    record: Mapping[str, Any]
    """All of a JSON object; nothing of plain text."""


def line_document(file: SourceFile, row: int, line: bytes, text_column: str) -> LineDocument:
    """Return the document that a line holds, with None for what it lacks; see also `noted_reasons`."""
    if file.format == "text":
        text, replaced = clean(decode(line))
        return LineDocument(file.made_id(row), text, replaced, {})
    parsed = parse(line)
    record = parsed or {}
    id_ = file.made_id(row) if file.id_column is None else _json_id(record, file.id_column)
    value = value_of(record, text_column)
    if isinstance(value, str):
        return LineDocument(id_, *clean(value), record)
    reasons = _REASONS.get()
    if reasons is not None and (parsed is None or value is not None):
        reasons[file.name, row] = NO_OBJECT if parsed is None else f"the text is {_KINDS[type(value)]}"
    return LineDocument(id_, None, 0, record)


@contextmanager
def noted_reasons() -> Iterator[dict[tuple[str, int], str]]:
    """Note why documents that this thread reads in the block have no text, by the file's name and the row.

    Only what is there and is no text has a reason: a line that holds no JSON object, or a text that is no string. It is
    noted aside, so that documents that have a text cost nothing.
    """
    reasons: dict[tuple[str, int], str] = {}
    token = _REASONS.set(reasons)
    try:
        yield reasons
    finally:
        _REASONS.reset(token)


def read_lines(
    file: SourceFile, offset: int = 0, watchers: Sequence[Callable[[bytes], object]] = ()
) -> Iterator[tuple[int, int, bytes]]:
    """Yield number (1 is the line at the offset), byte offset and bytes of each line that is a document, as UTF-8.

    The watchers are shown all of what is read, some lines at once.
    """
    with opened(file.path, offset) as stream:
        number = 0
        for block in line_blocks(stream, file.encoding):
            for watch in watchers:
                watch(block)
            for line in block.splitlines(keepends=True):
                number += 1
                if file.format == "text" or line.strip(_BLANK):
                    yield number, offset, line
                offset += len(line)


def parse(line: bytes) -> dict[str, Any] | None:
    """Return the JSON object that a line holds; None where it holds none."""
    try:
        value = _DECODE(decode(line))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def value_of(record: Mapping[str, Any], column: str, default: object = None) -> object:
    """Return the value of a key, or, of ``a.b``, that of the key b of the object a."""
    if column in record or "." not in column:
        return record.get(column, default)
    first, _, rest = column.partition(".")
    inner = record.get(first)
    return value_of(inner, rest, default) if isinstance(inner, dict) else default


def _count(
    file: SourceFile, ids: _LineIds | None, watchers: Sequence[Callable[[bytes], object]]
) -> tuple[list[str], array[int]]:
    """Return the columns of the first lines, and the offsets of all rows, with one for their end."""
    columns: dict[str, None] = {}
    offsets = array("q")
    end = 0
    for number, offset, line in read_lines(file, watchers=watchers):
        if file.format == "json" and len(offsets) < _LINES_LOOKED_AT_FOR_COLUMNS:
            record = parse(line)
            columns.update(dict.fromkeys(record or ()))
            if ids:
                ids.add(number, record)
        elif ids and has_column(columns, ids.column):
            ids.add(number, parse(line))
        offsets.append(offset)
        end = offset + len(line)
    offsets.append(end)
    return list(columns), offsets


def _json_id(record: Mapping[str, Any], column: str) -> str | None:
    id_ = value_of(record, column)
    if isinstance(id_, float) and id_.is_integer():
        id_ = int(id_)
    if isinstance(id_, int) and not isinstance(id_, bool):
        return str(id_)
    return clean(id_)[0] if isinstance(id_, str) else None
