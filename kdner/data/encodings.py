"""Encodings: what a file's bytes tell of its own, and the names that ``--encoding`` may give."""

from __future__ import annotations

import codecs
import re
from dataclasses import dataclass

from kdner.errors import InputError

UTF_8 = "utf-8"

_UNDECODED = re.compile("[\udc80-\udcff]")
_TELLING = re.compile("\udced[\udca0-\udcbf][\udc80-\udcbf]|([\udc80-\udcfd])")
"""Undecoded bytes that other encodings are full of: not halves of surrogate pairs, nor 0xFE and 0xFF, which are rare
in text."""
_CONTROLS = bytes({*range(32)} - {*b"\t\n\v\f\r\x1b"})
_KINDS = (
    (b"PAR1", "Parquet"),
    (b"ARROW1", "an Arrow file"),
    (b"ORC", "ORC"),
    (b"Obj\x01", "Avro"),
    (b"PK\x03\x04", "a zip archive"),
    (b"\x1f\x8b", "gzip within gzip, bzip2 or zstd"),
    (b"BZh", "bzip2 within gzip or zstd"),
    (b"\x28\xb5\x2f\xfd", "zstd within gzip or bzip2"),
    (b"\xfd7zXZ", "xz"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"7z\xbc\xaf", "a 7z archive"),
    (b"Rar!", "a rar archive"),
    (b"%PDF", "PDF"),
    (b"\x89PNG", "an image"),
    (b"\xff\xd8\xff", "an image"),
    (b"GIF8", "an image"),
    (b"\xd0\xcf\x11\xe0", "an Office document"),
    (b"SQLite", "an SQLite database"),
)
_HEAD_BYTES = 1024
_WIDE = ("utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be")
_ONE_IN_REFUSED = 500
"""Where more than one byte in so many does not decode, the file has another encoding; where fewer, it is damaged."""


def check_encoding(encoding: str) -> None:
    """Check the value of ``--encoding``.

    Raises:
        InputError: it is no encoding of text, or one that cannot be told from UTF-8.
    """
    try:
        is_7_bit = max("é—日".encode(encoding, "ignore"), default=255) < 128
    except (LookupError, UnicodeError):
        raise InputError(
            f"--encoding {encoding}: no encoding of text has this name; give one that Python knows, such as cp1252, "
            "latin-1, cp1251, gb18030, shift_jis or utf-16-le"
        ) from None
    if is_7_bit:
        raise InputError(f"--encoding {encoding}: its files cannot be told from UTF-8; convert them to UTF-8")


@dataclass
class Evidence:
    """What a file's bytes tell of its encoding; a file may be added block by block."""

    where: str
    """Begins the messages: the file's path."""
    size: int = 0
    controls: int = 0
    """Control characters that no text has, in blocks with NUL or with bytes that are not UTF-8."""
    undecoded: int = 0
    """Bytes that are not UTF-8."""
    telling: int = 0
    """Those of them that texts in other encodings are full of."""
    multibyte: int = 0
    """Bytes beyond the first one of each character that is UTF-8."""
    head: bytes = b""
    example: bytes = b""
    """Bytes around the first one that is not UTF-8."""

    def add(self, block: bytes) -> None:
        """Look at more lines, with their ends, as UTF-8.

        Raises:
            InputError: they are mostly not text.
        """
        self.size += len(block)
        self.head = self.head or block[:_HEAD_BYTES]
        undecoded = 0
        if not block.isascii():
            text = block.decode(errors="surrogateescape")
            self.multibyte += len(block) - len(text)
            undecoded = len(_UNDECODED.findall(text)) if _UNDECODED.search(text) else 0
            if undecoded:
                self.undecoded += undecoded
                self.telling += sum(map(bool, _TELLING.findall(text)))
                self.example = self.example or _around_first_undecoded(block)
        if undecoded or b"\0" in block:
            self.controls += len(block) - len(block.translate(None, _CONTROLS))

    @property
    def is_utf_8(self) -> bool:
        """Whether it is text in UTF-8, perhaps with some damage."""
        is_other = self.telling > self.multibyte and self.telling * _ONE_IN_REFUSED > self.size
        return not is_other and not self._is_binary()

    def encoding(self, read_as: str, given: str) -> str:
        """Return the encoding to read the file in; where that is not `read_as`, it must be read again.

        Args:
            read_as: the encoding in which the lines were read.
            given: the value of ``--encoding``.

        Raises:
            InputError: the file is no text, or of another encoding.
        """
        is_given = read_as == UTF_8 and codecs.lookup(given).name != UTF_8
        if self._is_binary():
            if is_given and "a".encode(given) != b"a":  # UTF-16 and UTF-32 are full of NUL
                return self._unmarked(given)
            raise InputError(f"{self.where}: is not text, but seems to be {self._kind()}")
        if is_given and self.undecoded > self.multibyte:
            return self._unmarked(given)
        if read_as != UTF_8 and self.undecoded * 100 > self.size:
            raise InputError(
                f"{self.where}: {self.undecoded:,} characters of {self.size:,} bytes cannot be read as {read_as}; name "
                "the right encoding with --encoding, or convert the file to UTF-8"
            )
        if read_as == UTF_8 and not self.is_utf_8:
            raise InputError(
                f"{self.where}: is not UTF-8: {self.undecoded:,} of its {self.size:,} bytes do not decode, first in "
                f"{self.example!r}, which is {self.example.decode('latin-1')!r} in latin-1. Name its encoding, as in "
                "--encoding latin-1, or convert it to UTF-8"
            )
        return read_as

    def _unmarked(self, given: str) -> str:
        """Return the value of ``--encoding`` for a file without a byte order mark.

        Raises:
            InputError: it asks for a mark.
        """
        name = codecs.lookup(given).name
        if name in ("utf-16", "utf-32"):
            raise InputError(
                f"{self.where}: has no byte order mark, and --encoding {given} does not say in which order its bytes "
                f"are; give --encoding {name}-le or {name}-be"
            )
        return given

    def _is_binary(self) -> bool:
        is_known = any(self.head.startswith(magic) for magic, _ in _KINDS) or self.head[257:262] == b"ustar"
        if is_known and (self.controls or self.undecoded):
            return True
        return self.controls * 4 > self.size or (self.controls * 20 > self.size and self.undecoded * 10 > self.size)

    def _kind(self) -> str:
        """Say what the file seems to be, and what to do about it."""
        if self.head[257:262] == b"ustar":
            return "a tar archive; unpack it"
        for magic, kind in _KINDS:
            if self.head.startswith(magic):
                return f"{kind}; give it its own suffix, convert or unpack it, or leave it out"
        for encoding in _WIDE:
            try:
                text = codecs.getincrementaldecoder(encoding)().decode(self.head)
            except UnicodeDecodeError:
                continue
            if "".join(text.split()).isprintable():
                return f"{encoding} without a byte order mark; name it with --encoding {encoding}"
        return "binary data; leave it out, or convert it to text"


def _around_first_undecoded(block: bytes) -> bytes:
    try:
        block.decode()
    except UnicodeDecodeError as error:
        return block[max(0, error.start - 20) : error.start + 20]
    return b""
