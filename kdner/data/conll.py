"""Labeled sets of CoNLL columns: a word a line, an empty line after each sentence."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from kdner.data.labeled_sentence import LabeledSentence
from kdner.errors import InputError
from kdner.labels.tags import check_tag


def read_columns(path: Path, lines: Iterable[tuple[int, str]]) -> list[LabeledSentence]:
    """Read the numbered lines of a file of columns, token first, tag last, separated by blanks or tabs.

    ``-DOCSTART-`` lines open documents; in a set without them every sentence is one.

    Raises:
        InputError: naming file and line, for a row with too few columns or a tag of no known scheme.
    """
    # of each sentence: -DOCSTART- lines before it, its first line, gold words, tags
    rows: list[tuple[int, int, list[str], list[str]]] = []
    markers, inside = 0, False
    checked: set[str] = set()
    for number, line in lines:
        if line.startswith("-DOCSTART-") or not line.strip():
            markers += line.startswith("-DOCSTART-")
            inside = False
            continue
        line = line.rstrip(" \t")
        columns = [c.strip(" ") for c in line.split("\t")] if "\t" in line else line.strip(" ").split(" ")
        if len(columns) < 2 or not columns[0]:
            raise InputError(
                f"{path}:{number}: {line!r} has too few columns: expected a token first and a tag last, "
                "separated by blanks or tabs. Complete the row; a sentence ends with an empty line."
            )
        if columns[-1] not in checked:
            check_tag(columns[-1], f"{path}:{number}")
            checked.add(columns[-1])
        if not inside:
            rows.append((markers, number, [], []))
            inside = True
        rows[-1][2].append(columns[0])
        rows[-1][3].append(columns[-1])
    documents: dict[int, int] = {}
    sentences = []
    for before, number, words, tags in rows:
        document = documents.setdefault(before if markers else number, len(documents))
        sentences.append(LabeledSentence.of_gold_words(f"{path.name}:{number}", document, words, tags))
    return sentences
