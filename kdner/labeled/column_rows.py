"""The rows of a file of columns: its separator and the number of its columns are those of most of its rows."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from kdner.errors import InputError
from kdner.labels.tags import is_tag

_KEY_AND_VALUE = re.compile(r"# *[^ \t]+ +=( |$)")
"""A comment as CoNLL-U writes them: ``# text = ...``, with blanks, which are no part of a row's word."""
_NAMES = {"\t": "tabs", " ": "blanks"}
_OTHER_SEPARATORS = ",;|"


class ColumnRows:
    """The lines of a file, split into fields at tabs, or else at blanks, which may be repeated."""

    def __init__(self, path: Path, lines: Mapping[int, str], heads: Sequence[int]) -> None:
        """Judge a file.

        Args:
            path: of the file.
            lines: its lines that are not empty, by their number.
            heads: those that begin with ``#`` where a sentence begins; they may be comments, and have no say.

        Raises:
            InputError: most rows have one column.
        """
        self.path, self.lines = path, lines
        deciding = lines.keys() - set(heads) or lines.keys()
        tabs = sum("\t" in lines[number] for number in deciding)
        self.separator = "\t" if 0 < 2 * tabs >= len(deciding) else " "
        self._fields = {number: self._split(line) for number, line in lines.items()}
        counts = Counter(len(self._fields[number]) for number in deciding)
        self.columns = counts.most_common(1)[0][0] if counts else 2
        right = (number for number in lines if number in deciding and len(self._fields[number]) == self.columns)
        self.example = next(right, 0)
        """Line of a row that is as most are."""
        self._refuse_one_column()

    def is_comment(self, number: int, tag_column: int) -> bool:
        """Tell whether a line that begins with ``#``, where a sentence begins, is a comment and no row.

        `tag_column` is counted as in `kdner.flags.Layout`.
        """
        line, fields = self.lines[number], self._fields[number]
        if len(fields) != self.columns or ("\t" in line) != (self.separator == "\t"):
            return True
        tag = fields[tag_column - (tag_column > 0)] if abs(tag_column) <= self.columns else ""
        return _KEY_AND_VALUE.match(line) is not None or not is_tag(tag.strip())

    def fields(self, number: int) -> tuple[str, ...]:
        """Return the fields of a row; the first one is empty where a row of blanks begins with one and lacks a field.

        Raises:
            InputError: it has another separator, or another number of columns, than most.
        """
        line, fields = self.lines[number], self._fields[number]
        own = "\t" if "\t" in line else " "
        if own != self.separator and own in line.strip(" "):
            raise InputError(
                f"{self.path}:{number}: {line!r} is separated by {_NAMES[own]}, but most rows by "
                f"{_NAMES[self.separator]}, such as line {self.example}. Separate all rows alike."
            )
        if len(fields) == self.columns - 1 and self.separator == " " and line.startswith(" "):
            return ("", *fields)
        if len(fields) != self.columns:
            count = f"{len(fields)} column{'s' if len(fields) > 1 else ''}"
            raise InputError(
                f"{self.path}:{number}: {line!r} has {count} where the others have {self.columns}, such as line "
                f"{self.example}{'' if fields[-1] else ' (its last one is empty)'}. Correct the row; a sentence ends "
                "with an empty line."
            )
        return fields

    def _split(self, line: str) -> tuple[str, ...]:  # a tuple of texts, unlike a list, costs no garbage collection
        if self.separator == "\t":
            return tuple(field.strip(" ") for field in line.split("\t")) if " " in line else tuple(line.split("\t"))
        return tuple(filter(None, line.split(" ")))

    def _refuse_one_column(self) -> None:
        rightly = sum(is_tag(fields[-1]) for fields in self._fields.values() if len(fields) > 1)
        for mark in _OTHER_SEPARATORS if 2 * rightly <= len(self.lines) else ():
            tags = sum(is_tag(line.rpartition(mark)[2].strip()) for line in self.lines.values() if mark in line)
            if 2 * tags > len(self.lines):
                raise InputError(
                    f"{self.path}:{self.example}: columns are separated by {mark!r}; expected tabs or blanks. "
                    "Write the file with tabs."
                )
        if self.columns < 2:
            raise InputError(
                f"{self.path}:{self.example}: {self.lines[self.example]!r} has too few columns: expected a token and a "
                "tag, separated by blanks or tabs. Complete the rows; a sentence ends with an empty line."
            )
