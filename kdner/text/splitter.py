"""The splitter for many documents at once: the rules of `kdner.text.words`, without a Python object per word.

White space separates runs of characters, and no word crosses it, so a run is split into words only when it is first
seen; what is known of it (its words, and what it says about sentence ends) lies in flat arrays. A document then is a
list of runs, numbered in one pass by Arrow, and the rest is arithmetic on whole arrays.

Shapes: D documents, S sentences, N words, R runs.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate

import numpy as np
import pyarrow as pa

from kdner.text.words import (
    ABBREVIATION,
    CLOSING_STOP,
    FINAL_STOP,
    LONGEST_ABBREVIATION,
    LOWER,
    MAX_SENTENCE_WORDS,
    MAX_WORD_CHARACTERS,
    OPENING,
    PAUSES,
    STOPS,
    WORD,
)

MAX_RUNS = 1_000_000
"""Distinct runs to remember before all are forgotten; about 400 bytes each."""
MAX_RUN_CHARACTERS = 64_000_000
"""Their characters in all; some corpora have runs of megabytes."""

SHORT_TEXT = 5_000
"""Fewer characters of text have their runs numbered one by one: Arrow takes some time to begin."""

ENDS, EXEMPT, OPENS, WRAPS = 1, 2, 4, 8
"""Bits of a run: it ends with a stop, of a known abbreviation; it can begin a sentence; it begins with a lower-case
letter, as a wrapped line does."""

_IS_SPACE = np.zeros(0x110000, dtype=bool)
_IS_SPACE[[code for code in range(0x10000) if chr(code).isspace()]] = True  # there is none beyond


@dataclass(frozen=True, slots=True)
class Words:
    """All words of D documents, in order."""

    types: np.ndarray  # int32 [N], places in `Splitter.types`
    starts: np.ndarray  # int64 [N], offsets into the word's own document
    ends: np.ndarray  # int64 [N]
    lengths: np.ndarray  # int64 [S], words of each sentence, at least 1
    documents: np.ndarray  # int64 [D], sentences of each document
    runs: np.ndarray  # int64 [D], white-space separated words of each document


class Splitter:
    """Splits documents, and numbers the distinct words ("types") that it has seen."""

    def __init__(self) -> None:
        self.types = Types()
        self._runs = _Runs(self.types)

    @property
    def full(self) -> bool:
        """Whether it has seen so many different runs that a new splitter should take over."""
        return len(self._runs) > MAX_RUNS or self._runs.characters > MAX_RUN_CHARACTERS

    def split(self, texts: Sequence[str]) -> Words:
        """Split documents into sentences of 1 to `MAX_SENTENCE_WORDS` words, as `kdner.text.words.split` does each."""
        whole = "\n\n".join(texts)
        characters = _characters(whole)
        inside = ~_IS_SPACE[characters]
        starts_r, stops_r = np.flatnonzero(np.diff(inside, prepend=False, append=False)).reshape(-1, 2).T
        if len(whole) < SHORT_TEXT:
            runs_r = np.fromiter(map(self._runs.__getitem__, whole.split()), np.int64, len(starts_r))
        else:
            runs_r = self._number(characters[inside], stops_r - starts_r)
        lines = np.flatnonzero(characters == ord("\n"))

        begins_d = np.fromiter(accumulate((len(text) + 2 for text in texts), initial=0), np.int64, len(texts) + 1)[:-1]
        first_run_d = np.searchsorted(starts_r, np.append(begins_d, len(characters) + 2))
        runs_d = np.diff(first_run_d)
        base_r = starts_r - np.repeat(begins_d, runs_d)

        known = self._runs
        flags_r = np.frombuffer(known.flags, np.uint8)[runs_r]
        counts_r = np.frombuffer(known.counts, np.int32)[runs_r]
        ends_r = np.cumsum(counts_r, dtype=np.int64)
        total = int(ends_r[-1]) if len(ends_r) else 0
        shift_r = np.frombuffer(known.firsts, np.int64)[runs_r] - (ends_r - counts_r)
        word_n = np.arange(total) + np.repeat(shift_r, counts_r)
        base_n = np.repeat(base_r, counts_r)
        types_n = np.frombuffer(known.types, np.int32)[word_n]

        last_n = np.frombuffer(known.closes, np.bool_)[word_n]
        last_n[(ends_r[:-1] - 1)[_sentence_ends(flags_r, starts_r, lines) & (ends_r[:-1] > 0)]] = True
        last_n[-1:] = True
        sentence_ends = np.flatnonzero(last_n) + 1
        sentence_ends = self._cut_long(sentence_ends, types_n)
        words_d = np.concatenate([[0], ends_r])[first_run_d]
        return Words(
            types=types_n,
            starts=base_n + np.frombuffer(known.starts, np.int32)[word_n],
            ends=base_n + np.frombuffer(known.ends, np.int32)[word_n],
            lengths=np.diff(sentence_ends, prepend=0),
            documents=np.diff(np.searchsorted(sentence_ends, words_d, side="right")),
            runs=runs_d,
        )

    def _number(self, characters: np.ndarray, lengths_r: np.ndarray) -> np.ndarray:
        """Return the number of each run: int64 [R]; only of distinct ones a string is made.

        Args:
            characters: code points of all runs, one after the other.
            lengths_r: of each run, in characters.
        """
        content, offsets = characters.tobytes(), np.concatenate([[0], np.cumsum(lengths_r)])
        if characters.dtype != np.uint8:
            content = content.decode("utf-32-le", "surrogatepass").encode("utf-8", "surrogatepass")
            more = (characters > 0x7F).astype(np.int64) + (characters > 0x7FF) + (characters > 0xFFFF)
            offsets += np.concatenate([[0], np.cumsum(more)])[offsets]
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(content)]
        runs = pa.Array.from_buffers(pa.large_binary(), len(lengths_r), buffers).dictionary_encode()
        distinct = (run.decode("utf-8", "surrogatepass") for run in runs.dictionary.to_pylist())
        numbers = np.fromiter(map(self._runs.__getitem__, distinct), np.int64, len(runs.dictionary))
        return numbers[runs.indices.to_numpy()]

    def _cut_long(self, ends_s: np.ndarray, types_n: np.ndarray) -> np.ndarray:
        lengths = np.diff(ends_s, prepend=0)
        long = np.flatnonzero(lengths > MAX_SENTENCE_WORDS)
        if not len(long):
            return ends_s
        is_pause = np.frombuffer(self.types.is_pause, np.bool_)
        cuts = []
        for s in long:
            first, end = int(ends_s[s] - lengths[s]), int(ends_s[s])
            while end - first > MAX_SENTENCE_WORDS:
                limit = first + MAX_SENTENCE_WORDS
                pauses = np.flatnonzero(is_pause[types_n[first:limit]])
                first = first + int(pauses[-1]) + 1 if len(pauses) else limit
                cuts.append(first)
        return np.sort(np.concatenate([ends_s, cuts]))


class Types(dict[str, int]):
    """The number of each distinct word; one that is asked for the first time gets the next number."""

    def __init__(self) -> None:
        self.words: list[str] = []
        self.is_pause = array("b")

    def __missing__(self, word: str) -> int:
        number = self[word] = len(self.words)
        self.words.append(word)
        self.is_pause.append(word in PAUSES)
        return number


class _Runs(dict[str, int]):
    """The number of each run; a run that is asked for the first time gets the next one, and is split."""

    def __init__(self, numbers: Types) -> None:
        self.numbers = numbers
        self.characters = 0
        self.flags = array("B")
        self.counts = array("i")
        self.firsts = array("q")
        self.types = array("i")
        self.starts = array("i")
        self.ends = array("i")
        self.closes = array("b")
        """Of each word, whether a sentence ends after it whatever follows."""

    def __missing__(self, run: str) -> int:
        number = self[run] = len(self)
        body = run[:-1] if run[-1] in ",." else run
        if body.isascii() and body.isalpha() and len(body) <= MAX_WORD_CHARACTERS:
            self._add_plain(run, body)
        else:
            self._add_split(run)
        self.characters += len(run)
        return number

    def _add_plain(self, run: str, body: str) -> None:
        """Add what `_add_split` would for a word of plain letters, with a comma or full stop: most runs of news."""
        self.firsts.append(len(self.types))
        self.types.append(self.numbers[body])
        self.starts.append(0)
        self.ends.append(len(body))
        self.closes.append(0)
        flags = WRAPS if body[0].islower() else OPENS
        if run != body:
            self.types.append(self.numbers[run[-1]])
            self.starts.append(len(body))
            self.ends.append(len(run))
            self.closes.append(0)
            if run[-1] == ".":
                flags |= EXEMPT | ENDS if ABBREVIATION.search(body[-LONGEST_ABBREVIATION:]) else ENDS
        self.flags.append(flags)
        self.counts.append(1 + (run != body))

    def _add_split(self, run: str) -> None:
        first = len(self.types)
        for match in WORD.finditer(run):
            self.types.append(self.numbers[match.group()])
            self.starts.append(match.start())
            self.ends.append(match.end())
            self.closes.append(0)
        count = len(self.types) - first
        w = first
        for match in CLOSING_STOP.finditer(run) if not run.isascii() else ():
            while w < first + count and self.starts[w] < match.end():
                w += 1
            if w > first:
                self.closes[w - 1] = 1
        stop = FINAL_STOP.search(run) if not STOPS.isdisjoint(run) else None
        exempt = (
            stop is not None
            and stop["stop"] == "."
            and ABBREVIATION.search(run[max(0, stop.start() - LONGEST_ABBREVIATION) : stop.start()]) is not None
        )
        self.flags.append(
            (ENDS if stop else 0)
            | (EXEMPT if exempt else 0)
            | (OPENS if OPENING.match(run) else 0)
            | (WRAPS if LOWER.match(run) else 0)
        )
        self.counts.append(count)
        self.firsts.append(first)


def _characters(text: str) -> np.ndarray:
    """Return the code points of a text; bytes where that is enough."""
    if text.isascii():
        return np.frombuffer(text.encode("ascii"), np.uint8)
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def _sentence_ends(flags_r: np.ndarray, starts_r: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """Return, for each run but the last, whether a sentence ends after it: bool [R - 1]."""
    lines_r = np.diff(np.searchsorted(lines, starts_r))
    this, following = flags_r[:-1], flags_r[1:]
    stops = ((this & ENDS) > 0) & ((following & OPENS) > 0) & (((this & EXEMPT) == 0) | (lines_r > 0))
    return stops | (lines_r > 1) | ((lines_r > 0) & ((following & WRAPS) == 0))
