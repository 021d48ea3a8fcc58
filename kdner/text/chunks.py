"""What is known of characters without white space between them: their words, and what they say about sentence ends.

White space separates chunks, and no word crosses it, so each is split into words only when it is first seen.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right

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
    words_in,
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
        first, clean = len(self.types), chunk
        if chunk.isascii():
            for match in WORD.finditer(chunk):
                self.types.append(self.numbers[match.group()])
                self.starts.append(match.start())
                self.ends.append(match.end())
                self.closes.append(0)
        else:
            clean = self._add_words(chunk)
        stop = FINAL_STOP.search(clean) if not STOPS.isdisjoint(clean) else None
        ends = stop and (stop["stop"] != "." or not is_abbreviation(clean, stop.start(), self.abbreviations))
        self.flags.append(
            (ENDS if ends else 0)
            | (CLOSES if clean and not clean.strip(CLOSING) else 0)
            | (OPENS if OPENING.match(clean) else 0)
            | (WRAPS if LOWER.match(clean) else 0)
            | (HIDDEN if not clean else 0)
        )
        self.counts.append(len(self.types) - first)
        self.firsts.append(first)

    def _add_words(self, chunk: str) -> str:
        """Add the words of any chunk; returns it without hidden characters."""
        clean, places = without_hidden(chunk)
        words = words_in(clean, places)
        closes = bytearray(len(words.words))
        for match in CLOSING_STOP.finditer(clean):
            if word := bisect_right(words.starts, places[match.end() - 1]):
                closes[word - 1] = 1
        self.types.extend([self.numbers[word] for word in words.words])
        self.starts.extend(words.starts)
        self.ends.extend(words.ends)
        self.closes.extend(closes)
        return clean
