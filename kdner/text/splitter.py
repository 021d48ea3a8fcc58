"""The splitter for many documents at once: the rules of `kdner.text.words`, without a Python object per word.

White space separates chunks of characters, and no word crosses it, so a chunk is split into words only when it is first
seen; what is known of it (its words, and what it says about sentence ends) lies in flat arrays. A document then is a
list of chunks, numbered in one pass by Arrow, and the rest is arithmetic on whole arrays.

Shapes: D documents, S sentences, N words, C chunks.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, chain, pairwise
from typing import overload

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

MAX_CHUNKS = 1_000_000
"""Distinct chunks to remember before all are forgotten; about 400 bytes each."""
MAX_CHUNK_CHARACTERS = 64_000_000
"""Characters of all distinct chunks to remember; some corpora have chunks of megabytes."""

SHORT_TEXT = 5_000
"""Fewer characters of text have their chunks numbered one by one: Arrow takes some time to begin."""

ENDS, EXEMPT, OPENS, WRAPS = 1, 2, 4, 8
"""Bits of a chunk: it ends with a stop; that stop is an abbreviation's, and ends no sentence; it can begin a sentence;
it begins with a lower-case letter, as a wrapped line does."""

_IS_SPACE = np.zeros(0x110000, dtype=bool)
_IS_SPACE[[code for code in range(0x10000) if chr(code).isspace()]] = True  # Unicode has no white space beyond


@dataclass(frozen=True, slots=True)
class Words:
    """All words of D documents, in order."""

    types: np.ndarray  # int32 [N], places in `Splitter.types`
    starts: np.ndarray  # int64 [N], offsets into the word's own document
    ends: np.ndarray  # int64 [N]
    lengths: np.ndarray  # int64 [S], words of each sentence, at least 1
    documents: np.ndarray  # int64 [D], sentences of each document
    chunks: np.ndarray  # int64 [D], white-space separated words of each document


class Splitter:
    """Splits documents, and numbers the distinct words ("types") that it has seen."""

    def __init__(self) -> None:
        self.types = Types()
        self._chunks = _Chunks(self.types)

    @property
    def full(self) -> bool:
        """Whether it has seen so many different chunks that a new splitter should take over."""
        return len(self._chunks) > MAX_CHUNKS or self._chunks.characters > MAX_CHUNK_CHARACTERS

    def split(self, texts: Sequence[str]) -> Words:
        """Split documents into sentences of 1 to `MAX_SENTENCE_WORDS` words, as `kdner.text.words.split` does one."""
        joined = "\n\n".join(texts)
        characters = _code_points(joined)
        inside = ~_IS_SPACE[characters]
        starts_c, stops_c = np.flatnonzero(np.diff(inside, prepend=False, append=False)).reshape(-1, 2).T
        if len(joined) < SHORT_TEXT:
            chunks_c = np.fromiter(map(self._chunks.__getitem__, joined.split()), np.int64, len(starts_c))
        else:
            chunks_c = self._number(characters[inside], stops_c - starts_c)
        lines = np.flatnonzero(characters == ord("\n"))

        begins_d = np.fromiter(accumulate((len(text) + 2 for text in texts), initial=0), np.int64, len(texts) + 1)[:-1]
        first_chunk_d = np.searchsorted(starts_c, np.append(begins_d, len(characters) + 2))
        chunks_d = np.diff(first_chunk_d)
        base_c = starts_c - np.repeat(begins_d, chunks_d)

        table = self._chunks
        flags_c = np.frombuffer(table.flags, np.uint8)[chunks_c]
        counts_c = np.frombuffer(table.counts, np.int32)[chunks_c]
        ends_c = np.cumsum(counts_c, dtype=np.int64)
        total = int(ends_c[-1]) if len(ends_c) else 0
        shift_c = np.frombuffer(table.firsts, np.int64)[chunks_c] - (ends_c - counts_c)
        word_n = np.arange(total) + np.repeat(shift_c, counts_c)
        base_n = np.repeat(base_c, counts_c)
        types_n = np.frombuffer(table.types, np.int32)[word_n]

        last_n = np.frombuffer(table.closes, np.bool_)[word_n]
        last_n[(ends_c[:-1] - 1)[_sentence_ends(flags_c, starts_c, lines) & (ends_c[:-1] > 0)]] = True
        last_n[-1:] = True
        sentence_ends = np.flatnonzero(last_n) + 1
        sentence_ends = self._cut_long(sentence_ends, types_n)
        words_d = np.concatenate([[0], ends_c])[first_chunk_d]
        return Words(
            types=types_n,
            starts=base_n + np.frombuffer(table.starts, np.int32)[word_n],
            ends=base_n + np.frombuffer(table.ends, np.int32)[word_n],
            lengths=np.diff(sentence_ends, prepend=0),
            documents=np.diff(np.searchsorted(sentence_ends, words_d, side="right")),
            chunks=chunks_d,
        )

    def _number(self, characters: np.ndarray, lengths_c: np.ndarray) -> np.ndarray:
        """Return the number of each chunk, int64 [C]; only distinct ones become Python strings.

        Args:
            characters: code points of all chunks, one after the other.
            lengths_c: int64 [C], characters of each chunk.
        """
        content, offsets = characters.tobytes(), np.concatenate([[0], np.cumsum(lengths_c)])
        if characters.dtype != np.uint8:
            content = content.decode("utf-32-le", "surrogatepass").encode("utf-8", "surrogatepass")
            more = (characters > 0x7F).astype(np.int64) + (characters > 0x7FF) + (characters > 0xFFFF)
            offsets += np.concatenate([[0], np.cumsum(more)])[offsets]
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(content)]
        chunks = pa.Array.from_buffers(pa.large_binary(), len(lengths_c), buffers).dictionary_encode()
        distinct = (chunk.decode("utf-8", "surrogatepass") for chunk in chunks.dictionary.to_pylist())
        numbers = np.fromiter(map(self._chunks.__getitem__, distinct), np.int64, len(chunks.dictionary))
        return numbers[chunks.indices.to_numpy()]

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


class Sentences(Sequence[list[str]]):
    """Sentences as lists of words, of which no more is kept than the number of each word.

    Whoever can take numbers reads `types`, `numbers`, int [N], and `lengths`, int64 [S]: the words of each sentence.
    """

    def __init__(self, types: Types, numbers: np.ndarray, lengths: np.ndarray) -> None:
        self.types, self.numbers, self.lengths = types, numbers, lengths

    @classmethod
    def of(cls, sentences: Sequence[Sequence[str]], types: Types) -> Sentences:
        """Number the words of sentences."""
        lengths = np.fromiter(map(len, sentences), np.int64, len(sentences))
        numbers = map(types.__getitem__, chain.from_iterable(sentences))
        return cls(types, np.fromiter(numbers, np.int64, int(lengths.sum())), lengths)

    @cached_property
    def _bounds(self) -> list[int]:
        return [0, *np.cumsum(self.lengths).tolist()]

    def __len__(self) -> int:
        return len(self.lengths)

    @overload
    def __getitem__(self, key: int) -> list[str]: ...
    @overload
    def __getitem__(self, key: slice) -> list[list[str]]: ...
    def __getitem__(self, key: int | slice) -> list[str] | list[list[str]]:
        if isinstance(key, slice):
            return [self[place] for place in range(*key.indices(len(self)))]
        place = range(len(self))[key]
        words = self.types.words
        return [words[number] for number in self.numbers[self._bounds[place] : self._bounds[place + 1]].tolist()]

    def __iter__(self) -> Iterator[list[str]]:
        words = [self.types.words[number] for number in self.numbers.tolist()]
        return (words[first:last] for first, last in pairwise(self._bounds))


class _Chunks(dict[str, int]):
    """The number of each chunk; one that is asked for the first time gets the next number, and is split into words."""

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
                flags |= EXEMPT | ENDS if ABBREVIATION.search(body[-LONGEST_ABBREVIATION:]) else ENDS
        self.flags.append(flags)
        self.counts.append(1 + (chunk != body))

    def _add_split(self, chunk: str) -> None:
        first = len(self.types)
        for match in WORD.finditer(chunk):
            self.types.append(self.numbers[match.group()])
            self.starts.append(match.start())
            self.ends.append(match.end())
            self.closes.append(0)
        count = len(self.types) - first
        word = first
        for match in CLOSING_STOP.finditer(chunk) if not chunk.isascii() else ():
            while word < first + count and self.starts[word] < match.end():
                word += 1
            if word > first:
                self.closes[word - 1] = 1
        stop = FINAL_STOP.search(chunk) if not STOPS.isdisjoint(chunk) else None
        exempt = (
            stop is not None
            and stop["stop"] == "."
            and ABBREVIATION.search(chunk[max(0, stop.start() - LONGEST_ABBREVIATION) : stop.start()]) is not None
        )
        self.flags.append(
            (ENDS if stop else 0)
            | (EXEMPT if exempt else 0)
            | (OPENS if OPENING.match(chunk) else 0)
            | (WRAPS if LOWER.match(chunk) else 0)
        )
        self.counts.append(count)
        self.firsts.append(first)


def _code_points(text: str) -> np.ndarray:
    """Return the code points of a text; bytes where that is enough."""
    if text.isascii():
        return np.frombuffer(text.encode("ascii"), np.uint8)
    return np.frombuffer(text.encode("utf-32-le", "surrogatepass"), np.uint32)


def _sentence_ends(flags_c: np.ndarray, starts_c: np.ndarray, lines: np.ndarray) -> np.ndarray:
    """Return, for each chunk but the last, whether a sentence ends after it: bool [C - 1]."""
    lines_c = np.diff(np.searchsorted(lines, starts_c))
    this, following = flags_c[:-1], flags_c[1:]
    stops = ((this & ENDS) > 0) & ((following & OPENS) > 0) & (((this & EXEMPT) == 0) | (lines_c > 0))
    return stops | (lines_c > 1) | ((lines_c > 0) & ((following & WRAPS) == 0))
