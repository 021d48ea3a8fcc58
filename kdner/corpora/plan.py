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

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import pyarrow as pa

from kdner.corpora.files import SourceFile
from kdner.corpora.ids import check_ids
from kdner.corpora.kept_columns import kept_fields
from kdner.corpora.lines import inspect_lines
from kdner.corpora.listing import find_files
from kdner.corpora.marks import Marks
from kdner.corpora.parquet import inspect_parquet, measure_texts
from kdner.corpora.slices import Slice, SliceReader
from kdner.data.encodings import UTF_8, check_encoding
from kdner.errors import InputError
from kdner.runs.fingerprint import fingerprint_of_files
from kdner.runs.storage import join, without_secrets

if TYPE_CHECKING:  # flags need tyro, which a machine that only scores need not have
    from kdner.flags import Corpus

SHARD_TEXT_BYTES = 3_000_000
"""Bytes of text in a shard by default at most: some 500,000 words, which give some MB of logits."""
MIN_SHARDS = 64
"""Shards that a corpus gives by default, if each holds `MIN_SHARD_TEXT_BYTES`: work for as many actors."""
MIN_SHARD_TEXT_BYTES = 1 << 16
"""Bytes of text in a shard by default at least, if there are so many: some 10,000 words, for which a student takes
60 ms and a teacher seconds on a core. A shard costs some 20 ms beside."""
MEASURED_TEXT_BYTES = 1_000_000_000
"""Bytes of text in Parquet that are read for the plan, to know how long each is. In a larger corpus all documents of a
row group count as equally long, as its footer tells no more."""


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

    @property
    def text_bytes(self) -> int:
        """Bytes of text, as far as they are known when the plan is made."""
        return sum(piece.text_bytes for piece in self.slices)


@dataclass(frozen=True, slots=True)
class CorpusPlan:
    """A corpus cut into shards: a function of the input files, the columns and the shard size alone."""

    files: tuple[SourceFile, ...]
    shards: tuple[Shard, ...]
    text_column: str
    id_column: str | None
    shard_documents: int | None
    """Documents of a shard, where they were asked for."""
    shard_text_bytes: int | None
    """Bytes of text of a shard, where no number of documents was asked for."""
    encoding: str = UTF_8
    """Encoding of files that are not UTF-8."""
    kept: tuple[pa.Field, ...] = ()
    """Columns that are read beside the texts. They do not change the shards, and are no part of the fingerprint."""
    passed_over: tuple[tuple[str, int], ...] = ()
    """How many files of a folder or glob are no part of the corpus, by suffix or name."""

    @property
    def documents(self) -> int:
        """Number of documents."""
        return sum(file.rows for file in self.files)

    @property
    def text_bytes(self) -> int:
        """Bytes of text, as far as they are known when the plan is made."""
        return sum(file.text_bytes for file in self.files)

    def fingerprint(self) -> dict[str, Any]:
        """Give what determines the plan, for a manifest, without the secrets that a URI may hold."""
        sizes = {"shard_documents": self.shard_documents, "shard_text_bytes": self.shard_text_bytes}
        return {
            "files": {without_secrets(file.path): file.state for file in self.files},
            "text_column": self.text_column,
            "id_column": self.id_column,
            **({} if self.encoding == UTF_8 else {"encoding": self.encoding}),
            **{name: size for name, size in sizes.items() if size is not None},
        }


def plan_corpus(
    inputs: Sequence[str],
    *,
    text_column: str = "text",
    id_column: str | None = None,
    shard_documents: int | None = None,
    min_shards: int = MIN_SHARDS,
    staging: str | None = None,
    encoding: str = UTF_8,
    keep_columns: Sequence[str] = (),
) -> CorpusPlan:
    """Find the files of a corpus, check their columns and ids, and cut them into shards.

    An input is a file, a folder, a glob, or a dataset that is written once to Parquet in the folder `staging`, see
    `kdner.corpora.listing.find_files`. Files of lines that are not UTF-8 are read in `encoding`. Files are taken in
    the order of their paths, whatever the order of the inputs. Each shard holds `shard_documents` documents, the last
    one the rest; by default the documents that begin within equal parts of the text: of `SHARD_TEXT_BYTES`, or less
    where there would not be `min_shards`, but not less than `MIN_SHARD_TEXT_BYTES`. So no shard holds more text than
    its part and its longest document.

    Without `id_column`, a file's ids are its column ``id``, or made where it has none. Reads footers and id
    columns of Parquet, the text columns too of a corpus with no more than `MEASURED_TEXT_BYTES` in them, and all of
    every other file; keeps 9 bytes a document to find duplicate ids, and 8 bytes for each document that is not in
    larger Parquet. `keep_columns` are read beside the texts, see `kdner.corpora.kept_columns`.

    Raises:
        InputError: if nothing is found, a file cannot be read, a column is missing or has another type, or
            ids are missing or not unique.
    """
    if shard_documents is not None and shard_documents < 1:
        raise InputError(f"--shard-documents is {shard_documents}; give 1 or more")
    check_encoding(encoding)
    found, passed_over = find_files(inputs, text_column, id_column, staging, keep_columns)
    inspected = [
        inspect_parquet(file, text_column, id_column)
        if file.format == "parquet"
        else inspect_lines(file, text_column, id_column, encoding)
        for file in found
    ]
    if not any(file.rows for file, _ in inspected):
        raise InputError(f"no documents in {', '.join(inputs)}: all files there ({len(inspected)}) are empty")
    kept = kept_fields([file for file, _ in inspected if file.rows], keep_columns, text_column)
    check_ids([file for file, _ in inspected])
    parquet_bytes = sum(file.text_bytes for file, _ in inspected if file.format == "parquet")
    if parquet_bytes <= MEASURED_TEXT_BYTES:
        inspected = [
            measure_texts(file, text_column) if file.format == "parquet" else (file, marks) for file, marks in inspected
        ]
    files = tuple(file for file, _ in inspected)
    shard_text_bytes = None
    if shard_documents is None:
        shard_text_bytes = default_shard_text_bytes(sum(file.text_bytes for file in files), min_shards)
    return CorpusPlan(
        files=files,
        shards=_cut(inspected, shard_documents or shard_text_bytes or 1, by_documents=shard_documents is not None),
        text_column=text_column,
        id_column=id_column,
        shard_documents=shard_documents,
        shard_text_bytes=shard_text_bytes,
        encoding=encoding,
        kept=kept,
        passed_over=tuple(sorted(passed_over.items())),
    )


def default_shard_text_bytes(corpus_bytes: int, min_shards: int = MIN_SHARDS) -> int:
    """Give the bytes of text of each shard of a corpus, see `plan_corpus`."""
    shards = max(-(-corpus_bytes // SHARD_TEXT_BYTES), min(min_shards, corpus_bytes // MIN_SHARD_TEXT_BYTES), 1)
    return max(1, -(-corpus_bytes // shards))


def _cut(inspected: Sequence[tuple[SourceFile, Marks]], size: int, *, by_documents: bool) -> tuple[Shard, ...]:
    """Cut files at every so many documents, or bytes of text: a document belongs to the shard that it begins in."""
    shards: dict[int, list[Slice]] = {}
    done = 0
    for file, marks in inspected:
        measure = Marks((0, file.rows), (0, file.rows)) if by_documents else marks
        first = 0
        while first < file.rows:
            number = (done + measure.before(first)) // size
            last = measure.row_at((number + 1) * size - done)
            offset = marks.before(first) if file.is_entered_at_offsets else None
            text_bytes = marks.before(last) - marks.before(first)
            shards.setdefault(number, []).append(Slice(file, first, last - first, offset, text_bytes))
            first = last
        done += measure.before(file.rows)
    return tuple(Shard(index, tuple(slices)) for index, slices in enumerate(shards.values()))


def corpus_plan(
    flags: Corpus, out: str, *, min_shards: int = MIN_SHARDS, keep_columns: Sequence[str] = ()
) -> CorpusPlan:
    """Plan the corpus that flags name; datasets from a hub are first written to Parquet in a hidden folder of `out`."""
    return plan_corpus(
        flags.corpus,
        text_column=flags.text_column,
        id_column=flags.id_column,
        shard_documents=flags.shard_documents,
        min_shards=min_shards,
        staging=join(out, ".corpus"),
        encoding=flags.encoding,
        keep_columns=keep_columns,
    )


def read_shard(
    plan: CorpusPlan, shard: Shard, reader: SliceReader | None = None, replaced: Counter[str] | None = None
) -> pa.Table:
    """Read a shard's documents, in order, as a table of schema `kdner.runs.schema.CORPUS`, and the plan's kept columns.

    To `replaced` the number of characters that became U+FFFD is added, by the file's name. Whoever reads several shards
    in order saves time with one `SliceReader(plan.text_column, plan.kept)` for all of them.

    Raises:
        InputError: if a file has changed since the plan was made, or cannot be read.
    """
    reader = reader or SliceReader(plan.text_column, plan.kept)
    parts = []
    for piece in shard.slices:
        check_unchanged(piece.file)
        parts.append(reader.read(piece, replaced))
        check_unchanged(piece.file)  # also while it was read
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
