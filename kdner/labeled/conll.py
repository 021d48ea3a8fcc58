"""Labeled sets of CoNLL columns: a word a line, an empty line after each sentence.

A file is judged as a whole before anything is read from it: its separator is that of most rows, and so is the number of
its columns; a row that differs is an error. Then the columns of token and tag are chosen, and the others looked at for
signs that they should have been.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path

from kdner.errors import InputError
from kdner.flags import Layout
from kdner.labeled.column_rows import ColumnRows
from kdner.labeled.remarks import Remarks
from kdner.labeled.sentence import LabeledSentence, is_empty_token
from kdner.labeled.tag_columns import Columns
from kdner.labels.names import TypeNames
from kdner.labels.tags import is_tag

_OTHER_FORMATS = {
    r"#FORMAT=WebAnno": "WebAnno TSV, as INCEpTION writes it; export the documents as CoNLL 2002 instead",
    r"T\d+\t\S+ \d+ \d+": "brat's standoff, which lies beside its text; convert both to CoNLL columns or JSON lines",
    r"<\?xml|<!DOCTYPE|<html": "XML; export the documents as CoNLL columns or JSON lines",
}


@dataclass(frozen=True, slots=True)
class _Block:
    """Lines between two empty lines."""

    markers: int
    """``-DOCSTART-`` lines before it."""
    lines: dict[int, str]
    """By their number, from 1."""


def read_columns(
    path: Path, lines: Iterable[tuple[int, str]], layout: Layout, types: TypeNames, remarks: Remarks
) -> list[LabeledSentence]:
    """Read the numbered lines of a file of columns, separated by tabs or by blanks.

    ``-DOCSTART-`` lines stand between documents, perhaps before the first one too; in a set without them every sentence
    is one. Lines before a sentence that begin with ``#`` and are no row are comments. Words in parts of CoNLL-U
    (``1-2``, ``3.1``) and rows without a token, if their tag is ``O``, are passed over.

    Raises:
        InputError: naming file and line, for rows that differ in their separator or number of columns, for a first
            column that counts the words, for tags of no known scheme, and where tags stand in another column too.
    """
    blocks = _blocks(lines)
    first_line = next(iter(blocks[0].lines.values())) if blocks else "O"
    for pattern, name in _OTHER_FORMATS.items():
        if re.match(pattern, first_line) and not is_tag(first_line.split()[-1]):
            raise InputError(f"{path}: this is {name}.")
    heads = [number for block in blocks for number in _first_hashes(block.lines)]
    rows = ColumnRows(path, {number: line for block in blocks for number, line in block.lines.items()}, heads)
    for block in blocks:
        for number in _first_hashes(block.lines):
            if not rows.is_comment(number, layout.tag_column):
                break
            remarks.add("comment lines, passed over", f"{path}:{number}", block.lines.pop(number), usual=True)
    name = str(path)
    fields = {number: rows.fields(number) for block in blocks for number in block.lines}
    columns = Columns(path, fields, layout)
    columns.check()
    has_markers = any(block.markers for block in blocks)
    documents: dict[int, int] = {}
    sentences: list[LabeledSentence] = []
    for block in blocks:
        words: dict[int, str] = {}
        tags = []
        for number in block.lines:
            row, where = fields[number], f"{name}:{number}"
            if columns.is_part(row):
                remarks.add("parts of words and empty nodes, passed over", where, row[0], usual=True)
                continue
            word, tag = row[columns.token], types.add_tag(row[columns.tag], where)
            if not is_empty_token(word, tag, where, remarks):
                words[number] = word
                tags.append(tag)
        if words:
            first = next(iter(words))
            document = documents.setdefault(block.markers if has_markers else first, len(documents))
            id_ = f"{path.name}:{first}"
            sentences.append(LabeledSentence.of_gold_words(id_, document, list(words.values()), tags))
    return sentences


def _blocks(lines: Iterable[tuple[int, str]]) -> list[_Block]:
    blocks: list[_Block] = []
    markers, inside = 0, False
    for number, line in lines:
        is_marker = line.startswith("-DOCSTART-")
        markers += is_marker
        if is_marker or not line.strip():
            inside = False
            continue
        if not inside:
            blocks.append(_Block(markers, {}))
            inside = True
        blocks[-1].lines[number] = line
    return blocks


def _first_hashes(lines: Mapping[int, str]) -> list[int]:
    """List the lines before a sentence, and its first words, that begin with ``#``."""
    return list(takewhile(lambda number: lines[number].startswith("#"), lines))
