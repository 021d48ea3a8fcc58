"""Rows of corpus files: counting them, and reading their ids and texts.

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
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import IO, Any

import pyarrow as pa
import pyarrow.parquet as pq

from kdner.data.corpus_files import SourceFile, opened
from kdner.errors import InputError
from kdner.runs.schema import CORPUS

_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_SURROGATE = re.compile("[\ud800-\udfff]")
_ROWS_READ_AT_ONCE = 8192
_BYTES_READ_AT_ONCE = 1 << 20
_LINES_LOOKED_AT_FOR_COLUMNS = 1000


@dataclass(frozen=True, slots=True)
class Slice:
    """A run of documents of one file."""

    file: SourceFile
    first: int
    """Row of the first document."""
    rows: int
    offset: int | None
    """Byte at which the first row begins; None where only reading from the start finds it."""


def inspect(file: SourceFile, text_column: str, id_column: str | None) -> tuple[SourceFile, array[int]]:
    """Count a file's rows and bytes of text, and choose its id column; give also the byte at which each row begins.

    Reads the footer of Parquet, all of other files. Of Parquet and gzipped files no such bytes are given.

    Raises:
        InputError: if the file cannot be read, or a column is missing or has another type.
    """
    if file.format == "parquet":
        return _inspect_parquet(file, text_column, id_column), array("q")
    columns: dict[str, None] = {}
    offsets = array("q")
    rows = text_bytes = 0
    for _, offset, line in _lines(file):
        offsets.append(offset)
        if file.format == "json" and rows < _LINES_LOOKED_AT_FOR_COLUMNS:
            columns.update(dict.fromkeys(_parse(line) or ()))
        rows += 1
        text_bytes += len(line)
    if not rows:
        return file, offsets
    if file.format == "text":
        columns = {text_column: None}
    elif not columns:
        raise InputError(f"{file.path}: no JSON object in the first lines; expected one object a line")
    ids = _choose_columns(file, list(columns), text_column, id_column)
    return replace(file, rows=rows, text_bytes=text_bytes, id_column=ids), array("q") if file.is_gzipped else offsets


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
            for batch in _batches(stream, [file.id_column]):
                yield [f"row {row + i}" for i in range(len(batch))], _strings(batch.column(0)).to_pylist()
                row += len(batch)
    else:
        lines = _lines(file)
        while chunk := list(itertools.islice(lines, _ROWS_READ_AT_ONCE)):
            places = [f"line {number}" for number, _, _ in chunk]
            objects = [_parse(line) for _, _, line in chunk]
            if None in objects:
                raise InputError(
                    f"{file.path} {places[objects.index(None)]}: not a JSON object, so it has no id in "
                    f"column {file.id_column!r}; mend or remove the line"
                )
            yield places, [_json_id(value or {}, file.id_column) for value in objects]


class SliceReader:
    """Reads slices of files; asked for slices in rising order, it goes on where it stopped.

    A row group of Parquet and a gzipped file can only be read from the beginning: a reader decodes each just once.
    """

    def __init__(self, text_column: str) -> None:
        self.text_column = text_column
        self._stream: _ParquetStream | _LineStream | None = None

    def read(self, piece: Slice) -> pa.Table:
        """Read documents, in order, as a table of schema `kdner.runs.schema.CORPUS`; fewer where the file has no more.

        Of Parquet only the row groups and the two columns that are needed are read.

        Raises:
            InputError: if the file cannot be read.
        """
        stream, self._stream = self._stream, None
        if stream is None or stream.file != piece.file or not stream.on_the_way_to(piece):
            make = _ParquetStream if piece.file.format == "parquet" else _LineStream
            stream = make(piece, self.text_column)
        documents = stream.take(piece)
        self._stream = stream
        return documents


class _ParquetStream:
    """A file from the row group of a slice on."""

    def __init__(self, piece: Slice, text_column: str) -> None:
        self.file, self.text_column = piece.file, text_column
        with opened(self.file) as stream:
            metadata = pq.ParquetFile(stream).metadata
        sizes = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
        self.begins = list(itertools.accumulate(sizes, initial=0))
        group = self._group_of(piece.first)
        self.row = self.begins[group]
        self.rest: pa.RecordBatch | None = None
        self.batches = self._batches(range(group, len(sizes)))

    def on_the_way_to(self, piece: Slice) -> bool:
        return self.begins[self._group_of(piece.first)] <= self.row <= piece.first

    def take(self, piece: Slice) -> pa.Table:
        for _ in self._parts(piece.first):
            pass
        batches = []
        for first, part in self._parts(piece.first + piece.rows):
            if self.file.id_column is None:
                ids = pa.array([_made_id(self.file, row) for row in range(first, first + len(part))], pa.string())
            else:
                ids = _strings(part.column(self.file.id_column))
            batches.append(pa.record_batch([ids, _strings(part.column(self.text_column))], schema=CORPUS))
        return pa.Table.from_batches(batches, CORPUS)

    def _parts(self, last: int) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Go on to a row, and give what lies before it, each part with its first row."""
        while self.row < last:
            batch = self.rest or next(self.batches, None)
            if batch is None:
                return
            part, self.rest = batch.slice(0, last - self.row), batch.slice(last - self.row) or None
            first, self.row = self.row, self.row + len(part)
            yield first, part

    def _batches(self, groups: Iterable[int]) -> Iterator[pa.RecordBatch]:
        columns = [self.text_column, self.file.id_column or self.text_column]
        with opened(self.file) as stream:
            for group in groups:  # one by one, so that none is decoded ahead
                yield from _batches(stream, columns, [group])

    def _group_of(self, row: int) -> int:
        return min(bisect_right(self.begins, row), len(self.begins) - 1) - 1


class _LineStream:
    """A file from a slice's first line on, or, where it is not known where that begins, from the beginning."""

    def __init__(self, piece: Slice, text_column: str) -> None:
        self.file, self.text_column = piece.file, text_column
        self.row = 0 if piece.offset is None else piece.first
        self.lines = _lines(self.file, piece.offset or 0)

    def on_the_way_to(self, piece: Slice) -> bool:
        return self.row <= piece.first if piece.offset is None else self.row == piece.first

    def take(self, piece: Slice) -> pa.Table:
        ids: list[str | None] = []
        texts: list[str | None] = []
        lines = itertools.islice(self.lines, piece.first - self.row, piece.first - self.row + piece.rows)
        self.row = piece.first
        for _, _, line in lines:
            if self.file.format == "text":
                texts.append(line.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8", "replace"))
                ids.append(_made_id(self.file, self.row))
            else:
                value = _parse(line) or {}
                texts.append(_clean(text) if isinstance(text := value.get(self.text_column), str) else None)
                id_column = self.file.id_column
                ids.append(_made_id(self.file, self.row) if id_column is None else _json_id(value, id_column))
            self.row += 1
        return pa.table([ids, texts], schema=CORPUS)


def _inspect_parquet(file: SourceFile, text_column: str, id_column: str | None) -> SourceFile:
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
    groups = [metadata.row_group(group).column(text) for group in range(metadata.num_row_groups)]
    text_bytes = sum(group.total_uncompressed_size for group in groups)
    return replace(file, rows=metadata.num_rows, text_bytes=text_bytes, id_column=ids)


def _choose_columns(file: SourceFile, columns: Sequence[str], text_column: str, id_column: str | None) -> str | None:
    """Check that the columns are there, and give the id column, None where ids are to be made."""
    for column, option in ((text_column, "--text-column"), (id_column, "--id-column")):
        if column is not None and column not in columns:
            raise InputError(f"{file.path}: no column {column!r}, only {', '.join(columns)}; name one with {option}")
    return id_column or ("id" if "id" in columns and file.format != "text" else None)


def _batches(
    stream: IO[bytes], columns: Sequence[str], groups: Sequence[int] | None = None
) -> Iterator[pa.RecordBatch]:
    stream.seek(0)
    parquet = pq.ParquetFile(stream, buffer_size=_BYTES_READ_AT_ONCE, pre_buffer=False, page_checksum_verification=True)
    return parquet.iter_batches(_ROWS_READ_AT_ONCE, row_groups=groups, columns=list(dict.fromkeys(columns)))


def _lines(file: SourceFile, offset: int = 0) -> Iterator[tuple[int, int, bytes]]:
    """Give number (1 is the line at the offset), byte offset and bytes of each line that is a document."""
    with opened(file) as stream:
        stream.seek(offset)
        for number, line in enumerate(stream, 1):
            if not (file.format == "json" and line.isspace()):
                yield number, offset, line if offset else line.removeprefix(_BYTE_ORDER_MARK)
            offset += len(line)


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
