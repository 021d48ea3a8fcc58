"""Slices of corpus files: documents that follow one another, read in order without decoding anything twice."""

from __future__ import annotations

import itertools
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from threading import Lock

import pyarrow as pa

from kdner.corpora.files import SourceFile, opened_parquet
from kdner.corpora.kept_columns import kept_of_batch, kept_of_record
from kdner.corpora.lines import line_document, read_lines
from kdner.corpora.parquet import batch_documents, first_rows_of_groups, parquet_file, read_batches
from kdner.runs.schema import CORPUS

_BYTES_IN_A_BATCH = 1 << 20
"""Bytes of lines whose texts are Python strings at once."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Documents of one file that follow one another."""

    file: SourceFile
    first: int
    """Row of the first document."""
    rows: int
    offset: int | None
    """Byte from which on the file is read; None where only reading from the start finds the first row."""
    text_bytes: int
    """Bytes of their text, as far as they are known when the plan is made."""
    passed: int = 0
    """Rows between the offset, or the beginning of its row group, and the first document."""


class SliceReader:
    """Reads slices of files; asked for slices in rising order, it goes on where it stopped.

    A row group of Parquet, and a file that is packed or not UTF-8, can only be read from the beginning: a reader
    decodes each just once. Threads that share a reader wait for one another; with so many streams, each is read for in
    rising order.
    """

    def __init__(self, text_column: str, kept: Sequence[pa.Field] = (), *, streams: int = 1) -> None:
        """Take the column of the texts, and those to read beside; see `kdner.corpora.kept_columns`."""
        self.text_column, self.kept, self.streams = text_column, tuple(kept), streams
        self._reading = Lock()
        self._stopped: list[_ParquetStream | _LineStream] = []
        """Where it stopped, the last one last."""

    def read(self, piece: Slice, replaced: Counter[str] | None = None) -> pa.Table:
        """Read documents, in order, as a table of schema `kdner.runs.schema.CORPUS`; fewer where the file has no more.

        The columns that are kept follow, in their order. To `replaced` the number of characters that became U+FFFD in
        texts is added, by the file's name. Of Parquet only the row groups and columns that are needed are read.

        Raises:
            InputError: if the file cannot be read.
        """
        with self._reading:
            usable = (stream for stream in self._stopped if stream.file == piece.file and stream.on_the_way_to(piece))
            stream = max(usable, key=lambda stream: stream.row, default=None)
            if stream is not None:
                self._stopped.remove(stream)
            else:
                del self._stopped[: len(self._stopped) - self.streams + 1]
                make = _ParquetStream if piece.file.format == "parquet" else _LineStream
                stream = make(piece, self.text_column, self.kept)
            documents, characters = stream.take(piece)
            self._stopped.append(stream)
        if replaced is not None and characters:
            replaced[piece.file.name] += characters
        return documents


class _ParquetStream:
    """A file from the row group of a slice on."""

    def __init__(self, piece: Slice, text_column: str, kept: Sequence[pa.Field]) -> None:
        self.file, self.text_column, self.kept = piece.file, text_column, kept
        with ExitStack() as stack:
            self.parquet = parquet_file(stack.enter_context(opened_parquet(self.file.path)))
            self.begins = first_rows_of_groups(self.parquet)
            self.opened = stack.pop_all()
        group = self._group_of(piece.first)
        self.row = self.begins[group]
        self.rest: pa.RecordBatch | None = None
        self.batches = self._batches(range(group, len(self.begins) - 1))

    def on_the_way_to(self, piece: Slice) -> bool:
        return self.begins[self._group_of(piece.first)] <= self.row <= piece.first

    def take(self, piece: Slice) -> tuple[pa.Table, int]:
        for _ in self._parts(piece.first):
            pass
        parts = self._parts(piece.first + piece.rows)
        schema, documents, characters = _schema(self.kept), [], 0
        for first, part in parts:
            batch, replaced = batch_documents(self.file, first, part, self.text_column)
            kept = kept_of_batch(self.file.path, part, self.kept, self.text_column, batch.column("text"))
            documents.append(pa.record_batch([*batch.columns, *kept], schema=schema))
            characters += replaced
        return pa.Table.from_batches(documents, schema), characters

    def _parts(self, last: int) -> Iterator[tuple[int, pa.RecordBatch]]:
        """Go on to a row, and yield what lies before it, each part with its first row."""
        while self.row < last:
            batch = self.rest or next(self.batches, None)
            if batch is None:
                return
            part, self.rest = batch.slice(0, last - self.row), batch.slice(last - self.row) or None
            first, self.row = self.row, self.row + len(part)
            yield first, part

    def _batches(self, groups: Sequence[int]) -> Iterator[pa.RecordBatch]:
        with self.opened:
            columns = [self.text_column, self.file.id_column or self.text_column, *(field.name for field in self.kept)]
            yield from read_batches(self.parquet, columns, groups)

    def _group_of(self, row: int) -> int:
        return min(bisect_right(self.begins, row), len(self.begins) - 1) - 1


class _LineStream:
    """A file from a slice's first line on, or, where it is not known where that begins, from the beginning."""

    def __init__(self, piece: Slice, text_column: str, kept: Sequence[pa.Field]) -> None:
        self.file, self.text_column, self.kept = piece.file, text_column, kept
        self.row = 0 if piece.offset is None else piece.first - piece.passed
        self.lines = read_lines(self.file, piece.offset or 0)

    def on_the_way_to(self, piece: Slice) -> bool:
        return self.row <= piece.first if piece.offset is None else self.row == piece.first

    def take(self, piece: Slice) -> tuple[pa.Table, int]:
        schema, parts = _schema(self.kept), []
        columns: list[list[object]] = [[] for _ in schema]
        replaced = size = 0
        lines = itertools.islice(self.lines, piece.first - self.row, piece.first - self.row + piece.rows)
        self.row = piece.first
        for _, _, line in lines:
            document = line_document(self.file, self.row, line, self.text_column)
            kept = kept_of_record(document.record, self.kept, self.text_column, document.text)
            for column, value in zip(columns, (document.id, document.text, *kept), strict=True):
                column.append(value)
            replaced += document.replaced
            size += len(line)
            self.row += 1
            if size >= _BYTES_IN_A_BATCH:
                parts.append(pa.record_batch(columns, schema=schema))
                columns, size = [[] for _ in schema], 0
        parts.append(pa.record_batch(columns, schema=schema))
        return pa.Table.from_batches(parts, schema), replaced


def _schema(kept: Sequence[pa.Field]) -> pa.Schema:
    """Return `CORPUS` with the columns that are kept, under names of their own: a corpus may have others called so."""
    return pa.schema([*CORPUS, *(field.with_name(f"kept:{field.name}") for field in kept)])
