"""From words to the pieces that an encoder reads: windows of sentences, without a Python object per word.

Shapes: N words of all sentences, S sentences, W windows, P pieces of all windows.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain, islice, zip_longest
from typing import Any

import numpy as np

from kdner.text.chunks import Types
from kdner.text.splitter import Sentences

WORDS_AT_ONCE = 10_000
"""Words whose places of pieces are looked up together: what the tokenizer returns of each takes a kilobyte or more."""
MAX_TYPES = 1_000_000
"""Distinct words whose pieces are kept before all are forgotten, where no splitter bounds them."""


@dataclass(frozen=True, slots=True)
class Windows:
    """All N words of all sentences, in order, as W windows: words of one sentence that the encoder reads at once."""

    pieces: np.ndarray
    """int32 [P], ids of the pieces of one window after the other, special ones too."""
    lengths: np.ndarray
    """int64 [W], pieces of each window."""
    firsts: np.ndarray
    """int64 [N], place in `pieces` of each word's first piece."""
    words: np.ndarray
    """int64 [W], words of each window."""


class PieceTable:
    """Maps words to pieces; each distinct word ("type") is tokenized once, and its pieces lie in flat arrays.

    Fast tokenizers split pre-split text word by word, so the pieces of a word do not depend on its neighbours.
    """

    def __init__(self, tokenizer: Any, max_pieces: int) -> None:
        """Make a table for a fast tokenizer of transformers, and windows of so many pieces, special ones too."""
        self._backend = tokenizer.backend_tokenizer
        self._backend.no_truncation()
        self._backend.no_padding()
        self._unknown = tokenizer.unk_token_id if tokenizer.unk_token_id is not None else tokenizer.pad_token_id
        word = self._backend.encode(["a"], is_pretokenized=True, add_special_tokens=False).ids
        window = self._backend.encode(["a"], is_pretokenized=True).ids
        start = next(i for i in range(len(window)) if window[i : i + len(word)] == word)
        self._before = np.array(window[:start], np.int32)
        self._after = np.array(window[start + len(word) :], np.int32)
        self._room = max_pieces - len(self._before) - len(self._after)  # what special pieces leave
        self._own_types = Types()
        self._forget(self._own_types)

    def windows(self, sentences: Sequence[Sequence[str]]) -> Windows:
        """Cut sentences into windows, at word boundaries, that hold as many words as the encoder can read."""
        types_n, lengths_s = self._numbered(sentences)
        counts_n = self._counts[types_n]
        pieces_n = np.cumsum(counts_n)
        ends_w = self._window_ends(pieces_n, np.cumsum(lengths_s[lengths_s > 0]))
        words_w = np.diff(ends_w, prepend=0)
        lengths_w = np.diff(pieces_n[ends_w - 1], prepend=0) + len(self._before) + len(self._after)
        window_n = np.repeat(np.arange(len(words_w)), words_w)
        firsts_n = pieces_n - counts_n + window_n * (len(self._before) + len(self._after)) + len(self._before)

        pieces_p = np.empty(int(lengths_w.sum()), np.int32)
        stops_w = np.cumsum(lengths_w)
        for i, piece in enumerate(self._before):
            pieces_p[stops_w - lengths_w + i] = piece
        for i, piece in enumerate(self._after):
            pieces_p[stops_w - len(self._after) + i] = piece
        offsets_n = self._offsets[types_n]
        pieces_p[firsts_n] = self._pieces[offsets_n]
        longer = np.flatnonzero(counts_n > 1)
        more = counts_n[longer] - 1
        nth = np.arange(int(more.sum())) - np.repeat(np.cumsum(more) - more, more) + 1
        pieces_p[np.repeat(firsts_n[longer], more) + nth] = self._pieces[np.repeat(offsets_n[longer], more) + nth]
        return Windows(pieces_p, lengths_w, firsts_n, words_w)

    def spans(self, words: Iterable[str]) -> Iterator[list[tuple[int, int, int]]]:
        """Yield for each word the ids of its pieces, each with its begin and end in the word.

        Left out are unknown pieces, and those that stand for no characters, as a lone mark of a word's begin.
        """
        waiting = iter(words)
        while batch := [[word] for word in islice(waiting, WORDS_AT_ONCE)]:
            for encoding in self._backend.encode_batch(batch, is_pretokenized=True, add_special_tokens=False):
                pieces = zip(encoding.ids, encoding.offsets, strict=True)
                kept = [(piece, begin, end) for piece, (begin, end) in pieces if piece != self._unknown and begin < end]
                yield [now for now, after in zip_longest(kept, kept[1:]) if not after or now[1] < after[1]]

    def _numbered(self, sentences: Sequence[Sequence[str]]) -> tuple[np.ndarray, np.ndarray]:
        """Return the type of each word, int [N], whose pieces are known now, and the words of each sentence [S]."""
        if not isinstance(sentences, Sentences):
            if len(self._own_types) > MAX_TYPES:
                self._own_types = Types()
            sentences = Sentences.of(sentences, self._own_types)
        if sentences.types is not self._types:
            self._forget(sentences.types)
        self._learn()
        return sentences.numbers, sentences.lengths

    def _forget(self, types: Types) -> None:
        """Begin a new table, for other numbers of words."""
        self._types = types
        self._pieces = np.zeros(0, np.int32)
        self._offsets = np.zeros(0, np.int64)
        self._counts = np.zeros(0, np.int64)

    def _learn(self) -> None:
        """Tokenize the types that came since the last call."""
        new = self._types.words[len(self._counts) :]
        if not new:
            return
        encoded = self._backend.encode_batch([[word] for word in new], is_pretokenized=True, add_special_tokens=False)
        ids = [encoding.ids[: self._room] or [self._unknown] for encoding in encoded]
        counts = np.fromiter(map(len, ids), np.int64, len(ids))
        self._offsets = np.concatenate([self._offsets, len(self._pieces) + np.cumsum(counts) - counts])
        self._counts = np.concatenate([self._counts, counts])
        self._pieces = np.concatenate([self._pieces, np.fromiter(chain.from_iterable(ids), np.int32, counts.sum())])

    def _window_ends(self, pieces_n: np.ndarray, ends_s: np.ndarray) -> np.ndarray:
        """Return the end of each window in words, int64 [W]: the ends of the sentences, and cuts within long ones."""
        cuts = []
        for s in np.flatnonzero(np.diff(pieces_n[ends_s - 1], prepend=0) > self._room):
            first = int(ends_s[s - 1]) if s else 0
            while True:
                read = int(pieces_n[first - 1]) if first else 0
                first = int(np.searchsorted(pieces_n, read + self._room, side="right"))
                if first >= ends_s[s]:
                    break
                cuts.append(first)
        return np.sort(np.concatenate([ends_s, np.array(cuts, np.int64)])) if cuts else ends_s
