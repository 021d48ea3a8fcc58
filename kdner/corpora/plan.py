"""Corpora and the shard plan: files, folders, globs → slices of documents → Arrow tables.

`kdner.corpora.listing` tells which files make a corpus; `kdner.corpora.parquet` and `kdner.corpora.lines`
what a document is in each format; `kdner.corpora.slices` reads the documents of a shard.
A document that cannot be read stays, without text, and the job that reads it reports it as an error.

A document's id is the value of the id column (a string or an integer). A file without one gets ids made from
the file's path, relative to the deepest folder that holds all files, and the row: ``news/1996.txt.gz:17``.

A packed file, and one that is not UTF-8, can only be read from its beginning: a shard in the middle of a large one
costs reading all that comes before it.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kdner.corpora.corpus_listing import MIN_SHARDS, CorpusListing, corpus_listing, list_corpus
from kdner.corpora.files import SourceFile
from kdner.corpora.id_buckets import IdBuckets
from kdner.corpora.ids import MapFiles, check_ids
from kdner.corpora.inspection import inspect_files, measure_files
from kdner.corpora.kept_columns import kept_fields
from kdner.corpora.marks import Marks
from kdner.corpora.slices import Slice, SliceReader
from kdner.corpora.tables import SHARDS, FileTable, Shard, ShardTable
from kdner.errors import InputError
from kdner.runs.fingerprint import fingerprint_of_files

if TYPE_CHECKING:  # flags need tyro, which a machine that only scores need not have
    from kdner.flags import Corpus

SHARD_TEXT_BYTES = 3_000_000
"""Bytes of text in a shard by default at most: some 500,000 words, which give some MB of logits."""
MIN_SHARD_TEXT_BYTES = 1 << 16
"""Bytes of text in a shard by default at least, if there are so many: some 10,000 words, for which a student takes
60 ms and a teacher seconds on a core. A shard costs some 20 ms beside."""
MEASURED_TEXT_BYTES = 1_000_000_000
"""Bytes of text in Parquet that are read for the plan, to know how long each is. In a larger corpus all documents of a
row group count as equally long, as its footer tells no more."""
MAX_SHARDS = 100_000
"""Shards into which a corpus is cut by default at most: each costs some 10 ms to send, and is a file to list."""
MAX_MARKS = 16 * MAX_SHARDS
"""Places of a larger corpus, by the bytes of its files, before which the plan knows exactly how much text there is."""
NO_OFFSET = -1


@dataclass(frozen=True, slots=True)
class CorpusPlan:
    """A corpus cut into shards: a function of its listing alone."""

    listing: CorpusListing
    files: FileTable
    shards: ShardTable
    shard_text_bytes: int | None
    """Bytes of text of a shard, where no number of documents was asked for."""
    kept: tuple[pa.Field, ...] = ()
    """The columns that are read beside the texts."""

    @property
    def text_column(self) -> str:
        """The column of the texts."""
        return self.listing.text_column

    @property
    def passed_over(self) -> tuple[tuple[str, int], ...]:
        """How many files of a folder or glob are no part of the corpus, by suffix or name."""
        return self.listing.passed_over

    @property
    def documents(self) -> int:
        """Number of documents."""
        return pc.sum(self.files.table["rows"]).as_py() or 0

    @property
    def text_bytes(self) -> int:
        """Bytes of text, as far as they are known when the plan is made."""
        return pc.sum(self.files.table["text_bytes"]).as_py() or 0

    def fingerprint(self) -> dict[str, Any]:
        """Give that of the listing."""
        return self.listing.fingerprint()

    def content_fingerprint(self) -> dict[str, Any]:
        """Give that of the listing with the files' content, where it was read, in place of their states."""
        return self.listing.content_fingerprint(self.files)


def plan_listing(listing: CorpusListing, map_files: MapFiles = map) -> CorpusPlan:
    """Check the columns and ids of a corpus, and cut it into shards.

    Each shard holds `shard_documents` documents, the last one the rest; by default the documents that begin within
    equal parts of the text: of `SHARD_TEXT_BYTES`; more where there would be more than `MAX_SHARDS`; less where there
    would not be `min_shards`, but not less than `MIN_SHARD_TEXT_BYTES`. So no shard holds more text than its part and
    its longest document.

    Reads footers and id columns of Parquet, the text columns too of a corpus with no more than `MEASURED_TEXT_BYTES` in
    them, and all of every other file. Keeps 8 bytes for each document of a corpus of no more than
    `MEASURED_TEXT_BYTES`, of a larger one for each `MIN_SHARD_TEXT_BYTES` or more; and to find duplicate ids what
    `kdner.corpora.id_buckets` says, unless the listing trusts the ids.

    Args:
        listing: of the corpus.
        map_files: does as `map` does, perhaps at many places at once: each file is inspected by itself.

    Raises:
        InputError: if a file cannot be read, a column is missing or has another type, or ids are missing or not unique.
    """
    text_column, shard_documents = listing.text_column, listing.shard_documents
    size = pc.sum(listing.files.table["size"]).as_py()
    apart = 1 if size <= MEASURED_TEXT_BYTES else max(MIN_SHARD_TEXT_BYTES, size // MAX_MARKS)
    buckets = IdBuckets() if listing.ids == "check" else None
    files, marks = inspect_files(listing, apart, buckets, map_files)
    if not pc.sum(files.table["rows"]).as_py():
        first, others = files[0].path, len(files) - 1
        more = f" and {others:,} other files" if others else ""
        raise InputError(f"no documents in {first}{more}: all files there are empty")
    kept = (
        kept_fields([file for file in files if file.rows], listing.keep_columns, text_column)
        if listing.keep_columns
        else ()
    )
    if buckets is not None:
        check_ids(files, buckets, map_files)
    is_parquet = pc.equal(files.table["format"], "parquet")
    groups = [some if known else None for some, known in zip(marks, is_parquet.to_pylist(), strict=True)]
    if 0 < (pc.sum(files.table["text_bytes"].filter(is_parquet)).as_py() or 0) <= MEASURED_TEXT_BYTES:
        files, marks = measure_files(files, marks, text_column, map_files)
    shard_text_bytes = None
    if shard_documents is None:
        text_bytes = pc.sum(files.table["text_bytes"]).as_py()
        shard_text_bytes = default_shard_text_bytes(text_bytes, listing.min_shards)
    rows = files.table["rows"].to_pylist()
    table = _cut(
        zip(rows, files.table["is_entered_at_offsets"].to_pylist(), marks, groups, strict=True),
        shard_documents or shard_text_bytes or 1,
        by_documents=shard_documents is not None,
    )
    return CorpusPlan(listing, files, ShardTable(table, files), shard_text_bytes, kept)


def plan_corpus(inputs: Sequence[str], **how: Any) -> CorpusPlan:
    """Find the files of a corpus and cut them into shards: `plan_listing` of `list_corpus`, which takes the same."""
    return plan_listing(list_corpus(inputs, **how))


def default_shard_text_bytes(corpus_bytes: int, min_shards: int = MIN_SHARDS) -> int:
    """Give the bytes of text of each shard of a corpus, see `plan_corpus`."""
    shards = max(-(-corpus_bytes // SHARD_TEXT_BYTES), min(min_shards, corpus_bytes // MIN_SHARD_TEXT_BYTES), 1)
    shards = min(shards, MAX_SHARDS)
    return max(1, -(-corpus_bytes // shards))


def _cut(inspected: Iterable[tuple[int, bool, Marks, Marks | None]], size: int, *, by_documents: bool) -> pa.Table:
    """Cut files at every so many documents, or bytes of text: a document belongs to the shard that it begins in."""
    columns: dict[str, array[int]] = {name: array("q") for name in SHARDS.names}
    shard, current, done = -1, -1, 0
    for number, (rows, is_entered, marks, groups) in enumerate(inspected):
        measure = Marks((0, rows), (0, rows)) if by_documents else marks
        first = 0
        while first < rows:
            part = (done + measure.before(first)) // size
            if part != current:
                shard, current = shard + 1, part
            last = measure.row_at((part + 1) * size - done)
            offset, text_bytes, passed = place_of(marks, groups, first, last, is_entered=is_entered)
            row = (shard, number, first, last - first, offset, text_bytes, passed)
            for column, value in zip(columns.values(), row, strict=True):
                column.append(value)
            first = last
        done += measure.before(rows)
    return slice_table({name: np.frombuffer(column, np.int64) for name, column in columns.items()})


def place_of(marks: Marks, groups: Marks | None, first: int, last: int, *, is_entered: bool) -> tuple[int, int, int]:
    """Return where a slice of a file is entered (`NO_OFFSET` where not by bytes), its bytes, and the rows to pass.

    `groups` marks the row groups of Parquet; the rows to pass are those of the group before the slice.
    """
    text_bytes = marks.before(last) - marks.before(first)
    entry, offset = first, NO_OFFSET
    if is_entered:
        entry, offset = marks.last_before(first)
    elif groups is not None:
        entry, _ = groups.last_before(first)
    return offset, text_bytes, first - entry


def slice_table(columns: Mapping[str, np.ndarray]) -> pa.Table:
    """Return a table of `SHARDS`, of columns of whole numbers."""
    arrays = [pa.array(v, mask=v == NO_OFFSET if name == "offset" else None) for name, v in columns.items()]
    return pa.Table.from_arrays(arrays, schema=SHARDS)


def corpus_plan(flags: Corpus, out: str) -> CorpusPlan:
    """Plan the corpus that flags name; see `corpus_listing`."""
    return plan_listing(corpus_listing(flags, out))


def read_shard(
    plan: CorpusPlan, shard: Shard, reader: SliceReader | None = None, replaced: Counter[str] | None = None
) -> pa.Table:
    """Read a shard's documents, in order, as a table of schema `kdner.runs.schema.CORPUS`, and the plan's kept columns.

    To `replaced` the number of characters that became U+FFFD is added, by the file's name. Whoever reads several shards
    in order saves time with one `SliceReader(plan.text_column, plan.kept)` for all of them.

    Raises:
        InputError: if a file has changed since the plan was made, or cannot be read.
    """
    return read_slices(shard, reader or SliceReader(plan.text_column, plan.kept), replaced)


def read_slices(shard: Shard, reader: SliceReader, replaced: Counter[str] | None = None) -> pa.Table:
    """Do as `read_shard` does, where the plan is not at hand.

    Raises:
        InputError: if a file has changed since the plan was made, or cannot be read.
    """
    parts = []
    for piece in shard.slices:
        try:
            parts.append(reader.read(piece, replaced))
        finally:
            check_unchanged(piece.file)  # before, too: its time of change would tell
        _check_ids_there(parts[-1]["id"], piece)
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
            f"{file.path}: changed since the job began (was {file.state}, is {now}); restore it, or give another --out"
        )


def _check_ids_there(ids: pa.ChunkedArray, piece: Slice) -> None:
    """Refuse documents without an id, where the plan was made with ``--ids trust``."""
    if ids.null_count:
        row = piece.first + pc.index(ids.is_null(), True).as_py()
        raise InputError(
            f"{piece.file.path}: {ids.null_count} documents from row {row} on have no id in column "
            f"{piece.file.id_column!r}; each needs one: mend them, or name another column with --id-column"
        )
