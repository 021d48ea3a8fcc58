"""The splitter for many documents at once: the rules of `kdner.text.words`, without a Python object per word.

White space separates chunks of characters, and no word crosses it, so a chunk is split into words only when it is first
seen; what is known of it (its words, and what it says about sentence ends) lies in flat arrays. A document then is a
list of chunks, numbered in one pass by Arrow, and the rest is arithmetic on whole arrays.

Shapes: D documents, S sentences, N words, C chunks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import accumulate, chain, pairwise
from typing import NamedTuple, overload

import numpy as np
import pyarrow as pa

from kdner.text.abbreviations import DEFAULT_LANGUAGE, abbreviations_of
from kdner.text.chunks import CLOSES, ENDS, HIDDEN, OPENS, WRAPS, Chunks, Types
from kdner.text.long_sentences import MAX_SENTENCE_WORDS, cut_places
from kdner.text.words import count_lines, readable

MAX_CHUNKS = 1_000_000
"""Distinct chunks to remember before all are forgotten; about 400 bytes each."""
MAX_CHUNK_CHARACTERS = 64_000_000
"""Characters of all distinct chunks to remember; some corpora have chunks of megabytes."""

SHORT_TEXT = 2_000
"""Fewer characters of text are split chunk by chunk: operations on whole arrays take some time to begin."""

MAX_RECORDS = 50_000
"""Distinct chunks of short texts to remember before all are forgotten; about 400 bytes each."""

SPACE, FEED, RETURN, PAGE, PARAGRAPH = 1, 2, 3, 4, 5
"""Kinds of white space; all but the first end a line."""
_SPACES = np.zeros(0x110000, np.uint8)
_SPACES[[code for code in range(0x10000) if chr(code).isspace()]] = SPACE  # Unicode has no white space beyond
_SPACES[list(map(ord, "\n\v\x85\u2028"))] = FEED
_SPACES[list(map(ord, "\r\f\u2029"))] = RETURN, PAGE, PARAGRAPH


@dataclass(frozen=True, slots=True)
class Words:
    """All words of D documents, in order."""

    types: np.ndarray  # int32 [N], places in `Splitter.types`
    starts: np.ndarray  # int64 [N], offsets into the word's own document
    ends: np.ndarray  # int64 [N]
    lengths: np.ndarray  # int64 [S], words of each sentence, at least 1
    documents: np.ndarray  # int64 [D], sentences of each document
    chunks: np.ndarray  # int64 [D], white-space separated words of each document


class _Record(NamedTuple):
    """What is known of a chunk, as short texts read it."""

    flags: int
    types: tuple[int, ...]
    starts: tuple[int, ...]
    ends: tuple[int, ...]
    closing: tuple[int, ...]  # words after which a sentence ends whatever follows


class Splitter:
    """Splits documents of one language, and numbers the distinct words ("types") that it has seen."""

    def __init__(self, language: str = DEFAULT_LANGUAGE) -> None:
        self.types = Types()
        self._chunks = Chunks(self.types, abbreviations_of(language))
        self._records: dict[str, _Record] = {}

    @property
    def full(self) -> bool:
        """Whether it has seen so many different chunks that a new splitter should take over."""
        return len(self._chunks) > MAX_CHUNKS or self._chunks.characters > MAX_CHUNK_CHARACTERS

    def keep(self, kept: np.ndarray) -> None:
        """Forget the words that are not kept, bool [T]; those that are get new numbers, in the same order."""
        self._chunks.keep(kept)
        self._records.clear()

    def split(self, texts: Sequence[str], *, hard_wrapped: bool = False) -> Words:
        """Split documents into sentences of 1 to `MAX_SENTENCE_WORDS` words, as `kdner.text.words.split` does one."""
        if sum(map(len, texts)) < SHORT_TEXT:
            return self._split_short(texts, hard_wrapped)
        joined = readable("\n\n".join(texts))
        characters = _code_points(joined)
        spaces = _SPACES[characters]
        inside = spaces == 0
        starts_c, stops_c = np.flatnonzero(np.diff(inside, prepend=False, append=False)).reshape(-1, 2).T
        chunks_c = self._number(characters[inside], stops_c - starts_c)

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
        last_n[_last_words(flags_c, starts_c, ends_c, spaces, hard_wrapped)] = True
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

    def _split_short(self, texts: Sequence[str], hard_wrapped: bool) -> Words:
        """Do what `split` does, chunk by chunk."""
        types: list[int] = []
        starts: list[int] = []
        ends: list[int] = []
        sentence_ends, documents, chunks = [0], [], []
        for text in map(readable, texts):
            sentences, before, stops, last, gap = len(sentence_ends), 0, 0, 0, ""
            listed = text.split()
            for chunk in listed:
                place = text.index(chunk, last)
                flags, chunk_types, word_starts, word_ends, closing = self._record(chunk)
                gap += text[last:place]
                if not flags & HIDDEN:
                    lines = count_lines(gap) if gap != " " else 0
                    wraps = hard_wrapped or flags & WRAPS
                    if (stops and flags & OPENS) or lines > 1 or (lines and not wraps):
                        _end(sentence_ends, len(types))
                    stops = flags & ENDS or (before & ENDS and flags & CLOSES and not lines)
                    before, gap = flags, ""
                for word in closing:
                    _end(sentence_ends, len(types) + word + 1)
                types += chunk_types
                for start in word_starts:
                    starts.append(place + start)
                for end in word_ends:
                    ends.append(place + end)
                last = place + len(chunk)
            _end(sentence_ends, len(types))
            documents.append(len(sentence_ends) - sentences)
            chunks.append(len(listed))
        lengths = [end - start for start, end in pairwise(sentence_ends)]
        types_n = np.array(types, np.int32)
        columns = [np.array(column, np.int64) for column in (starts, ends, lengths, documents, chunks)]
        if len(types) > MAX_SENTENCE_WORDS:
            words_d = np.array(sentence_ends)[np.cumsum([0, *documents])]
            cut = self._cut_long(np.array(sentence_ends[1:]), types_n)
            columns[2:4] = np.diff(cut, prepend=0), np.diff(np.searchsorted(cut, words_d, side="right"))
        return Words(types_n, *columns)

    def _record(self, chunk: str) -> _Record:
        record = self._records.get(chunk)
        if record is None:
            table = self._chunks
            number = table[chunk]
            first = table.firsts[number]
            words = slice(first, first + table.counts[number])
            types, starts, ends = (tuple(column[words]) for column in (table.types, table.starts, table.ends))
            closing = tuple(word for word, closes in enumerate(table.closes[words]) if closes)
            if len(self._records) >= MAX_RECORDS:
                self._records.clear()
            record = self._records[chunk] = _Record(table.flags[number], types, starts, ends, closing)
        return record

    def _number(self, characters: np.ndarray, lengths_c: np.ndarray) -> np.ndarray:
        """Return the number of each chunk, int64 [C]; only distinct ones become Python strings.

        Args:
            characters: code points of all chunks, one after the other.
            lengths_c: int64 [C], characters of each chunk.
        """
        content, offsets = characters.tobytes(), np.concatenate([[0], np.cumsum(lengths_c)])
        if characters.dtype != np.uint8:
            content = content.decode("utf-32-le").encode()
            more = (characters > 0x7F).astype(np.int64) + (characters > 0x7FF) + (characters > 0xFFFF)
            offsets += np.concatenate([[0], np.cumsum(more)])[offsets]
        buffers = [None, pa.py_buffer(offsets), pa.py_buffer(content)]
        chunks = pa.Array.from_buffers(pa.large_string(), len(lengths_c), buffers).dictionary_encode()
        distinct = chunks.dictionary.to_pylist()
        numbers = list(map(self._chunks.get, distinct))
        if None in numbers:
            self._chunks.learn([chunk for chunk, number in zip(distinct, numbers, strict=True) if number is None])
            numbers = list(map(self._chunks.get, distinct))
        return np.array(numbers, np.int64)[chunks.indices.to_numpy()]

    def _cut_long(self, ends_s: np.ndarray, types_n: np.ndarray) -> np.ndarray:
        lengths = np.diff(ends_s, prepend=0)
        long = np.flatnonzero(lengths > MAX_SENTENCE_WORDS)
        if not len(long):
            return ends_s
        kinds = np.frombuffer(self.types.kinds, np.uint8)
        cuts = []
        for s in long:
            first = int(ends_s[s] - lengths[s])
            cuts += [first + place for place in cut_places(kinds[types_n[first : ends_s[s]]].tobytes())]
        return np.sort(np.concatenate([ends_s, cuts]))


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


def _end(sentence_ends: list[int], words: int) -> None:
    """End a sentence after so many words, if it has any."""
    if words > sentence_ends[-1]:
        sentence_ends.append(words)


def _code_points(text: str) -> np.ndarray:
    """Return the code points of a text; bytes where that is enough."""
    if text.isascii():
        return np.frombuffer(text.encode("ascii"), np.uint8)
    return np.frombuffer(text.encode("utf-32-le"), np.uint32)


def _last_words(
    flags_c: np.ndarray, starts_c: np.ndarray, ends_c: np.ndarray, spaces: np.ndarray, hard_wrapped: bool
) -> np.ndarray:
    """Return the last words of the sentences that end between chunks.

    Args:
        flags_c: uint8 [C], bits of each chunk.
        starts_c: int64 [C], where it starts in all characters.
        ends_c: int64 [C], words to its end.
        spaces: uint8, the kind of white space of each character.
        hard_wrapped: whether lines end in the middle of sentences.
    """
    if (flags_c & HIDDEN).any():
        seen = (flags_c & HIDDEN) == 0
        flags_c, starts_c, ends_c = flags_c[seen], starts_c[seen], ends_c[seen]
    this, following = flags_c[:-1], flags_c[1:]
    lines_c = _count_lines(spaces, starts_c)
    stops = (this & ENDS) > 0
    closes = (this[1:] & CLOSES) > 0
    stops[1:] |= stops[:-1] & closes & (lines_c[:-1] == 0)
    ends = (stops & ((following & OPENS) > 0)) | (lines_c > 1)
    if not hard_wrapped:
        ends |= (lines_c > 0) & ((following & WRAPS) == 0)
    return ends_c[:-1][ends & (ends_c[:-1] > 0)] - 1


def _count_lines(spaces: np.ndarray, starts_c: np.ndarray) -> np.ndarray:
    """Count the line ends between each chunk and the next, int64 [C - 1], as `kdner.text.words` does."""
    places = np.flatnonzero(spaces > SPACE)
    kinds = spaces[places]

    def count(kind: int) -> np.ndarray:
        return np.diff(np.searchsorted(places[kinds == kind], starts_c))

    lines = count(FEED)
    if (kinds != FEED).any():
        lines = np.maximum.reduce([lines, count(RETURN), count(PAGE)]) + 2 * count(PARAGRAPH)
    return lines
