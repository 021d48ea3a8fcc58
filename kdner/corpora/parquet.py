"""Rows of Parquet: counting and measuring them, and reading their ids and texts; a document is a row.

No row is ever lost: what no text holds becomes U+FFFD, and a row without text becomes a document without text.
"""

from __future__ import annotations

import itertools
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import IO

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from kdner.corpora.columns import as_ids, as_strings, as_texts, check_types, choose_columns, column_of, holds_bytes
from kdner.corpora.files import SourceFile, opened_parquet
from kdner.corpora.id_hashes import IdHashes
from kdner.corpora.inspected import Inspected
from kdner.corpora.marks import Marks
from kdner.data.encodings import Evidence
from kdner.errors import InputError
from kdner.runs.schema import CORPUS

ROWS_DECODED_AT_ONCE = 16
"""Rows of a row group that are decoded at once at most, since nothing tells how long the next ones are: bytes in a
footer count a text once that stands in many rows."""
BYTES_DECODED_AT_ONCE = 16 << 20
"""Bytes of text that are decoded at once, where the footer tells that rows are long."""
ROWS_GATHERED = 8192
BYTES_GATHERED = 1 << 20
"""So many decoded rows, or bytes, are worked on together."""
_BUFFER_BYTES = 4 << 20


def inspect_parquet(file: SourceFile, text_column: str, id_column: str | None, *, with_ids: bool = False) -> Inspected:
    """Count a file's rows, choose its id column, and mark the bytes of text before each row group, from its footer.

    A file without rows needs no columns. With ids, these are read too, and hashed.

    Raises:
        InputError: if the file cannot be read, a column is missing or has another type, an id is missing, or bytes are
            not UTF-8.
    """
    with opened_parquet(file.path) as stream:
        parquet = parquet_file(stream)
        schema, metadata = parquet.schema_arrow, parquet.metadata
        if not metadata.num_rows:
            return Inspected(file, Marks((0,), (0,)))
        ids = choose_columns(file.path, schema.names, text_column, id_column)
        check_types(file.path, schema, text_column, ids)
        first = column_of(next(read_batches(parquet, [text_column])), text_column)
        hashes = _id_hashes(file, parquet, ids) if with_ids and ids else None
    if holds_bytes(first.type):
        evidence = Evidence(file.path)
        evidence.add(b"\n".join(as_strings(first).cast(pa.binary()).drop_null().to_pylist()))
        if not evidence.is_utf_8:
            raise InputError(
                f"{file.path}: column {text_column!r} is {first.type}, and holds no UTF-8, as in {evidence.example!r}; "
                "decode it to string where the file is made, or name another column with --text-column"
            )
    columns = [metadata.schema.column(i).path for i in range(metadata.num_columns)]
    text = next(i for i, path in enumerate(columns) if f"{path}.".startswith(f"{text_column}."))
    groups = [metadata.row_group(group) for group in range(metadata.num_row_groups)]
    sizes = [(group.num_rows, group.column(text).total_uncompressed_size) for group in groups if group.num_rows]
    rows = list(itertools.accumulate((rows for rows, _ in sizes), initial=0))
    amounts = list(itertools.accumulate((size for _, size in sizes), initial=0))
    file = replace(file, rows=rows[-1], text_bytes=amounts[-1], id_column=ids)
    return Inspected(file, Marks(rows, amounts), hashes)


def measure_texts(file: SourceFile, text_column: str) -> Inspected:
    """Read the text column of a file, and mark the bytes of text before each row, with one for its end.

    Raises:
        InputError: if the file cannot be read.
    """
    if not file.rows:
        return Inspected(file, Marks((0,), (0,)))
    amounts = array("q", [0])
    with opened_parquet(file.path) as stream:
        for batch in read_batches(parquet_file(stream), [text_column]):
            texts, _ = as_texts(column_of(batch, text_column))
            lengths = pc.fill_null(pc.binary_length(texts), 0).to_numpy()
            amounts.frombytes((amounts[-1] + np.cumsum(lengths + 1, dtype=np.int64)).tobytes())
    return Inspected(replace(file, text_bytes=amounts[-1]), Marks(range(file.rows + 1), amounts))


def parquet_ids(file: SourceFile, column: str) -> Iterator[tuple[int, str | None]]:
    """Yield the number and the id of each row; None is no id.

    Raises:
        InputError: if the file cannot be read, or a value is no id.
    """
    with opened_parquet(file.path) as stream:
        yield from enumerate(itertools.chain.from_iterable(_ids(file, parquet_file(stream), column)))


def _id_hashes(file: SourceFile, parquet: pq.ParquetFile, column: str) -> np.ndarray:
    hashes, row = IdHashes(file, column, "row"), 0
    for ids in _ids(file, parquet, column):
        hashes.add(range(row, row + len(ids)), ids)
        row += len(ids)
    return hashes.finish()


def _ids(file: SourceFile, parquet: pq.ParquetFile, column: str) -> Iterator[list[str | None]]:
    for batch in read_batches(parquet, [column]):
        yield as_ids(column_of(batch, column), f"{file.path}: column {column!r}").to_pylist()


def batch_documents(
    file: SourceFile, first: int, batch: pa.RecordBatch, text_column: str
) -> tuple[pa.RecordBatch, int]:
    """Return documents, as `kdner.runs.schema.CORPUS`, of rows from `first` on, and how much of them was replaced."""
    if file.id_column is None:
        ids = pa.array([file.made_id(row) for row in range(first, first + len(batch))], pa.string())
    else:
        ids = as_ids(column_of(batch, file.id_column), f"{file.path}: column {file.id_column!r}")
    texts, replaced = as_texts(column_of(batch, text_column))
    return pa.record_batch([ids, texts], schema=CORPUS), replaced


def read_batches(
    parquet: pq.ParquetFile, columns: Sequence[str], groups: Sequence[int] | None = None
) -> Iterator[pa.RecordBatch]:
    """Yield columns of Parquet, of these row groups or of all, in batches of about 1 MB, or of a few long rows."""
    for group in range(parquet.num_row_groups) if groups is None else groups:  # one by one: none is decoded ahead
        footer = parquet.metadata.row_group(group)
        in_row = max(1, footer.total_byte_size // max(1, footer.num_rows))
        rows = max(1, min(ROWS_DECODED_AT_ONCE, BYTES_DECODED_AT_ONCE // in_row))
        decoded = parquet.iter_batches(
            rows, row_groups=[group], columns=list(dict.fromkeys(columns)), use_threads=False
        )
        yield from gathered(decoded)


def first_rows_of_groups(parquet: pq.ParquetFile) -> list[int]:
    """Give the first row of each row group, and the number of rows."""
    sizes = (parquet.metadata.row_group(group).num_rows for group in range(parquet.num_row_groups))
    return list(itertools.accumulate(sizes, initial=0))


def parquet_file(stream: IO[bytes]) -> pq.ParquetFile:
    """Read the footer of a file that `kdner.corpora.files.opened_parquet` gives."""
    stream.seek(0)
    return pq.ParquetFile(
        stream,
        buffer_size=_BUFFER_BYTES,
        pre_buffer=False,
        page_checksum_verification=True,
        arrow_extensions_enabled=True,
    )


def gathered(batches: Iterator[pa.RecordBatch]) -> Iterator[pa.RecordBatch]:
    """Join small batches into some of `ROWS_GATHERED` or `BYTES_GATHERED`."""
    parts: list[pa.RecordBatch] = []
    rows = size = 0
    for batch in batches:
        parts.append(batch)
        rows, size = rows + len(batch), size + batch.nbytes
        if rows >= ROWS_GATHERED or size >= BYTES_GATHERED:
            yield parts[0] if len(parts) == 1 else pa.concat_batches(parts)
            parts, rows, size = [], 0, 0
    if parts:
        yield pa.concat_batches(parts)
