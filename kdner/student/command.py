"""`kdner tag`: the entities of texts, at once."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict
from itertools import islice

from kdner.student.saved import GENERAL
from kdner.student.tagger import Entity, Tagger
from kdner.text.marked import marked

LINES_AT_ONCE = 1000
"""Lines of standard input that are tagged together where it is not a terminal."""


def tag(arguments: Sequence[str]) -> None:
    """Do `kdner tag`: print each text with its entities.

    Raises:
        InputError: there is no such student.
    """
    flags = argparse.ArgumentParser(
        "kdner tag", description="Tag texts: those given, else each line of standard input."
    )
    flags.add_argument("texts", nargs="*", metavar="TEXT", help="a text to tag; by default each line of standard input")
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
    texts = given.texts or (line.rstrip("\r\n") for line in sys.stdin)
    for text, entities in _tagged(tagger, texts, 1 if sys.stdin.isatty() else LINES_AT_ONCE):
        if given.json:
            row = {"text": text, "entities": [asdict(entity) for entity in entities]}
            shown = json.dumps(row, ensure_ascii=False)
        else:
            shown = marked(text, ((e.start, e.end, e.label) for e in entities), colored=colored)
        sys.stdout.write(f"{shown}\n")
        sys.stdout.flush()


def _tagged(tagger: Tagger, texts: Iterable[str], at_once: int) -> Iterator[tuple[str, list[Entity]]]:
    waiting = iter(texts)
    while portion := list(islice(waiting, at_once)):
        yield from zip(portion, tagger.tag(portion), strict=True)
