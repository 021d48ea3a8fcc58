"""What is known of characters without white space between them: their words, and what they say about sentence ends.

White space separates chunks, and no word crosses it, so each is split into words only when it is first seen.
"""

from __future__ import annotations

from array import array

from kdner.text.long_sentences import kind_of
from kdner.text.words import (
    CLOSING,
    CLOSING_STOP,
    FINAL_STOP,
    LOWER,
    MAX_WORD_CHARACTERS,
    OPENING,
    STOPS,
    WORD,
    is_abbreviation,
    without_hidden,
    word_text,
)

ENDS, CLOSES, OPENS, WRAPS, HIDDEN = 1, 2, 4, 8, 16
"""Bits of a chunk: it ends with a stop, not of an abbreviation; it belongs to a stop before it in the same line; it can
begin a sentence; it begins with a lower-case letter, as a wrapped line does; it is as if it were not there."""


class Types(dict[str, int]):
    """The number of each distinct word; one that is asked for the first time gets the next number."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.kinds = array("B")

    def __missing__(self, word: str) -> int:
        number = self[word] = len(self.words)
        self.words.append(word)
        self.kinds.append(kind_of(word))
        return number


class Chunks(dict[str, int]):
    """The number of each chunk; one that is asked for the first time gets the next number, and is split into words."""

    def __init__(self, numbers: Types, abbreviations: frozenset[str]) -> None:
        self.numbers, self.abbreviations = numbers, abbreviations
        self.characters = 0
        self.flags = array("B")
        self.counts = array("i")
        self.firsts = array("q")
        self.types = array("i")
        self.starts = array("i")
        self.ends = array("i")
        self.closes = array("b")
        """For each word, whether a sentence ends after it whatever follows."""

    def __missing__(self, chunk: str) -> int:
        number = self[chunk] = len(self)
        body = chunk[:-1] if chunk[-1] in ",." else chunk
        if body.isascii() and body.isalpha() and len(body) <= MAX_WORD_CHARACTERS:
            self._add_plain(chunk, body)
        else:
            self._add_split(chunk)
        self.characters += len(chunk)
        return number

    def _add_plain(self, chunk: str, body: str) -> None:
        """Add what `_add_split` would for a word of plain letters, with a comma or full stop: most chunks of news."""
        self.firsts.append(len(self.types))
        self.types.append(self.numbers[body])
        self.starts.append(0)
        self.ends.append(len(body))
        self.closes.append(0)
        flags = WRAPS if body[0].islower() else OPENS
        if chunk != body:
            self.types.append(self.numbers[chunk[-1]])
            self.starts.append(len(body))
            self.ends.append(len(chunk))
            self.closes.append(0)
            if chunk[-1] == ".":
                flags |= ENDS if len(body) > 1 and body not in self.abbreviations else 0
        self.flags.append(flags)
        self.counts.append(1 + (chunk != body))

    def _add_split(self, chunk: str) -> None:
        clean, places = without_hidden(chunk)
        first = len(self.types)
        for match in WORD.finditer(clean):
            begin, end = match.span()
            self.types.append(self.numbers[word_text(match.group())])
            self.starts.append(places[begin])
            self.ends.append(places[end - 1] + 1)
            self.closes.append(0)
        count = len(self.types) - first
        word = first
        for match in CLOSING_STOP.finditer(clean) if not clean.isascii() else ():
            while word < first + count and self.starts[word] <= places[match.end() - 1]:
                word += 1
            if word > first:
                self.closes[word - 1] = 1
        stop = FINAL_STOP.search(clean) if not STOPS.isdisjoint(clean) else None
        ends = stop and (stop["stop"] != "." or not is_abbreviation(clean, stop.start(), self.abbreviations))
        self.flags.append(
            (ENDS if ends else 0)
            | (CLOSES if CLOSING.match(clean) else 0)
            | (OPENS if OPENING.match(clean) else 0)
            | (WRAPS if LOWER.match(clean) else 0)
            | (HIDDEN if not clean else 0)
        )
        self.counts.append(count)
        self.firsts.append(first)
