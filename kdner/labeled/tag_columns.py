"""Which columns of a file hold tokens and tags, and the signs that others do."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path

from kdner.errors import InputError
from kdner.flags import Layout
from kdner.labels.tags import is_tag

_INDEX = re.compile(r"\d+(?:[-.]\d+)?")
"""What counts words: ``3``; in CoNLL-U also ``1-2`` for a word in two parts, and ``3.1`` for an empty node."""


class Columns:
    """The columns of a file, from 0."""

    def __init__(self, path: Path, rows: Mapping[int, Sequence[str]], layout: Layout) -> None:
        """Choose the columns of token and tag as `layout` says.

        Args:
            path: of the file.
            rows: the fields of each row, equally many, by its line.
            layout: names the columns.

        Raises:
            InputError: there is no such column, or it is one and the same.
        """
        self.path, self.lines, self.layout = path, list(rows), layout
        self.values = list(zip(*rows.values(), strict=True))
        self.count = len(self.values) or 2
        self.token = self._place(layout.token_column, "--token-column")
        self.tag = self._place(layout.tag_column, "--tag-column")
        if self.token == self.tag:
            raise InputError(
                f"{path}: --token-column {layout.token_column} and --tag-column {layout.tag_column} are one column of "
                f"{self.count}. Name another."
            )
        index = self.values[0] if len(rows) > 1 and self.count > 2 else [""]
        self.has_index = all(map(_INDEX.fullmatch, index))

    def is_part(self, row: Sequence[str]) -> bool:
        """Tell whether a row stands for several words or for none, beside rows that are counted."""
        return self.has_index and not row[0].isdigit()

    def check(self) -> None:
        """Look for signs that token and tag are in other columns than these.

        Raises:
            InputError: the first column counts the words, the column of tags holds none while another does, or another
                one holds tags of the same types.
        """
        tags = [tag.strip() for tag in self.values[self.tag]] if self.values else []
        if self.has_index and self.token == 0:
            words = next((i for i in range(1, self.count) if i not in self._tagged), 1)
            raise InputError(
                f"{self.path}:{self.lines[0]}: the first column counts the words, and holds no tokens. Name the "
                f"columns: --token-column {words + 1} and {_flag(self._tagged)}."
            )
        others = [i for i in self._tagged if i != self.tag]
        known = {tag for tag in set(tags) if is_tag(tag)}
        wrong = [number for number, tag in zip(self.lines, tags, strict=True) if tag not in known]
        if others and 2 * len(wrong) > len(tags):
            value = tags[self.lines.index(wrong[0])]
            raise InputError(
                f"{self.path}:{wrong[0]}: {value!r} in column {self.tag + 1} is no tag. Name the column of the tags: "
                f"{_flag(others)}."
            )
        if others and set(tags) == {"O"}:
            raise InputError(
                f"{self.path}: column {self.tag + 1} holds O everywhere, and no entity. Name the column of the tags: "
                f"{_flag(others)}."
            )
        rivals = [
            i
            for i in others
            if _types(self.values[i]) & _types(tags) and [tag.strip() for tag in self.values[i]] != tags
        ]
        if rivals and self.layout.tag_column == -1:
            shared = ", ".join(sorted(_types(self.values[rivals[0]]) & _types(tags)))
            raise InputError(
                f"{self.path}: several columns hold tags of {shared}, as where entities are nested, or predictions "
                f"stand beside gold labels. Name the column of the tags: {_flag([*rivals, self.tag])}."
            )

    @cached_property
    def _tagged(self) -> list[int]:
        """Columns that hold tags only, and an entity."""
        found = [{value.strip() for value in set(column)} for column in self.values]
        return [i for i, tags in enumerate(found) if all(map(is_tag, tags)) and tags != {"O"}]

    def _place(self, number: int, flag: str) -> int:
        if not 1 <= abs(number) <= self.count:
            raise InputError(f"{flag} {number}: {self.path} has {self.count} columns. Name one of these.")
        return number - 1 if number > 0 else self.count + number


def _types(tags: Sequence[str]) -> set[str]:
    return {tag.strip()[2:] for tag in set(tags)} - {""}


def _flag(columns: Sequence[int]) -> str:
    """Return the flag that names the column of the tags, with these as its possible values."""
    return f"--tag-column {' or '.join(str(i + 1) for i in sorted(columns)) or 'N'}"
