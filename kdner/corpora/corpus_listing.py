"""What one listing tells of a corpus: its files, their sizes and times of change, and how they are to be read and cut.

A plan follows from it alone, so that it is all that two runs need to know whether they are of the same corpus; nothing
is read for it.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

import pyarrow.compute as pc

from kdner.corpora.listing import find_files
from kdner.corpora.tables import FileTable
from kdner.data.encodings import UTF_8, check_encoding
from kdner.errors import InputError
from kdner.runs.storage import join, without_secrets

if TYPE_CHECKING:  # flags need tyro, which a machine that only scores need not have
    from kdner.flags import Corpus

Ids: TypeAlias = Literal["check", "trust"]
MIN_SHARDS = 64
"""Shards that a corpus gives by default, if each holds `MIN_SHARD_TEXT_BYTES`: work for as many actors."""
MAX_FILES_NAMED = 1_000
"""Files whose names, sizes and times of change stand in a manifest one by one."""
_ROWS_AT_ONCE = 8192

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class CorpusListing:
    """The files of a corpus as one listing shows them, and how they are to be read: a plan follows from it alone."""

    files: FileTable
    """Nothing is known of their content."""
    text_column: str
    id_column: str | None
    shard_documents: int | None
    """Documents of a shard, where they were asked for."""
    min_shards: int
    """Shards to make of a small corpus, where no number of documents was asked for."""
    encoding: str = UTF_8
    """Encoding of files that are not UTF-8."""
    keep_columns: tuple[str, ...] = ()
    """Columns to read beside the texts. They do not change the shards, and are no part of the fingerprint."""
    passed_over: tuple[tuple[str, int], ...] = ()
    """How many files of a folder or glob are no part of the corpus, by suffix or name."""
    ids: Ids = "check"
    """Whether missing and duplicate ids are looked for; no part of the fingerprint."""

    def fingerprint(self) -> dict[str, Any]:
        """Give what determines the plan, for a manifest, without the secrets that a URI may hold.

        Of more than `MAX_FILES_NAMED` files it has their number, bytes and a hash, which is the same wherever they lie.
        """
        if len(self.files) <= MAX_FILES_NAMED:
            return self._with({"files": {without_secrets(file.path): file.state for file in self.files}})
        return self._with({"listing": _digest(self.files, ["name", "size", "mtime_ns"])})

    def content_fingerprint(self, files: FileTable) -> dict[str, Any]:
        """Give what determines the plan and the documents, wherever the files lie and whenever they were written.

        Args:
            files: those of the listing, read. Where one has no digest, size and time of change stand for all.
        """
        if pc.any(files.table["digest"].is_null()).as_py():
            return self.fingerprint()
        if len(files) <= MAX_FILES_NAMED:
            return self._with({"files": {file.name: file.digest for file in files}})
        return self._with({"listing": _digest(files, ["name", "size", "digest"])})

    def _with(self, files: dict[str, Any]) -> dict[str, Any]:
        return {
            **files,
            "text_column": self.text_column,
            "id_column": self.id_column,
            **({} if self.encoding == UTF_8 else {"encoding": self.encoding}),
            **({"shard_documents": self.shard_documents} if self.shard_documents else {"min_shards": self.min_shards}),
        }


def list_corpus(
    inputs: Sequence[str],
    *,
    text_column: str = "text",
    id_column: str | None = None,
    shard_documents: int | None = None,
    min_shards: int = MIN_SHARDS,
    staging: str | None = None,
    encoding: str = UTF_8,
    keep_columns: Sequence[str] = (),
    ids: Ids = "check",
    out: str | None = None,
) -> CorpusListing:
    """Find the files of a corpus; nothing is read of them, but where a name tells no format.

    An input is a file, a folder, a glob, or a dataset that is written once to Parquet in the folder `staging`, see
    `kdner.corpora.listing.find_files`. Files of lines that are not UTF-8 are read in `encoding`. Files are taken in
    the order of their paths, whatever the order of the inputs. Without `id_column`, a file's ids are its column
    ``id``, or made where it has none; `ids` says whether a plan looks for missing and duplicate ones. `keep_columns`
    are read beside the texts, see `kdner.corpora.kept_columns`. What lies below `out`, where a run over the corpus
    writes, is no part of it.

    Raises:
        InputError: nothing is found, a format is unknown, or another that `kdner.corpora.listing.find_files` names.
    """
    if shard_documents is not None and shard_documents < 1:
        raise InputError(f"--shard-documents is {shard_documents}; give 1 or more")
    check_encoding(encoding)
    found, passed_over = find_files(inputs, text_column, id_column, staging, keep_columns, out)
    return CorpusListing(
        files=FileTable.of(found),
        text_column=text_column,
        id_column=id_column,
        shard_documents=shard_documents,
        min_shards=min_shards,
        encoding=encoding,
        keep_columns=tuple(keep_columns),
        passed_over=tuple(sorted(passed_over.items())),
        ids=ids,
    )


def corpus_listing(
    flags: Corpus, out: str, *, min_shards: int = MIN_SHARDS, keep_columns: Sequence[str] = ()
) -> CorpusListing:
    """List the corpus that flags name; datasets from a hub are first written to Parquet in a hidden folder of `out`."""
    if flags.ids == "trust":
        logger.warning("--ids trust: missing and duplicate ids are not looked for")
    return list_corpus(
        flags.corpus,
        text_column=flags.text_column,
        id_column=flags.id_column,
        shard_documents=flags.shard_documents,
        min_shards=min_shards,
        staging=join(out, ".corpus"),
        encoding=flags.encoding,
        keep_columns=keep_columns,
        ids=flags.ids,
        out=out,
    )


def _digest(files: FileTable, columns: list[str]) -> dict[str, Any]:
    digest = hashlib.sha256()
    for batch in files.table.select(columns).to_batches(_ROWS_AT_ONCE):
        rows = zip(*(column.to_pylist() for column in batch.columns), strict=True)
        lines = (f"{name}\0{size}\0{state}\n" for name, size, state in rows)
        digest.update("".join(lines).encode("utf-8", "backslashreplace"))
    size = pc.sum(files.table["size"]).as_py()
    return {"files": len(files), "bytes": size, "sha256": digest.hexdigest()}
