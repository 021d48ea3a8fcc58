"""Corpus files: finding them by path, folder, glob or dataset name, and opening them.

The suffix tells the format: ``.parquet``; ``.jsonl``, ``.ndjson`` and ``.json`` (a JSON object a line);
``.txt`` and ``.text`` (a text a line); each also with ``.gz`` after it.
"""

from __future__ import annotations

import gzip
import io
import itertools
import posixpath
import shutil
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path
from typing import IO
from urllib.parse import quote

import pyarrow as pa
import pyarrow.fs as pafs

from kdner.data import hub_datasets
from kdner.errors import InputError
from kdner.runs.storage import locate, without_secrets

_FORMATS = {
    ".parquet": "parquet",
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
    ".txt": "text",
    ".text": "text",
}
_SUFFIXES = ", ".join(_FORMATS) + " (each also with .gz)"
_BYTES_READ_AT_ONCE = 1 << 20


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
    rows: int = 0
    """Documents in the file; 0 until `kdner.data.corpus_rows.inspect` has counted them."""
    text_bytes: int = 0
    """Bytes of text before compression, as far as they are known: of the text column in Parquet, of whole lines
    elsewhere; 0 until then, too."""
    id_column: str | None = None
    """Column that holds the ids; None where they are made."""

    @property
    def state(self) -> dict[str, int | None]:
        """Size and time of change, as `kdner.runs.fingerprint.fingerprint_of_files` gives them."""
        return {"size": self.size, "mtime_ns": self.mtime_ns}

    @property
    def format(self) -> str | None:
        """``parquet``, ``json`` or ``text``, by the suffix."""
        return _format(self.name)

    @property
    def is_gzipped(self) -> bool:
        """Tell whether the suffix says gzip."""
        return self.name.lower().endswith(".gz")

    @property
    def is_entered_at_offsets(self) -> bool:
        """Tell whether a row can be read from the byte on at which it begins."""
        return self.format != "parquet" and not self.is_gzipped


def find_files(inputs: Sequence[str], text_column: str, id_column: str | None, staging: str | None) -> list[SourceFile]:
    """Find the files of a corpus, in the order of their paths, each once.

    An input is a file, a folder (with its subfolders: known suffixes only, no names that begin with ``.`` or
    ``_``), a glob (``*``, ``?``, ``[]`` within a name, ``**`` for any folders; in a URI ``?`` begins the
    query), or a dataset for `kdner.data.hub_datasets.as_parquet`, whose two columns go to the folder `staging`.

    Raises:
        InputError: if an input stands for no file, has an unknown format, or cannot be listed or loaded.
    """
    infos: dict[str, pafs.FileInfo] = {}
    for source in inputs:
        is_dataset = source.startswith("hf:")
        path = hub_datasets.as_parquet(source, staging, text_column, id_column) if is_dataset else source
        try:
            matches = dict(_expand(path))
        except OSError as error:
            raise InputError(f"{source}: cannot be listed ({error}); check the path and its permissions") from error
        if not matches:
            raise InputError(f"{source}: no corpus file here; give files, folders or globs of {_SUFFIXES}")
        infos.update(matches)
    if not infos:
        raise InputError("no corpus is given; name at least one file, folder or glob")
    parts = {path: without_secrets(path).split("/") for path in sorted(infos)}
    common = _common([folders for *folders, _ in parts.values()])
    return [SourceFile(path, "/".join(parts[path][common:]), infos[path].size, infos[path].mtime_ns) for path in parts]


@contextmanager
def opened(file: SourceFile) -> Iterator[IO[bytes]]:
    """Open a file for reading, gunzipped.

    Raises:
        InputError: if it cannot be opened, or what goes wrong in the block is the file's fault.
    """
    filesystem, inner = locate(file.path)
    try:
        with filesystem.open_input_file(inner) as raw:
            if not file.is_gzipped:
                yield raw if file.format == "parquet" else io.BufferedReader(raw, _BYTES_READ_AT_ONCE)
            elif file.format == "parquet":
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


def _match(filesystem: pafs.FileSystem, info: pafs.FileInfo, patterns: Sequence[str]) -> Iterator[pafs.FileInfo]:
    """Give what lies below a path and fits the patterns, one for each level."""
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


def _format(path: str) -> str | None:
    return _FORMATS.get(posixpath.splitext(path.lower().removesuffix(".gz"))[1])


def _common(folders: Sequence[list[str]]) -> int:
    """Count the parts that all paths begin with."""
    pairs = zip(min(folders), max(folders), strict=False)
    return len(list(itertools.takewhile(lambda pair: pair[0] == pair[1], pairs)))
