"""`kdner tag`: the entities of texts, at once."""

from __future__ import annotations

import argparse
import io
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from io import TextIOWrapper

from kdner.data.encodings import UTF_8, check_encoding
from kdner.data.text_files import LONGEST_MARK, clean, decode, line_blocks, told_by_mark
from kdner.errors import InputError
from kdner.student.saved import GENERAL
from kdner.student.tagger import Tagger
from kdner.text.marked import marked

_REPLACED = (
    "warning: what is no text became U+FFFD (bytes that do not decode, halves of surrogate pairs, NUL); where the "
    "input is not UTF-8, name its encoding with --encoding\n"
)


def tag(arguments: Sequence[str]) -> None:
    """Do `kdner tag`: print each text with its entities.

    Raises:
        InputError: there is no such student, or no such encoding; or - stands beside texts.
    """
    flags = argparse.ArgumentParser(
        "kdner tag", description="Tag texts: those given, else each line of standard input."
    )
    flags.add_argument(
        "texts", nargs="*", metavar="TEXT", help="a text to tag; by default, or for -, each line of standard input"
    )
    flags.add_argument(
        "--student",
        default=GENERAL,
        help="student: a directory, as distill_student writes it, a URI, or OWNER/MODEL of the Hugging Face hub; by "
        f"default {GENERAL}, which finds persons, places, organizations and other names in English",
    )
    flags.add_argument(
        "--encoding",
        default=UTF_8,
        help="encoding of standard input, such as cp1252, where it is not UTF-8 and has no byte order mark",
    )
    flags.add_argument("--json", action="store_true", help="print a JSON object a text, with its entities and scores")
    flags.add_argument(
        "--color", choices=("auto", "always", "never"), default="auto", help="colours; by default on a terminal only"
    )
    given = flags.parse_args(arguments)
    if "-" in given.texts[1:] or (given.texts[:1] == ["-"] and given.texts[1:]):
        raise InputError("-: stands for standard input, and alone; give texts or -")
    check_encoding(given.encoding)
    tagger = Tagger.from_pretrained(given.student)
    colored = given.color == "always" or (given.color == "auto" and sys.stdout.isatty())
    ascii_only = not (sys.stdout.encoding or "").lower().startswith("utf")
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    replaced = 0
    for texts in _lines_that_are_there(given.encoding) if given.texts in ([], ["-"]) else [given.texts]:
        cleaned = [clean(text) for text in texts]
        texts = [text for text, _ in cleaned]
        if not replaced and (replaced := sum(count for _, count in cleaned)):
            sys.stderr.write(_REPLACED)
        for text, entities in zip(texts, tagger.tag(texts), strict=True):
            if given.json:
                row = {"text": text, "entities": [asdict(entity) for entity in entities]}
                shown = json.dumps(row, ensure_ascii=ascii_only)
            else:
                shown = marked(text, ((e.start, e.end, e.label) for e in entities), colored=colored)
            sys.stdout.write(f"{shown}\n")
        sys.stdout.flush()


def _lines_that_are_there(encoding: str) -> Iterator[list[str]]:
    """Yield the lines of standard input that are there, and then later ones: many of a file, each of a slow pipe.

    A byte order mark at the beginning tells the encoding, whatever was asked for, and lines that are UTF-8 are read so.
    """
    if sys.stdin is None:
        return
    with _Input(sys.stdin.fileno(), "rb", closefd=False) as stream:
        marked_as = told_by_mark(io.BufferedReader(io.BytesIO(stream.begin())))
        if marked_as != UTF_8 or "\n".encode(encoding) != b"\n":
            encoding, read_as = UTF_8, marked_as if marked_as != UTF_8 else encoding
        else:
            read_as = UTF_8
        for block in line_blocks(stream, read_as):
            yield [decode(_as_utf8(line, encoding)) for line in block.splitlines(keepends=True)]


def _as_utf8(line: bytes, encoding: str) -> bytes:
    """Return a line that is no UTF-8 from its encoding; in UTF-8 it stays as it is."""
    try:
        line.decode()
    except UnicodeDecodeError:
        return line if encoding == UTF_8 else line.decode(encoding, "replace").encode()
    return line


class _Input(io.FileIO):
    """A file whose beginning is looked at before it is read."""

    _begun = b""

    def begin(self) -> bytes:
        """Return at least the bytes of a byte order mark, if there are so many."""
        while len(self._begun) < LONGEST_MARK and (more := super().read(1 << 20)):
            self._begun += more
        return self._begun

    def read(self, size: int | None = -1, /) -> bytes:
        begun, self._begun = self._begun, b""
        return begun or super().read(size) or b""
