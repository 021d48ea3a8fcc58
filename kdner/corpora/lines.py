"""Rows of JSONL and plain text: counting them, and reading their ids and texts.

A document is a line that holds a JSON object (lines of white space are passed over), or a line of plain text (a blank
line is an empty document). No line is ever lost: what no text holds becomes U+FFFD, and a text that is missing or no
string, like a line that is no JSON object, becomes a document without text. Rows count from 0, lines from 1.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any, NamedTuple

from kdner.corpora.columns import choose_columns
from kdner.corpora.files import SourceFile, opened
from kdner.corpora.marks import Marks
from kdner.data.encodings import UTF_8, Evidence
from kdner.data.text_files import clean, decode, is_packed, line_blocks, told_by_mark
from kdner.errors import InputError

_BLANK = b" \t\n\v\f\r\xef\xbb\xbf"
"""Bytes of white space and of byte order marks."""
_IDS_GIVEN_AT_ONCE = 8192
_LINES_LOOKED_AT_FOR_COLUMNS = 1000


def inspect_lines(file: SourceFile, text_column: str, id_column: str | None, encoding: str) -> tuple[SourceFile, Marks]:
    """Find a file's encoding, count its rows, choose its id column, and mark the bytes of lines before each row.

    Bytes are those of whole lines as UTF-8, so that a row begins at the byte that its mark says, where the file is
    entered at offsets. `encoding` is that of files that are not UTF-8.

    Raises:
        InputError: if the file cannot be read, is no text, or of another encoding, or a column is missing.
    """
    with opened(file.path) as stream:
        file, is_packed_file = replace(file, encoding=told_by_mark(stream)), is_packed(stream)
    while True:
        evidence = Evidence(file.path)
        columns, offsets = _count(file, evidence)
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
    )
    return file, Marks(range(rows + 1), offsets)


def line_ids(file: SourceFile, column: str) -> Iterator[tuple[list[str], list[str | None]]]:
    """Give place (``line 4``) and id of each document, some thousands at once; None is no id.

    Raises:
        InputError: if the file cannot be read, or a line is no JSON object.
    """
    places: list[str] = []
    ids: list[str | None] = []
    for number, _, line in read_lines(file):
        record = parse(line)
        if record is None:
            raise InputError(
                f"{file.path} line {number}: not a JSON object, so it has no id in column {column!r}; mend or remove it"
            )
        places.append(f"line {number}")
        ids.append(_json_id(record, column))
        if len(ids) == _IDS_GIVEN_AT_ONCE:
            yield places, ids
            places, ids = [], []
    if ids:
        yield places, ids


class LineDocument(NamedTuple):
    """The document that a line holds."""

    id: str | None
    text: str | None
    replaced: int
    """Characters of the text that became U+FFFD."""
    record: Mapping[str, Any]
    """All of a JSON object; nothing of plain text."""


def line_document(file: SourceFile, row: int, line: bytes, text_column: str) -> LineDocument:
    """Return the document that a line holds, with None for what it lacks."""
    if file.format == "text":
        text, replaced = clean(decode(line))
        return LineDocument(file.made_id(row), text, replaced, {})
    record = parse(line) or {}
    id_ = file.made_id(row) if file.id_column is None else _json_id(record, file.id_column)
    value = value_of(record, text_column)
    cleaned, replaced = clean(value) if isinstance(value, str) else (None, 0)
    return LineDocument(id_, cleaned, replaced, record)


def read_lines(file: SourceFile, offset: int = 0, evidence: Evidence | None = None) -> Iterator[tuple[int, int, bytes]]:
    """Yield number (1 is the line at the offset), byte offset and bytes of each line that is a document, as UTF-8.

    `evidence` is shown all of what is read.
    """
    with opened(file.path) as stream:
        if offset:
            stream.seek(offset)
        number = 0
        for block in line_blocks(stream, file.encoding):
            if evidence:
                evidence.add(block)
            for line in block.splitlines(keepends=True):
                number += 1
                if file.format == "text" or line.strip(_BLANK):
                    yield number, offset, line
                offset += len(line)


def parse(line: bytes) -> dict[str, Any] | None:
    """Return the JSON object that a line holds; None where it holds none."""
    try:
        value = json.loads(decode(line), strict=False)
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


def _count(file: SourceFile, evidence: Evidence) -> tuple[list[str], array[int]]:
    """Return the columns of the first lines, and the offsets of all rows, with one for their end."""
    columns: dict[str, None] = {}
    offsets = array("q")
    end = 0
    for _, offset, line in read_lines(file, evidence=evidence):
        if file.format == "json" and len(offsets) < _LINES_LOOKED_AT_FOR_COLUMNS:
            columns.update(dict.fromkeys(parse(line) or ()))
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
