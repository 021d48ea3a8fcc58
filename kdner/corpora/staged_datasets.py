"""Datasets as files of a corpus: their texts, ids and kept columns, written once to Parquet."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from kdner.corpora.columns import as_ids, as_strings, check_types, choose_columns, column_of
from kdner.corpora.files import SourceFile, opened_parquet
from kdner.corpora.folders import is_utf_8, shown
from kdner.corpora.kept_columns import fields_of_schema, kept_fields, kept_of_batch
from kdner.corpora.parquet import ROWS_DECODED_AT_ONCE, gathered, inspect_parquet, parquet_file, read_batches
from kdner.data import hub_datasets
from kdner.errors import InputError
from kdner.runs.fingerprint import fingerprint_of_files
from kdner.runs.storage import commit, create_folder, join, locate


def as_parquet(
    source: str, folder: str | None, text_column: str, id_column: str | None, keep_columns: Sequence[str] = ()
) -> str:
    """Write a dataset's texts, ids and kept columns to one Parquet file in a folder, unless it is there; give its path.

    Where Parquet lies behind the dataset, these columns are copied, some rows at a time.

    Raises:
        InputError: if no folder is given, the dataset cannot be loaded, a column is missing, or is no texts or ids; if
            the path of a file of a local one is not UTF-8.
    """
    if folder is None:
        raise InputError(f"{source}: no folder is given to write it to; save it as Parquet and name that file")
    name, split = hub_datasets.name_and_split(source)
    identity: list[Any] = [name, split, (text_column, id_column)]
    if keep_columns:
        identity.append(list(keep_columns))
    if local := hub_datasets.local_files_of(source):
        if bad := next(itertools.filterfalse(is_utf_8, local), None):
            raise InputError(f"{shown(source)}: the path of a file there is not UTF-8: {shown(bad)}; rename it")
        identity.append(fingerprint_of_files(local))
    place = join(folder, hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16])
    path = join(place, f"{Path(name).name}-{split or 'train'}.parquet")
    filesystem, inner = locate(path)
    if filesystem.get_file_info(inner).type == pafs.FileType.File:
        return path
    files = hub_datasets.parquet_files(source)
    if files is not None:
        batches = _of_files(source, files, text_column, id_column, keep_columns)
    else:
        batches = _of_dataset(source, text_column, id_column, keep_columns)
    first = next(batches, None)
    if first is None:
        raise InputError(f"{source}: holds no rows; name another split in {hub_datasets.FORM}")
    create_folder(place)
    with commit(path) as file, pq.ParquetWriter(file, first.schema, compression="zstd") as writer:
        for batch in itertools.chain([first], batches):
            writer.write_table(pa.Table.from_batches([batch]))
    return path


def _of_files(
    source: str, paths: Sequence[str], text_column: str, id_column: str | None, keep_columns: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    whole = [SourceFile(path, path, "parquet", size=0, mtime_ns=None) for path in paths]
    inspected = (inspect_parquet(file, text_column, id_column).file for file in whole)
    files = [file for file in inspected if file.rows]
    columns = {file.id_column for file in files}
    if len(columns) > 1:
        raise InputError(f"{source}: only some of its files have a column 'id'; name one of all with --id-column")
    kept = kept_fields(files, keep_columns, text_column)
    for file in files:
        wanted = [text_column, file.id_column or text_column, *(field.name for field in kept)]
        with opened_parquet(file.path) as stream:
            for batch in read_batches(parquet_file(stream), wanted):
                yield _columns(file.path, batch, text_column, file.id_column, kept)


def _of_dataset(
    source: str, text_column: str, id_column: str | None, keep_columns: Sequence[str]
) -> Iterator[pa.RecordBatch]:
    dataset = hub_datasets.load(source)
    id_column = choose_columns(source, dataset.column_names, text_column, id_column)
    check_types(source, dataset.features.arrow_schema, text_column, id_column)
    kept = fields_of_schema(source, dataset.features.arrow_schema, keep_columns, text_column)
    wanted = [text_column, id_column or text_column, *(field.name for field in kept)]
    names = [name if name in dataset.column_names else name.partition(".")[0] for name in wanted]
    rows = dataset.select_columns(list(dict.fromkeys(names))).with_format("arrow")
    small = (batch for table in rows.iter(batch_size=ROWS_DECODED_AT_ONCE) for batch in table.to_batches())
    for batch in gathered(small):
        yield _columns(source, batch, text_column, id_column, kept)


def _columns(
    source: str, batch: pa.RecordBatch, text_column: str, id_column: str | None, kept: Sequence[pa.Field]
) -> pa.RecordBatch:
    """Return texts and ids as strings, and the kept columns, all under their own names."""
    columns = {text_column: as_strings(column_of(batch, text_column))}
    if id_column is not None:
        columns[id_column] = as_ids(column_of(batch, id_column), f"{source}: column {id_column!r}")
    others = [field for field in kept if field.name not in columns]
    values = kept_of_batch(source, batch, others, text_column, columns[text_column])
    return pa.RecordBatch.from_pydict({**columns, **{field.name: v for field, v in zip(others, values, strict=True)}})
