"""Corpus files: what is known of each, and how they are opened.

The suffix tells the format: ``.parquet``; ``.jsonl``, ``.ndjson`` and ``.json`` (a JSON object a line); ``.txt`` and
``.text`` (a text a line); each also with ``.gz``, ``.bz2``, ``.zst`` or ``.zstd`` after it. Whether a file is packed
is told by its first bytes.
"""

from __future__ import annotations

import io
import json
import posixpath
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any

import pyarrow as pa
import pyarrow.fs as pafs

from kdner.data.encodings import UTF_8
from kdner.data.text_files import UNREADABLE, clean, decode, decompressed, is_packed
from kdner.errors import InputError, StorageError
from kdner.runs.storage import locate

_FORMATS = {
    ".parquet": "parquet",
    ".jsonl": "json",
    ".ndjson": "json",
    ".json": "json",
    ".txt": "text",
    ".text": "text",
}
_PACKED = (".gz", ".bz2", ".zst", ".zstd")
SUFFIXES = f"{', '.join(_FORMATS)} (each also with {', '.join(_PACKED)})"
_BYTES_COPIED_AT_ONCE = 1 << 20
_BYTES_ASKED_FOR = 4 << 20
"""Bytes of a file elsewhere that are asked for at once: more than a shard's text as a rule. An object store takes as
long to answer as to send some MB, and has a price for each request."""
_BYTES_OF_FIRST_LINE = 1 << 24


@dataclass(frozen=True, slots=True)
class SourceFile:
    """One input file as it was when the plan was made."""

    path: str
    """Absolute local path, or URI."""
    name: str
    """Path relative to the deepest folder that holds all files of the plan; made ids begin with it."""
    format: str
    """``parquet``, ``json`` or ``text``."""
    size: int
    """Bytes."""
    mtime_ns: int | None
    """Time of the last change, nanoseconds since 1970."""
    encoding: str = UTF_8
    """Encoding of JSON or text."""
    is_entered_at_offsets: bool = False
    """Whether a row can be read from the byte on at which it begins: of lines of UTF-8, not packed."""
    rows: int = 0
    """Documents in the file; 0 until they are counted."""
    text_bytes: int = 0
    """Bytes of text before compression, as far as they are known: of the text column in Parquet, of whole lines
    as UTF-8 elsewhere; 0 until then, too."""
    id_column: str | None = None
    """Column that holds the ids; None where they are made."""
    digest: str | None = None
    """Of what was read of it, where all of it was: of lines as UTF-8, of the bytes of Parquet."""
    ids_digest: str | None = None
    """Of its ids in order, where they were read."""

    @property
    def state(self) -> dict[str, int | None]:
        """Size and time of change, as `kdner.runs.fingerprint.fingerprint_of_files` gives them."""
        return {"size": self.size, "mtime_ns": self.mtime_ns}

    def made_id(self, row: int) -> str:
        """Return the id of a row where no column gives one."""
        return f"{self.name}:{row}"


def format_of(path: str) -> str | None:
    """Give the format that a file's suffix tells, if any."""
    return _FORMATS.get(suffix_of(path))


def suffix_of(path: str) -> str:
    """Give the suffix that tells the format, in lower case, without that of the packer; perhaps none."""
    name = path.lower()
    packer = next(filter(name.endswith, _PACKED), "") if name.endswith(_PACKED) else ""
    return posixpath.splitext(name.removesuffix(packer))[1] or packer


def format_by_content(path: str) -> str | None:
    """Tell Parquet and lines of JSON by their first bytes; nothing tells that a file holds a text a line.

    Raises:
        InputError: if it cannot be read.
    """
    with opened(path) as stream:
        if stream.peek(4)[:4] == b"PAR1":
            return "parquet"
        first, _ = clean(decode(stream.readline(_BYTES_OF_FIRST_LINE)))
    try:
        return "json" if isinstance(json.loads(first), dict) else None
    except (ValueError, RecursionError):
        return None


@contextmanager
def opened(path: str, offset: int = 0) -> Iterator[io.BufferedReader]:
    """Open a file of lines for reading, unpacked; or from an offset on, where it is not packed.

    Raises:
        InputError: if it cannot be opened, or what goes wrong in the block is the file's fault.
    """
    with _opened(path) as raw:
        file: Any = raw if _is_local(path) else io.BufferedReader(raw, _BYTES_ASKED_FOR)
        if not offset:
            with decompressed(file) as stream:
                yield stream
        else:
            file.seek(offset)
            yield io.BufferedReader(file)


@contextmanager
def opened_parquet(path: str) -> Iterator[IO[bytes]]:
    """Open a Parquet file; one that is packed as a whole is first unpacked to disk.

    Raises:
        InputError: if it cannot be opened, or what goes wrong in the block is the file's fault.
    """
    with _opened(path) as raw, decompressed(raw) as stream:
        if not is_packed(stream):
            yield raw
            return
        with tempfile.TemporaryFile() as whole:
            shutil.copyfileobj(stream, whole, _BYTES_COPIED_AT_ONCE)
            whole.seek(0)
            yield whole


def whole_file(path: str) -> Iterator[bytes]:
    """Yield the bytes of a file as it lies there, some at once.

    Raises:
        InputError: if it cannot be read.
    """
    with _opened(path) as raw:
        while block := raw.read(_BYTES_ASKED_FOR):
            yield block


@contextmanager
def _opened(path: str) -> Iterator[Any]:
    """Open a file as it is; a small one that is not on this machine is read in one request."""
    filesystem, inner = locate(path)
    try:
        with filesystem.open_input_file(inner) as file:
            yield file if _is_local(path) or file.size() > _BYTES_ASKED_FOR else pa.BufferReader(file.read())
    except UNREADABLE as error:
        kind = StorageError if isinstance(error, OSError) else InputError
        raise kind(
            f"{path}: cannot be read ({error}); is it whole, and what its suffix says? Mend or remove it"
        ) from error


def _is_local(path: str) -> bool:
    return isinstance(locate(path)[0], pafs.LocalFileSystem)
