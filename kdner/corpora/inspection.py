"""Corpus files read once for the plan: documents, columns, marks, and the hashes of their ids."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from functools import partial

from kdner.corpora.corpus_listing import CorpusListing
from kdner.corpora.digests import digest_of
from kdner.corpora.files import SourceFile, whole_file
from kdner.corpora.id_buckets import IdBuckets
from kdner.corpora.ids import MapFiles
from kdner.corpora.inspected import Inspected
from kdner.corpora.lines import digest_of_lines, inspect_lines
from kdner.corpora.marks import Marks
from kdner.corpora.parquet import inspect_parquet, measure_texts
from kdner.corpora.tables import FileTable


def inspect_files(
    listing: CorpusListing, apart: int, buckets: IdBuckets | None, map_files: MapFiles
) -> tuple[FileTable, list[Marks]]:
    """Count the documents of all files, choose their columns, and mark how much lies before their rows.

    Args:
        listing: of the corpus.
        apart: bytes of text between two marks at least.
        buckets: gets the hashes of the ids that files give; None where ids are not to be read.
        map_files: inspects each file.

    Raises:
        InputError: if a file cannot be read, a column is missing or has another type, or an id is missing.
    """
    inspect = inspector(listing, apart, with_ids=buckets is not None)
    return _gathered(map_files(inspect, listing.files), buckets)


def inspector(listing: CorpusListing, apart: int, *, with_ids: bool) -> Callable[[SourceFile], Inspected]:
    """Return what inspects one file of a corpus; it raises what `inspect_files` raises."""
    return partial(
        _inspect,
        text_column=listing.text_column,
        id_column=listing.id_column,
        encoding=listing.encoding,
        apart=apart,
        with_ids=with_ids,
    )


def content_digest(file: SourceFile) -> str:
    """Return the digest of what is read of a file, as it is now.

    Raises:
        InputError: if it cannot be read.
    """
    return digest_of(whole_file(file.path)) if file.format == "parquet" else digest_of_lines(file)


def measure_files(
    files: FileTable, marks: Sequence[Marks], text_column: str, map_files: MapFiles
) -> tuple[FileTable, list[Marks]]:
    """Read the texts of Parquet, and mark the bytes of text before each row; other files are so marked already.

    Raises:
        InputError: if a file cannot be read.
    """
    return _gathered(map_files(partial(_measure, text_column=text_column), map(Inspected, files, marks)))


def _inspect(
    file: SourceFile, text_column: str, id_column: str | None, encoding: str, apart: int, *, with_ids: bool
) -> Inspected:
    if file.format == "parquet":
        inspected = inspect_parquet(file, text_column, id_column, with_ids=with_ids)
        digest = content_digest(file) if apart == 1 else None  # of a large corpus it would have to be read for it
    else:
        inspected = inspect_lines(file, text_column, id_column, encoding, with_ids=with_ids)
        digest = inspected.file.digest
    hashes = inspected.id_hashes
    ids_digest = None if hashes is None else digest_of([hashes.tobytes()])
    file = replace(inspected.file, digest=digest, ids_digest=ids_digest)
    return inspected._replace(file=file, marks=inspected.marks.thinned(apart))


def _measure(inspected: Inspected, text_column: str) -> Inspected:
    return measure_texts(inspected.file, text_column) if inspected.file.format == "parquet" else inspected


def _gathered(inspected: Iterable[Inspected], buckets: IdBuckets | None = None) -> tuple[FileTable, list[Marks]]:
    marks: list[Marks] = []

    def files() -> Iterator[SourceFile]:
        for number, one in enumerate(inspected):
            marks.append(one.marks)
            if buckets is not None and one.id_hashes is not None:
                buckets.add(number, one.id_hashes)
            yield one.file

    return FileTable.of(files()), marks
