"""The lines of a labeled set's file: strictly decoded, since a character that is lost is a word or a label that is."""

from __future__ import annotations

import codecs
import io
from pathlib import Path

from kdner.data.encodings import UTF_8, check_encoding
from kdner.data.text_files import UNREADABLE, decompressed, read_lines, told_by_mark
from kdner.errors import InputError
from kdner.labeled.remarks import REPLACED, Remarks


def read_labeled_lines(path: Path, encoding: str, remarks: Remarks) -> list[tuple[int, str]]:
    """Read the lines of a file, numbered from 1, by the rule of `kdner.data.text_files`.

    Args:
        path: of the file.
        encoding: of a file that neither is UTF-8 nor begins with a byte order mark.
        remarks: of the set; takes what was replaced.

    Raises:
        InputError: the file cannot be read or is no text, or, naming file, line and byte, is not UTF-8 where no other
            encoding is given.
    """
    check_encoding(encoding)
    if path.is_dir():
        raise InputError(f"{path}: is a folder; expected a file. For a dataset saved in a folder give hf:{path}.")
    try:
        with path.open("rb") as file, decompressed(file) as stream:
            data = stream.read()
    except FileNotFoundError:
        raise InputError(f"{path}: no such file. Give the path of a labeled set, or hf:NAME for a dataset.") from None
    except UNREADABLE as error:
        raise InputError(f"{path}: cannot be read ({error}). Check the file and its permissions.") from None
    if codecs.lookup(encoding).name == UTF_8 and told_by_mark(_stream(data)) == UTF_8 and b"\0" not in data:
        _check_utf8(data, path)
    lines, replaced = read_lines(_stream(data), str(path), encoding)
    if replaced:
        remarks.add(REPLACED, str(path), times=replaced)
    return list(enumerate(lines, 1))


def _stream(data: bytes) -> io.BufferedReader:
    return io.BufferedReader(io.BytesIO(data))


def _check_utf8(data: bytes, path: Path) -> None:
    try:
        data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start].replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        around = data[max(0, error.start - 20) : error.start + 20].split()
        word = next((word for word in around if data[error.start : error.start + 1] in word), b"")
        as_latin = word.decode("cp1252", "replace")
        guess = f", such as --encoding cp1252, which reads {as_latin!r} here" if as_latin.isprintable() else ""
        raise InputError(
            f"{path}:{before.count(10) + 1}: byte {error.start} (0x{data[error.start]:02x}) is not UTF-8. Name the "
            f"file's encoding with --encoding{guess}; or convert the file to UTF-8."
        ) from None
