r"""Text files, read by one rule for labeled sets and corpora: packed or not, of any encoding, with any line ends.

- gzip, bzip2 and zstd are told by their first bytes, whatever the suffix; several parts may follow one another.
- The encoding is what the file's byte order mark says; else UTF-8; else what ``--encoding`` says. A file that is
  neither is refused. Byte order marks at the beginning of any line go: files are joined with ``cat``.
- A line ends with ``\n``, ``\r\n`` or ``\r``.
- What no text holds becomes U+FFFD, one for one, and is counted: bytes that do not decode, halves of surrogate pairs,
  and NUL. Where that is much of a file, the file is refused.
"""

from __future__ import annotations

import codecs
import gzip
import io
import logging
import re
import zlib
from collections.abc import Iterator, Mapping
from typing import IO, Any

import pyarrow as pa

from kdner.data.encodings import UTF_8, Evidence, check_encoding
from kdner.text.documents import NO_TEXT_CHARACTER

logger = logging.getLogger(__name__)

UNREADABLE = (OSError, EOFError, zlib.error, pa.ArrowException)
"""What reading from `decompressed` raises where a file cannot be read, is cut off or broken."""

_BYTES_READ_AT_ONCE = 1 << 20
_FILES_NAMED = 10
_MARKS = ((b"\xff\xfe\0\0", "utf-32"), (b"\0\0\xfe\xff", "utf-32"), (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16"))
LONGEST_MARK = 4
"""Bytes of the longest byte order mark."""
_BZIP2 = re.compile(rb"BZh[1-9](1AY&SY|\x17rE8P\x90)")
_ZSTD = re.compile(rb"\x28\xb5\x2f\xfd|[\x50-\x5f]\x2a\x4d\x18")


def decompressed(raw: IO[bytes]) -> io.BufferedReader:
    """Read a file, from its beginning, through the decompressor that its first bytes ask for, if any.

    Reading raises one of `UNREADABLE` where the file is cut off or broken; it never ends early without.
    """
    if not raw.seekable():  # a pipe
        raw = io.BytesIO(raw.read())
    magic = raw.read(10)
    raw.seek(0)
    plain: Any = raw
    if magic.startswith(b"\x1f\x8b\x08"):
        plain = gzip.GzipFile(fileobj=raw)
    elif _BZIP2.match(magic):
        plain = pa.CompressedInputStream(raw, "bz2")
    elif _ZSTD.match(magic):
        plain = pa.CompressedInputStream(raw, "zstd")
    return io.BufferedReader(plain, _BYTES_READ_AT_ONCE)


def is_packed(stream: io.BufferedReader) -> bool:
    """Tell whether `decompressed` found a packed file, which cannot be entered at an offset."""
    return isinstance(stream.raw, (gzip.GzipFile, pa.CompressedInputStream))


def told_by_mark(stream: io.BufferedReader) -> str:
    """Give the encoding that a byte order mark at the beginning of a stream tells, UTF-8 where there is none."""
    head = stream.peek(LONGEST_MARK)
    return next((encoding for mark, encoding in _MARKS if head.startswith(mark)), UTF_8)


def read_lines(stream: io.BufferedReader, where: str, encoding: str) -> tuple[list[str], int]:
    """Read a whole file; returns its lines, without their ends, and how many characters were replaced.

    Raises:
        InputError: the file is no text, or of another encoding; the message begins with `where`.
    """
    check_encoding(encoding)
    data = stream.read()
    read_as = told_by_mark(io.BufferedReader(io.BytesIO(data)))
    while True:
        utf8 = b"".join(line_blocks(io.BytesIO(data), read_as))
        evidence = Evidence(where)
        evidence.add(utf8)
        right = evidence.encoding(read_as, encoding)
        if right == read_as:
            break
        read_as = right
    cleaned = [clean(decode(line)) for line in utf8.splitlines(keepends=True)]
    return [text for text, _ in cleaned], sum(replaced for _, replaced in cleaned)


def line_blocks(stream: IO[bytes], encoding: str = UTF_8) -> Iterator[bytes]:
    """Yield a stream's lines as UTF-8, with their ends, some at once: ``block.splitlines(keepends=True)`` parts them.

    In another encoding than UTF-8, what does not decode becomes the byte 0xFF, which is not UTF-8.
    """
    rest: list[bytes] = []
    for block in _blocks(stream) if encoding == UTF_8 else _as_utf8(stream, encoding):
        end = max(block.rfind(b"\n"), block.rfind(b"\r", 0, -1)) + 1
        if end or (rest and rest[-1].endswith(b"\r")):  # what follows a \r tells whether it ends its line
            yield b"".join([*rest, block[:end]])
            rest.clear()
        if end < len(block):
            rest.append(block[end:])
    if rest:
        yield b"".join(rest)


def decode(line: bytes) -> str:
    """Return a line of UTF-8 without mark and line end; a byte that does not decode is half of a surrogate pair."""
    line = line.removesuffix(b"\n").removesuffix(b"\r")
    while line.startswith(codecs.BOM_UTF8):
        line = line[len(codecs.BOM_UTF8) :]
    return line.decode(errors="surrogateescape")


def clean(text: str) -> tuple[str, int]:
    """Replace what no text holds, as `decode` and JSON give it; returns the text and how many characters there were."""
    return NO_TEXT_CHARACTER.subn("\ufffd", text)


def warn_of_replaced(replaced: Mapping[str, int]) -> None:
    """Log how many characters were replaced, by the files' names, in the worst of them."""
    worst = sorted(replaced.items(), key=lambda item: (-item[1], item[0]))
    for name, count in worst[:_FILES_NAMED]:
        logger.warning(
            "%s: characters replaced by U+FFFD: %s (bytes that do not decode, halves of surrogate pairs, NUL); name "
            "the encoding of a file of lines with --encoding, and decode texts of Parquet where the file is made",
            name,
            f"{count:,}",
        )
    if len(worst) > _FILES_NAMED:
        logger.warning("characters were replaced in %s more files", f"{len(worst) - _FILES_NAMED:,}")


def _blocks(stream: IO[bytes]) -> Iterator[bytes]:
    while block := stream.read(_BYTES_READ_AT_ONCE):
        yield block


def _as_utf8(stream: IO[bytes], encoding: str) -> Iterator[bytes]:
    codecs.register_error("kdner.undecoded", lambda error: ("\udcff", error.end))  # type: ignore[attr-defined]
    decoder = codecs.getincrementaldecoder(encoding)("kdner.undecoded")
    for block in _blocks(stream):
        if text := decoder.decode(block):
            yield text.encode(errors="surrogateescape")
    if text := decoder.decode(b"", final=True):
        yield text.encode(errors="surrogateescape")
