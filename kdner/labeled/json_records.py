"""Files of JSON records: an object a line, or an array of objects, or objects over several lines each."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from kdner.data.text_files import clean
from kdner.errors import InputError
from kdner.labeled.remarks import REPLACED, Remarks

Record = tuple[str, str, object]
"""A record's place for messages, its id in the set, and what it holds."""
SUFFIXES = (".jsonl", ".ndjson", ".json")
_PACKED = re.compile(r"\.(gz|bz2|zst|zstd)$")
_BEGINNING = re.compile(r'\s*(\{\s*("[^"]*"\s*:|$)|\[\s*(\{|\["|$))')
"""What no row of columns begins with."""
_BLANKS = re.compile(r"[ \t\n\r]*")


def is_json(path: Path, lines: Sequence[tuple[int, str]]) -> bool:
    """Tell by its suffix or by its first line whether a file holds JSON records."""
    first = next((line for _, line in lines if line.strip()), "")
    return _PACKED.sub("", path.name).endswith(SUFFIXES) or _BEGINNING.match(first) is not None


def read_json(path: Path, lines: Sequence[tuple[int, str]], remarks: Remarks) -> Iterator[Record]:
    """Read the records of a file, in its order; the elements of an array are records.

    Raises:
        InputError: naming file and line, where it is not JSON.
    """
    filled = [(number, line) for number, line in lines if line.strip()]
    if len(filled) > 1 and _is_whole(filled[0][1]):
        records = _of_lines(path, filled)
    else:
        records = _of_text(path, "\n".join(line for _, line in lines))
    for where, id_, record in records:
        replaced: list[int] = []
        yield where, id_, _cleaned(record, replaced)
        if any(replaced):
            remarks.add(REPLACED, where, times=sum(replaced))


def _of_lines(path: Path, lines: Sequence[tuple[int, str]]) -> Iterator[Record]:
    for number, line in lines:
        try:
            yield f"{path}:{number}", f"{path.name}:{number}", json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{path}:{number}: not JSON ({error}). Write one JSON object a line.") from None


def _is_whole(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _of_text(path: Path, text: str) -> Iterator[Record]:
    """Give the elements of one array, or values one after the other, whatever lines they are on.

    An array that begins with a text is no array of records, but one of spaCy 2: ``[text, {"entities": [...]}]``.
    """
    decoder = json.JSONDecoder()
    position, line, count = _after_blanks(text, 0), 1, 0
    is_array = text.startswith("[", position) and not text.startswith('"', _after_blanks(text, position + 1))
    seen, position = 0, _after_blanks(text, position + 1) if is_array else position
    while position < len(text) and not (is_array and text[position] == "]"):
        line, seen, count = line + text.count("\n", seen, position), position, count + 1
        try:
            value, position = decoder.raw_decode(text, position)
        except (ValueError, RecursionError) as error:
            place = f"{path}:{getattr(error, 'lineno', line)}"
            raise InputError(f"{place}: not JSON ({error}). Write one JSON object a line, or one array.") from None
        yield f"{path}:{line}{f' (element {count})' if is_array else ''}", f"{path.name}:{count}", value
        position = _after_blanks(text, position)
        if is_array and text.startswith(",", position):
            position = _after_blanks(text, position + 1)
    if is_array and text[position:].strip() != "]":
        what = "something follows its array" if position < len(text) else "its array has no end"
        raise InputError(f"{path}:{text.count(chr(10), 0, position) + 1}: not JSON ({what}). Is the file whole?")


def _after_blanks(text: str, position: int) -> int:
    match = _BLANKS.match(text, position)
    return match.end() if match else position


def _cleaned(value: Any, replaced: list[int]) -> Any:
    """Replace, in all texts of a value, what JSON can escape and is no text; the numbers of these go to `replaced`."""
    if isinstance(value, str):
        text, count = clean(value)
        replaced.append(count)
        return text
    if isinstance(value, list):
        return [_cleaned(item, replaced) for item in value]
    if isinstance(value, dict):
        return {key: _cleaned(item, replaced) for key, item in value.items()}
    return value
