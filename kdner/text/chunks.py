"""What is known of characters without white space between them: their words, and what they say about sentence ends.

White space separates chunks, and no word crosses it, so each is split into words only when it is first seen.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from collections.abc import Sequence
from itertools import compress

import numpy as np

from kdner.text.long_sentences import kind_of
from kdner.text.words import (
    ASCII_WORD,
    CLOSING,
    CLOSING_STOP,
    FINAL_STOP,
    LOWER,
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

    def keep(self, kept: np.ndarray) -> None:
        """Forget the words that are not kept, bool [T]; those that are get new numbers, in the same order."""
        numbers = np.flatnonzero(kept).tolist()
        self.words = [self.words[number] for number in numbers]
        self.kinds = array("B", [self.kinds[number] for number in numbers])
        self.clear()
        self.update(zip(self.words, range(len(numbers)), strict=True))

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

    def keep(self, kept: np.ndarray) -> None:
        """Forget the words that are not kept, bool [T], and the chunks that have one of them."""
        types, counts = np.array(self.types), np.array(self.counts)
        lost_before = np.concatenate([[0], np.cumsum(~kept[types])])
        firsts = np.array(self.firsts)
        whole = lost_before[firsts + counts] == lost_before[firsts]
        inside = np.repeat(whole, counts)
        chunks = list(compress(self, whole.tolist()))
        self.clear()
        self.update(zip(chunks, range(len(chunks)), strict=True))
        self.characters = sum(map(len, chunks))
        counts = counts[whole]
        self.flags = array("B", np.array(self.flags)[whole].tobytes())
        self.counts = array("i", counts.tobytes())
        self.firsts = array("q", (np.cumsum(counts, dtype=np.int64) - counts).tobytes())
        self.types = array("i", (np.cumsum(kept) - 1)[types[inside]].astype(np.int32).tobytes())
        self.starts, self.ends = (array("i", np.array(column)[inside].tobytes()) for column in (self.starts, self.ends))
        self.closes = array("b", np.array(self.closes)[inside].tobytes())
        self.numbers.keep(kept)

    def __missing__(self, chunk: str) -> int:
        number = self[chunk] = len(self)
        self._add_split(chunk)
        self.characters += len(chunk)
        return number

    def learn(self, chunks: Sequence[str]) -> None:
        """Give numbers to distinct chunks that have none: to those of printable ASCII all at once, which are most."""
        plain = [chunk for chunk in chunks if chunk.isascii() and chunk.isprintable()]
        if plain:
            self._add_plain(plain)
        if len(plain) < len(chunks):
            for chunk in chunks:
                self[chunk]  # the others

    def _add_plain(self, chunks: Sequence[str]) -> None:
        """Add what `_add_split` would for chunks of printable ASCII, in which nothing lies between words."""
        words = ASCII_WORD.findall("\n".join([*chunks, ""]))
        lengths = np.fromiter(map(len, words), np.int32, len(words))
        number_of = self.numbers
        ends = [place for place, word in enumerate(words) if word == "\n"]
        types = np.fromiter((number_of[word] if word != "\n" else 0 for word in words), np.int32, len(words))
        counts = np.diff(ends, prepend=-1) - 1
        inside = np.ones(len(words), bool)
        inside[ends] = False
        lasts = np.cumsum(lengths, dtype=np.int64)
        begins = np.repeat(np.concatenate([[0], lasts[ends[:-1]]]), counts)
        word_ends = (lasts[inside] - begins).astype(np.int32)
        firsts = len(self.types) + np.cumsum(counts) - counts
        self.update(zip(chunks, range(len(self), len(self) + len(chunks)), strict=True))
        self.characters += sum(map(len, chunks))
        self.flags.extend(map(self._plain_flags, chunks))
        columns = (
            (self.counts, counts.astype(np.int32)),
            (self.firsts, firsts),
            (self.types, types[inside]),
            (self.starts, word_ends - lengths[inside]),
            (self.ends, word_ends),
            (self.closes, np.zeros(len(word_ends), np.int8)),
        )
        for column, values in columns:
            column.frombytes(values.tobytes())

    def _plain_flags(self, chunk: str) -> int:
        first = chunk[0]
        if first.islower():
            flags = WRAPS
        elif first.isalnum() or ((rest := chunk.lstrip("\"'([")) and rest[0].isalnum() and not rest[0].islower()):
            flags = OPENS
        else:
            flags = 0 if chunk.strip("([") else OPENS
            if not chunk.strip(")]"):
                flags |= CLOSES
        return flags | ENDS if self._ends(chunk) else flags

    def _ends(self, clean: str) -> bool:
        """Tell whether a chunk ends with a stop that is not of an abbreviation."""
        if STOPS.isdisjoint(clean):
            return False
        stop = FINAL_STOP.search(clean)
        return bool(stop and (stop["stop"] != "." or not is_abbreviation(clean, stop.start(), self.abbreviations)))

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
        self.flags.append(
            (ENDS if self._ends(clean) else 0)
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
