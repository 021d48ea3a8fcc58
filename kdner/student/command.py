"""`kdner tag`: the entities of texts, at once."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from io import TextIOWrapper

from kdner.data.text_files import clean, decode, line_blocks
from kdner.student.saved import GENERAL
from kdner.student.tagger import Tagger
from kdner.text.marked import marked


def tag(arguments: Sequence[str]) -> None:
    """Do `kdner tag`: print each text with its entities.

    Raises:
        InputError: there is no such student.
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
    flags.add_argument("--json", action="store_true", help="print a JSON object a text, with its entities and scores")
    flags.add_argument(
        "--color", choices=("auto", "always", "never"), default="auto", help="colours; by default on a terminal only"
    )
    given = flags.parse_args(arguments)
    tagger = Tagger.from_pretrained(given.student)
    colored = given.color == "always" or (given.color == "auto" and sys.stdout.isatty())
    ascii_only = not (sys.stdout.encoding or "").lower().startswith("utf")
    if isinstance(sys.stdout, TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")
    for texts in _lines_that_are_there() if given.texts in ([], ["-"]) else [given.texts]:
        texts = [clean(text)[0] for text in texts]
        for text, entities in zip(texts, tagger.tag(texts), strict=True):
            if given.json:
                row = {"text": text, "entities": [asdict(entity) for entity in entities]}
                shown = json.dumps(row, ensure_ascii=ascii_only)
            else:
                shown = marked(text, ((e.start, e.end, e.label) for e in entities), colored=colored)
            sys.stdout.write(f"{shown}\n")
        sys.stdout.flush()


def _lines_that_are_there() -> Iterator[list[str]]:
    """Yield the lines of standard input that are there, and then later ones: many of a file, each of a slow pipe."""
    if sys.stdin is None:
        return
    with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as stream:
        for block in line_blocks(stream):
            yield list(map(decode, block.splitlines(keepends=True)))
