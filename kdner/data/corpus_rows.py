"""Rows of corpus files, of every format: counting and measuring them, and reading their ids and texts.

A document is a row of Parquet, a line that holds a JSON object (lines of white space are passed over), or a
line of plain text (a blank line is an empty document). No row is ever lost: bytes that are not UTF-8 and lone
surrogates become U+FFFD, and a text that is missing or no string, like a line that is no JSON object, becomes
a document without text. Rows count from 0, lines from 1.
"""

from __future__ import annotations

import itertools
import json
import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import IO, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kdner.data.corpus_files import SourceFile, opened
from kdner.errors import InputError
from kdner.runs.schema import CORPUS

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_SURROGATE = re.compile("[\ud800-\udfff]")
_ROWS_READ_AT_ONCE = 8192
_BYTES_READ_AT_ONCE = 1 << 20
_BYTES_MEASURED_AT_ONCE = 16 << 20
"""Bytes of text of about as many rows as are read at once to see how long they are, long texts or short ones."""
_LINES_LOOKED_AT_FOR_COLUMNS = 1000


@dataclass(frozen=True, slots=True)
class Marks:
    """How much lies before rows of a file: before each row, or before some, between which all weigh the same."""

    rows: Sequence[int]
    """The marked rows, rising, from 0 to the number of rows."""
    amounts: Sequence[int]
    """What lies before each of them."""

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


def inspect(file: SourceFile, text_column: str, id_column: str | None) -> tuple[SourceFile, Marks]:
    """Count a file's rows, choose its id column, and mark the bytes of text before each row.

    Reads all of a file; of Parquet only the footer, which tells the bytes of text of a row group. Bytes of lines are
    those of whole lines, so that a row begins at the byte that its mark says, once the file is gunzipped.

    Raises:
        InputError: if the file cannot be read, or a column is missing or has another type.
    """
    if file.format == "parquet":
        return _inspect_parquet(file, text_column, id_column)
    columns: dict[str, None] = {}
    offsets = array("q")
    end = 0
    for _, offset, line in read_lines(file):
        if file.format == "json" and len(offsets) < _LINES_LOOKED_AT_FOR_COLUMNS:
            columns.update(dict.fromkeys(_parse(line) or ()))
        offsets.append(offset)
        end = offset + len(line)
    rows = len(offsets)
    offsets.append(end)
    marks = Marks(range(rows + 1), offsets)
    if not rows:
        return file, marks
    if file.format == "text":
        columns = {text_column: None}
    elif not columns:
        raise InputError(f"{file.path}: no JSON object in the first lines; expected one object a line")
    ids = _choose_columns(file, list(columns), text_column, id_column)
    return replace(file, rows=rows, text_bytes=end, id_column=ids), marks


def measure_texts(file: SourceFile, text_column: str) -> tuple[SourceFile, Marks]:
    """Read the text column of a Parquet file, and mark the bytes of text before each row, with one for its end.

    Raises:
        InputError: if the file cannot be read.
    """
    at_once = max(1, min(_ROWS_READ_AT_ONCE, _BYTES_MEASURED_AT_ONCE * file.rows // max(1, file.text_bytes)))
    amounts = array("q", [0])
    with opened(file) as stream:
        for batch in read_batches(stream, [text_column], rows=at_once):
            lengths = pc.fill_null(pc.binary_length(_strings(batch.column(0))), 0).to_numpy()
            amounts.frombytes((amounts[-1] + np.cumsum(lengths + 1, dtype=np.int64)).tobytes())
    return replace(file, text_bytes=amounts[-1]), Marks(range(file.rows + 1), amounts)


def read_ids(file: SourceFile) -> Iterator[tuple[list[str], list[str | None]]]:
    """Give place (``row 3``, ``line 4``) and id of each document, some thousands at once; None is no id.

    Raises:
        InputError: if the file cannot be read, or a line that should hold an id is no JSON object.
    """
    if file.id_column is None:
        for first in range(0, file.rows, _ROWS_READ_AT_ONCE):
            rows = range(first, min(first + _ROWS_READ_AT_ONCE, file.rows))
            yield [f"row {row}" for row in rows], [_made_id(file, row) for row in rows]
    elif file.format == "parquet":
        row = 0
        with opened(file) as stream:
            for batch in read_batches(stream, [file.id_column]):
                yield [f"row {row + i}" for i in range(len(batch))], _strings(batch.column(0)).to_pylist()
                row += len(batch)
    else:
        lines = read_lines(file)
        while chunk := list(itertools.islice(lines, _ROWS_READ_AT_ONCE)):
            places = [f"line {number}" for number, _, _ in chunk]
            objects = [_parse(line) for _, _, line in chunk]
            if None in objects:
                raise InputError(
                    f"{file.path} {places[objects.index(None)]}: not a JSON object, so it has no id in "
                    f"column {file.id_column!r}; mend or remove the line"
                )
            yield places, [_json_id(value or {}, file.id_column) for value in objects]


def batch_documents(file: SourceFile, first: int, batch: pa.RecordBatch, text_column: str) -> pa.RecordBatch:
    """Return the documents, as `kdner.runs.schema.CORPUS`, that a batch of Parquet rows holds, from row `first` on."""
    if file.id_column is None:
        ids = pa.array([_made_id(file, row) for row in range(first, first + len(batch))], pa.string())
    else:
        ids = _strings(batch.column(file.id_column))
    return pa.record_batch([ids, _strings(batch.column(text_column))], schema=CORPUS)


def line_document(file: SourceFile, row: int, line: bytes, text_column: str) -> tuple[str | None, str | None]:
    """Return id and text of the document that a line holds, None for what it lacks."""
    if file.format == "text":
        return _made_id(file, row), line.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8", "replace")
    record = _parse(line) or {}
    text = record.get(text_column)
    id_ = _made_id(file, row) if file.id_column is None else _json_id(record, file.id_column)
    return id_, _clean(text) if isinstance(text, str) else None


def read_batches(
    stream: IO[bytes], columns: Sequence[str], groups: Sequence[int] | None = None, rows: int = _ROWS_READ_AT_ONCE
) -> Iterator[pa.RecordBatch]:
    """Yield columns of Parquet, of these row groups or of all, so many rows at once."""
    stream.seek(0)
    parquet = pq.ParquetFile(stream, buffer_size=_BYTES_READ_AT_ONCE, pre_buffer=False, page_checksum_verification=True)
    return parquet.iter_batches(rows, row_groups=groups, columns=list(dict.fromkeys(columns)))


def read_lines(file: SourceFile, offset: int = 0) -> Iterator[tuple[int, int, bytes]]:
    """Yield number (1 is the line at the offset), byte offset and bytes of each line that is a document."""
    with opened(file) as stream:
        stream.seek(offset)
        for number, line in enumerate(stream, 1):
            if not (file.format == "json" and line.isspace()):
                yield number, offset, line if offset else line.removeprefix(_BYTE_ORDER_MARK)
            offset += len(line)


def _inspect_parquet(file: SourceFile, text_column: str, id_column: str | None) -> tuple[SourceFile, Marks]:
    with opened(file) as stream:
        parquet = pq.ParquetFile(stream)
        schema, metadata = parquet.schema_arrow, parquet.metadata
    ids = _choose_columns(file, schema.names, text_column, id_column)
    if not _is_text(schema.field(text_column).type):
        raise InputError(
            f"{file.path}: column {text_column!r} is {schema.field(text_column).type}, expected string; "
            "name the column of the text with --text-column"
        )
    if ids is not None and not (_is_text(kind := schema.field(ids).type) or pa.types.is_integer(kind)):
        raise InputError(
            f"{file.path}: column {ids!r} is {kind}, expected string or integer; "
            "name the column of the ids with --id-column"
        )
    text = [metadata.schema.column(i).path for i in range(metadata.num_columns)].index(text_column)
    groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
    sizes = [(group.num_rows, group.column(text).total_uncompressed_size) for group in groups if group.num_rows]
    rows = list(itertools.accumulate((rows for rows, _ in sizes), initial=0))
    amounts = list(itertools.accumulate((size for _, size in sizes), initial=0))
    return replace(file, rows=rows[-1], text_bytes=amounts[-1], id_column=ids), Marks(rows, amounts)


def _choose_columns(file: SourceFile, columns: Sequence[str], text_column: str, id_column: str | None) -> str | None:
    """Check that the columns are there, and give the id column, None where ids are to be made."""
    for column, option in ((text_column, "--text-column"), (id_column, "--id-column")):
        if column is not None and column not in columns:
            raise InputError(f"{file.path}: no column {column!r}, only {', '.join(columns)}; name one with {option}")
    return id_column or ("id" if "id" in columns and file.format != "text" else None)


def _made_id(file: SourceFile, row: int) -> str:
    return f"{file.name}:{row}"


def _json_id(value: Mapping[str, Any], column: str) -> str | None:
    id_ = value.get(column)
    if isinstance(id_, int) and not isinstance(id_, bool):
        return str(id_)
    return _clean(id_) if isinstance(id_, str) else None


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _clean(text: str) -> str:
    return _SURROGATE.sub("\ufffd", text)


def _is_text(kind: pa.DataType) -> bool:
    if pa.types.is_dictionary(kind):
        kind = kind.value_type
    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _strings(values: pa.Array) -> pa.Array:
    """Give strings or integers as strings that are UTF-8: Parquet files may hold others."""
    strings = values.cast(pa.string())
    try:
        strings.validate(full=True)
    except pa.ArrowInvalid:
        decoded = strings.cast(pa.binary()).to_pylist()
        return pa.array([None if b is None else b.decode("utf-8", "replace") for b in decoded], pa.string())
    return strings
