"""Readers of corpora and the shard plan: files, folders, globs → slices of documents → Arrow tables.

Formats, by suffix, each also with ``.gz`` after it; a document is

- ``.parquet``: a row;
- ``.jsonl``, ``.ndjson``, ``.json``: a line that holds a JSON object; lines of white space are passed over;
- ``.txt``, ``.text``: a line; a blank line is an empty document.

No row is ever lost: bytes that are not UTF-8 and lone surrogates become U+FFFD, and a text that is missing or
no string, like a line that is no JSON object, becomes a document without text, which the job that reads it
reports as an error. Rows count from 0, lines from 1.

A document's id is the value of the id column (a string or an integer). A file without one gets ids made from
the file's path, relative to the deepest folder that holds all files, and the row: ``news/1996.txt.gz:17``.

Gzip has no index: a shard in the middle of a large gzipped file costs reading all that comes before it.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import itertools
import json
import posixpath
import random
import re
import shutil
import tempfile
import zlib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any
from urllib.parse import quote, unquote

import numpy as np
import pyarrow as pa
import pyarrow.fs as pafs
import pyarrow.parquet as pq

from kdner.errors import InputError
from kdner.rundir import commit, fingerprint_of_files, join, locate
from kdner.schema import CORPUS
from kdner.text import count_words

if TYPE_CHECKING:
    from datasets import Dataset

_FORMATS = {
    ".parquet": "parquet",
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
    ".txt": "text",
    ".text": "text",
}
_SUFFIXES = ", ".join(_FORMATS) + " (each also with .gz)"
_BYTE_ORDER_MARK = b"\xef\xbb\xbf"
_SURROGATE = re.compile("[\ud800-\udfff]")
_ROWS_READ_AT_ONCE = 8192
_BYTES_READ_AT_ONCE = 1 << 20
_LINES_LOOKED_AT_FOR_COLUMNS = 1000
_ROWS_NAMED = 5
_HASHES_CHECKED_AT_ONCE = 10_000


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One input file as it was when the plan was made."""

    path: str
    """Absolute local path, or URI."""
    name: str
    """Path relative to the deepest folder that holds all files of the plan; made ids begin with it."""
    size: int
    """Bytes."""
    mtime_ns: int | None
    """Time of the last change, nanoseconds since 1970."""
    rows: int
    """Documents in the file."""
    id_column: str | None
    """Column that holds the ids; None where they are made."""

    @property
    def state(self) -> dict[str, int | None]:
        """Size and time of change, as `kdner.rundir.fingerprint_of_files` gives them."""
        return {"size": self.size, "mtime_ns": self.mtime_ns}


@dataclass(frozen=True, slots=True)
class Slice:
    """A run of documents of one file."""

    file: SourceFile
    first: int
    """Row of the first document."""
    rows: int
    offset: int | None
    """Byte at which the first row begins; None where only reading from the start finds it."""


@dataclass(frozen=True, slots=True)
class Shard:
    """A fixed slice of the corpus, in one or more files."""

    index: int
    slices: tuple[Slice, ...]

    @property
    def name(self) -> str:
        """Name of the one file that a job makes of this shard."""
        return f"part-{self.index:05d}.parquet"

    @property
    def documents(self) -> int:
        """Number of documents."""
        return sum(piece.rows for piece in self.slices)


@dataclass(frozen=True, slots=True)
class CorpusPlan:
    """A corpus cut into shards: a function of the input files, the columns and the shard size alone."""

    files: tuple[SourceFile, ...]
    shards: tuple[Shard, ...]
    text_column: str
    id_column: str | None
    shard_documents: int

    @property
    def documents(self) -> int:
        """Number of documents."""
        return sum(file.rows for file in self.files)

    def fingerprint(self) -> dict[str, Any]:
        """Give what determines the plan, for a manifest, without the secrets that a URI may hold."""
        return {
            "files": {_public(file.path): file.state for file in self.files},
            "text_column": self.text_column,
            "id_column": self.id_column,
            "shard_documents": self.shard_documents,
        }


def plan(
    inputs: Sequence[str],
    *,
    text_column: str = "text",
    id_column: str | None = None,
    shard_documents: int,
    staging: str | None = None,
) -> CorpusPlan:
    """Find the files of a corpus, check their columns and ids, and cut them into shards.

    An input is a file, a folder (with its subfolders: known suffixes only, no names that begin with ``.`` or
    ``_``), a glob (``*``, ``?``, ``[]`` within a name, ``**`` for any folders; in a URI ``?`` begins the
    query), or ``hf:NAME[:SPLIT]``: a dataset that the `datasets` package knows, or a folder saved by it,
    split train by default, written once to Parquet in the folder `staging`. Files are taken in the order of
    their paths, whatever the order of the inputs. Each shard holds `shard_documents` documents, the last one
    the rest.

    Without `id_column`, a file's ids are its column ``id``, or made where it has none. Reads footers and id
    columns of Parquet, all of every other file; keeps 9 bytes a document to find duplicate ids.

    Raises:
        InputError: if nothing is found, a file cannot be read, a column is missing or has another type, or
            ids are missing or not unique.
    """
    if shard_documents < 1:
        raise InputError(f"--shard-documents is {shard_documents}; give 1 or more")
    found = _found(inputs, (text_column, id_column), staging)
    folder = _common([_public(path).split("/")[:-1] for path in found])
    files: list[SourceFile] = []
    shards: dict[int, list[Slice]] = {}
    documents = 0
    for path, info in found.items():
        name = "/".join(_public(path).split("/")[len(folder) :])
        file = SourceFile(path, name, info.size, info.mtime_ns, 0, None)
        offsets: dict[int, int] = {}
        if _format(name) == "parquet":
            file = _inspect_parquet(file, text_column, id_column)
        else:
            file, offsets = _inspect_lines(file, text_column, id_column, documents, shard_documents)
        files.append(file)
        first = 0
        while first < file.rows:
            index, used = divmod(documents + first, shard_documents)
            rows = min(file.rows - first, shard_documents - used)
            shards.setdefault(index, []).append(Slice(file, first, rows, offsets.get(first)))
            first += rows
        documents += file.rows
    if not documents:
        raise InputError(f"no documents in {', '.join(inputs)}: all files there ({len(files)}) are empty")
    _check_ids(files)
    cut = tuple(Shard(index, tuple(slices)) for index, slices in shards.items())
    return CorpusPlan(tuple(files), cut, text_column, id_column, shard_documents)


def read_shard(plan: CorpusPlan, shard: Shard) -> pa.Table:
    """Read a shard's documents, in order, as a table of schema `kdner.schema.CORPUS`.

    Of Parquet only the row groups and the two columns that are needed are read.

    Raises:
        InputError: if a file has changed since the plan was made, or cannot be read.
    """
    parts = []
    for piece in shard.slices:
        check_unchanged(piece.file)
        read = _read_parquet if _format(piece.file.name) == "parquet" else _read_lines
        parts.append(read(piece, plan.text_column))
        if parts[-1].num_rows != piece.rows:
            raise InputError(
                f"{piece.file.path}: {parts[-1].num_rows} documents from row {piece.first} on, expected "
                f"{piece.rows}; the file changed since the job began: restore it, or give another --out"
            )
    return pa.concat_tables(parts).combine_chunks()


def check_unchanged(file: SourceFile) -> None:
    """Check that a file has the size and the time of change that it had when the plan was made.

    Raises:
        InputError: if not, or if it is gone.
    """
    (now,) = fingerprint_of_files([file.path]).values()
    if now != file.state:
        raise InputError(
            f"{file.path}: changed since the job began (was {file.state}, is {now}); "
            "restore it, or give another --out"
        )


def draw_documents(plan: CorpusPlan, words: int, seed: int) -> Iterator[pa.Table]:
    """Read shards in an order drawn from the seed until they hold `words` white-space separated words.

    The last table ends with the document that reaches the number. 0 words means the whole corpus, in order.
    Each table has schema `kdner.schema.CORPUS`.
    """
    if words == 0:
        yield from (read_shard(plan, shard) for shard in plan.shards)
        return
    left = words
    for shard in random.Random(seed).sample(plan.shards, len(plan.shards)):
        table = read_shard(plan, shard)
        for row, text in enumerate(table["text"].to_pylist()):
            left -= count_words(text or "")
            if left <= 0:
                yield table.slice(0, row + 1)
                return
        yield table


# Finding files


def _found(
    inputs: Sequence[str], columns: tuple[str, str | None], staging: str | None
) -> dict[str, pafs.FileInfo]:
    found: dict[str, pafs.FileInfo] = {}
    for source in inputs:
        path = _stage(source, columns, staging) if source.startswith("hf:") else source
        try:
            matches = dict(_expand(path))
        except OSError as error:
            raise InputError(
                f"{source}: cannot be listed ({error}); check the path and its permissions"
            ) from error
        if not matches:
            raise InputError(f"{source}: no corpus file here; give files, folders or globs of {_SUFFIXES}")
        found.update(matches)
    if not found:
        raise InputError("no corpus is given; name at least one file, folder or glob")
    return dict(sorted(found.items()))


def _expand(source: str) -> Iterator[tuple[str, pafs.FileInfo]]:
    """Give path and info of each corpus file that a path or glob stands for."""
    is_uri = "://" in source
    place, mark, query = source.partition("?") if is_uri else (source, "", "")
    parts = place.rstrip("/").split("/")
    globs = [i for i, part in enumerate(parts) if set(part) & set("*?[")]
    first = len(parts) if not globs or (not is_uri and Path(source).exists()) else globs[0]
    root = "/".join(parts[:first]) or ("/" if source.startswith("/") else ".")
    filesystem, inner = locate(root + mark + query)
    local = isinstance(filesystem, pafs.LocalFileSystem)
    for info in _match(filesystem, filesystem.get_file_info(inner), parts[first:]):
        if info.type == pafs.FileType.NotFound:
            raise InputError(f"{source}: no such file or folder")
        chosen = [info]
        if info.type == pafs.FileType.Directory:
            chosen = filesystem.get_file_info(pafs.FileSelector(info.path, recursive=True))
        elif first == len(parts) and _format(info.path) is None:
            raise InputError(f"{source}: unknown format; give a file that ends in one of {_SUFFIXES}")
        for file in chosen:
            hidden = any(part.startswith((".", "_")) for part in file.path[len(info.path) :].split("/"))
            if file.type == pafs.FileType.File and _format(file.path) and not hidden:
                below = quote(file.path[len(inner) :])
                yield file.path if local else root + below + mark + query, file


def _match(
    filesystem: pafs.FileSystem, info: pafs.FileInfo, patterns: Sequence[str]
) -> Iterator[pafs.FileInfo]:
    if not patterns:
        yield info
        return
    if info.type != pafs.FileType.Directory:
        return
    pattern, rest = patterns[0], patterns[1:]
    if pattern == "**":
        yield from _match(filesystem, info, rest)
    for child in filesystem.get_file_info(pafs.FileSelector(info.path)):
        if child.base_name.startswith((".", "_")) and not pattern.startswith((".", "_")):
            continue
        if pattern == "**":
            yield from _match(filesystem, child, patterns)
        elif fnmatchcase(child.base_name, pattern):
            yield from _match(filesystem, child, rest)


def _stage(source: str, columns: tuple[str, str | None], staging: str | None) -> str:
    """Write a dataset's text and ids to one Parquet file, once, and give its path."""
    if staging is None:
        raise InputError(
            f"{source}: no folder is given to write it to; save it as Parquet and name that file"
        )
    name, _, split = source.removeprefix("hf:").partition(":")
    identity: list[Any] = [name, split, columns]
    if Path(name).is_dir():
        identity.append(fingerprint_of_files(sorted(str(p) for p in Path(name).rglob("*") if p.is_file())))
    key = hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:16]
    path = join(join(staging, key), f"{Path(name).name}-{split or 'train'}.parquet")
    filesystem, inner = locate(path)
    if filesystem.get_file_info(inner).type == pafs.FileType.File:
        return path
    dataset = _load_dataset(source, name, split)
    if columns[0] not in dataset.column_names:
        raise _missing_column(source, columns[0], dataset.column_names, "--text-column")
    kept = [column for column in dataset.column_names if column in (columns[0], columns[1] or "id")]
    rows = dataset.select_columns(kept).with_format("arrow")
    filesystem.create_dir(posixpath.dirname(inner), recursive=True)
    with commit(path) as file, pq.ParquetWriter(file, rows[:0].schema, compression="zstd") as writer:
        for batch in rows.iter(batch_size=_ROWS_READ_AT_ONCE):
            writer.write_table(batch)
    return path


def _load_dataset(source: str, name: str, split: str) -> Dataset:
    import datasets

    try:
        if not (Path(name) / "state.json").exists() and not (Path(name) / "dataset_dict.json").exists():
            return datasets.load_dataset(name, split=split or "train")
        saved = datasets.load_from_disk(name)
    except Exception as error:  # datasets and the HTTP clients under it share no base class
        raise InputError(
            f"{source}: cannot be loaded ({type(error).__name__}: {error}); check hf:NAME[:SPLIT], or, "
            "where the hub cannot be reached, save it elsewhere with save_to_disk(FOLDER) and give hf:FOLDER"
        ) from error
    if isinstance(saved, datasets.Dataset):
        if split in ("", str(saved.split)):
            return saved
        saved = {str(saved.split): saved}
    if (split or "train") not in saved:
        raise InputError(
            f"{source}: no split {split or 'train'!r}, only {', '.join(saved)}; name one as hf:{name}:SPLIT"
        )
    return saved[split or "train"]


# Looking into files


def _inspect_parquet(file: SourceFile, text_column: str, id_column: str | None) -> SourceFile:
    with _opened(file) as stream:
        parquet = pq.ParquetFile(stream)
        schema, rows = parquet.schema_arrow, parquet.metadata.num_rows
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
    return replace(file, rows=rows, id_column=ids)


def _inspect_lines(
    file: SourceFile, text_column: str, id_column: str | None, documents: int, shard_documents: int
) -> tuple[SourceFile, dict[int, int]]:
    """Count documents and find the bytes at which shards begin, `documents` being in the files before."""
    is_json = _format(file.name) == "json"
    columns: dict[str, None] = {}
    offsets: dict[int, int] = {}
    rows = 0
    for _, offset, line in _lines(file):
        if rows == 0 or (documents + rows) % shard_documents == 0:
            offsets[rows] = offset
        if is_json and rows < _LINES_LOOKED_AT_FOR_COLUMNS:
            columns.update(dict.fromkeys(_parse(line) or ()))
        rows += 1
    if rows and is_json and not columns:
        raise InputError(f"{file.path}: no JSON object in the first lines; expected one object a line")
    if not is_json:
        columns = {text_column: None}
    ids = _choose_columns(file, list(columns), text_column, id_column) if rows else None
    return replace(file, rows=rows, id_column=ids), {} if _is_gzipped(file.name) else offsets


def _choose_columns(
    file: SourceFile, columns: Sequence[str], text_column: str, id_column: str | None
) -> str | None:
    """Check that the columns are there, and give the id column, None where ids are to be made."""
    if text_column not in columns:
        raise _missing_column(file.path, text_column, columns, "--text-column")
    if id_column is not None and id_column not in columns:
        raise _missing_column(file.path, id_column, columns, "--id-column")
    return id_column or ("id" if "id" in columns and _format(file.name) != "text" else None)


def _missing_column(where: str, column: str, columns: Sequence[str], option: str) -> InputError:
    return InputError(f"{where}: no column {column!r}, only {', '.join(columns)}; name one with {option}")


def _check_ids(files: Sequence[SourceFile]) -> None:
    """Refuse missing and duplicate ids: by 8-byte hashes, then by the ids where hashes are equal."""
    if all(file.id_column is None for file in files):
        return
    hashes = np.empty(sum(file.rows for file in files), np.int64)
    done = 0
    for file in files:
        missing: list[str] = []
        for places, ids in _ids(file):
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


def _refuse_duplicates(files: Sequence[SourceFile], hashes: set[int]) -> None:
    seen: dict[str | None, list[str]] = {}
    for file in files:
        for places, ids in _ids(file):
            for place, id_ in zip(places, ids, strict=True):
                if hash(id_) in hashes and len(known := seen.setdefault(id_, [])) < _ROWS_NAMED:
                    known.append(f"{file.path} {place}")
    twice = {id_: places for id_, places in seen.items() if len(places) > 1}
    if twice:
        shown = [
            f"  {id_!r}: {', '.join(places)}" for id_, places in itertools.islice(twice.items(), _ROWS_NAMED)
        ]
        raise InputError(
            "documents share an id:\n"
            + "\n".join(shown)
            + "\nmake the ids unique, or name another column with "
            "--id-column"
        )


def _ids(file: SourceFile) -> Iterator[tuple[list[str], list[str | None]]]:
    """Give the place and the id of each document, some thousands at once; None where there is no id."""
    if file.id_column is None:
        for first in range(0, file.rows, _ROWS_READ_AT_ONCE):
            rows = range(first, min(first + _ROWS_READ_AT_ONCE, file.rows))
            yield [f"row {row}" for row in rows], [_made_id(file, row) for row in rows]
    elif _format(file.name) == "parquet":
        row = 0
        with _opened(file) as stream:
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
            yield places, [_json_id(value, file.id_column) for value in objects]


# Reading documents


def _read_parquet(piece: Slice, text_column: str) -> pa.Table:
    file = piece.file
    columns = [text_column] if file.id_column is None else [text_column, file.id_column]
    batches = []
    with _opened(file) as stream:
        metadata = pq.ParquetFile(stream).metadata
        sizes = [metadata.row_group(group).num_rows for group in range(metadata.num_row_groups)]
        begins = list(itertools.accumulate(sizes, initial=0))
        ends = begins[1:]
        last = piece.first + piece.rows
        groups = [group for group in range(len(sizes)) if begins[group] < last and ends[group] > piece.first]
        row = begins[groups[0]]
        for batch in _batches(stream, columns, groups):
            first, end = max(piece.first - row, 0), min(last - row, len(batch))
            if first < end:
                part = batch.slice(first, end - first)
                made = (
                    [_made_id(file, row + i) for i in range(first, end)] if file.id_column is None else None
                )
                ids = pa.array(made, pa.string()) if made else _strings(part.column(file.id_column))
                batches.append(pa.record_batch([ids, _strings(part.column(text_column))], schema=CORPUS))
            row += len(batch)
            if row >= last:
                break
    return pa.Table.from_batches(batches, CORPUS)


def _read_lines(piece: Slice, text_column: str) -> pa.Table:
    file = piece.file
    skipped = piece.first if piece.offset is None else 0
    ids: list[str | None] = []
    texts: list[str | None] = []
    lines = itertools.islice(_lines(file, piece.offset or 0), skipped, skipped + piece.rows)
    for row, (_, _, line) in enumerate(lines, piece.first):
        if _format(file.name) == "text":
            texts.append(line.removesuffix(b"\n").removesuffix(b"\r").decode("utf-8", "replace"))
            ids.append(_made_id(file, row))
        else:
            value = _parse(line) or {}
            texts.append(_clean(text) if isinstance(text := value.get(text_column), str) else None)
            ids.append(_made_id(file, row) if file.id_column is None else _json_id(value, file.id_column))
    return pa.table([ids, texts], schema=CORPUS)


def _batches(
    stream: IO[bytes], columns: Sequence[str], groups: Sequence[int] | None = None
) -> Iterator[pa.RecordBatch]:
    stream.seek(0)
    parquet = pq.ParquetFile(stream, buffer_size=_BYTES_READ_AT_ONCE, pre_buffer=False)
    return parquet.iter_batches(_ROWS_READ_AT_ONCE, row_groups=groups, columns=list(dict.fromkeys(columns)))


def _lines(file: SourceFile, offset: int = 0) -> Iterator[tuple[int, int, bytes]]:
    """Give number (1 is the line at the offset), byte offset and bytes of each line that is a document."""
    skips_blank = _format(file.name) == "json"
    with _opened(file) as stream:
        stream.seek(offset)
        for number, line in enumerate(stream, 1):
            if not (skips_blank and line.isspace()):
                yield number, offset, line if offset else line.removeprefix(_BYTE_ORDER_MARK)
            offset += len(line)


@contextmanager
def _opened(file: SourceFile) -> Iterator[IO[bytes]]:
    """Open a file for reading, gunzipped; what goes wrong while it is read is the input's fault."""
    filesystem, inner = locate(file.path)
    try:
        with filesystem.open_input_file(inner) as raw:
            if not _is_gzipped(file.name):
                yield raw if _format(file.name) == "parquet" else io.BufferedReader(raw, _BYTES_READ_AT_ONCE)
            elif _format(file.name) == "parquet":
                with gzip.GzipFile(fileobj=raw) as packed, tempfile.TemporaryFile() as whole:
                    shutil.copyfileobj(packed, whole, _BYTES_READ_AT_ONCE)
                    yield whole
            else:
                with gzip.GzipFile(fileobj=raw) as packed:
                    yield io.BufferedReader(packed, _BYTES_READ_AT_ONCE)
    except (OSError, EOFError, zlib.error, pa.ArrowException) as error:
        raise InputError(
            f"{file.path}: cannot be read ({error}); is it whole, and what its suffix says? Mend or remove it"
        ) from error


def _format(path: str) -> str | None:
    return _FORMATS.get(posixpath.splitext(path.lower().removesuffix(".gz"))[1])


def _is_gzipped(path: str) -> bool:
    return path.lower().endswith(".gz")


def _public(path: str) -> str:
    """Give a path without the query and the user of a URI, which may hold secrets."""
    scheme, mark, rest = path.partition("://")
    if not mark:
        return path
    host, slash, inner = rest.partition("?")[0].partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{unquote(inner)}"


def _common(folders: Sequence[list[str]]) -> list[str]:
    """Give the parts that all paths begin with."""
    first, last = min(folders), max(folders)
    shared = itertools.takewhile(lambda pair: pair[0] == pair[1], zip(first, last, strict=False))
    return [part for part, _ in shared]


def _made_id(file: SourceFile, row: int) -> str:
    return f"{file.name}:{row}"


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
        decoded = [
            b if b is None else b.decode("utf-8", "replace") for b in strings.cast(pa.binary()).to_pylist()
        ]
        return pa.array(decoded, pa.string())
    return strings


def _parse(line: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(line.decode("utf-8", "replace"))
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def _json_id(value: Mapping[str, Any] | None, column: str) -> str | None:
    id_ = (value or {}).get(column)
    if isinstance(id_, int) and not isinstance(id_, bool):
        return str(id_)
    return _clean(id_) if isinstance(id_, str) else None


def _clean(text: str) -> str:
    return _SURROGATE.sub("\ufffd", text)
