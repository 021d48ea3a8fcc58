"""From words to the pieces that an encoder reads: windows of sentences, and batches of windows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

MAX_PADDING = 0.02
"""Share of a batch that may be padding; small batches may have more."""


@dataclass(frozen=True, slots=True)
class Window:
    """Words of a sentence that follow one another and that the encoder reads at once."""

    pieces: list[int]
    """Ids of the pieces, special ones too."""
    firsts: list[int]
    """Place of each word's first piece in `pieces`."""


class PieceTable:
    """Maps words to pieces; each distinct word is tokenized once.

    Fast tokenizers split pre-split text word by word, so the pieces of a word do not depend on its neighbours.
    """

    def __init__(self, tokenizer: Any, max_pieces: int) -> None:
        self._backend = tokenizer.backend_tokenizer
        self._backend.no_truncation()
        self._backend.no_padding()
        self._unknown = tokenizer.unk_token_id if tokenizer.unk_token_id is not None else tokenizer.pad_token_id
        word = self._backend.encode(["a"], is_pretokenized=True, add_special_tokens=False).ids
        window = self._backend.encode(["a"], is_pretokenized=True).ids
        start = next(i for i in range(len(window)) if window[i : i + len(word)] == word)
        self._before, self._after = window[:start], window[start + len(word) :]
        self._room = max_pieces - len(self._before) - len(self._after)  # what special pieces leave
        self._pieces: dict[str, list[int]] = {}

    def windows(self, words: Sequence[str]) -> Iterator[Window]:
        """Cut a sentence into windows, at word boundaries, that hold as many words as the encoder can read."""
        self._learn(words)
        pieces: list[int] = []
        firsts: list[int] = []
        for word in words:
            word_pieces = self._pieces[word]
            if firsts and len(pieces) + len(word_pieces) > self._room:
                yield self._window(pieces, firsts)
                pieces, firsts = [], []
            firsts.append(len(self._before) + len(pieces))
            pieces.extend(word_pieces)
        if firsts:
            yield self._window(pieces, firsts)

    def pieces_of(self, words: Sequence[str]) -> list[list[int]]:
        """Return the piece ids of each word."""
        self._learn(words)
        return [self._pieces[word] for word in words]

    def _learn(self, words: Sequence[str]) -> None:
        new = [word for word in dict.fromkeys(words) if word not in self._pieces]
        if new:
            encoded = self._backend.encode_batch([[w] for w in new], is_pretokenized=True, add_special_tokens=False)
            for word, encoding in zip(new, encoded, strict=True):
                self._pieces[word] = encoding.ids[: self._room] or [self._unknown]

    def _window(self, pieces: list[int], firsts: list[int]) -> Window:
        return Window([*self._before, *pieces, *self._after], firsts)


def batch_windows(sizes: Sequence[int], batch_pieces: int) -> list[list[int]]:
    """Group windows of alike sizes into batches, the longest first; return the numbers of each batch's windows.

    A batch holds at most `batch_pieces` pieces, padded to its first; a new one begins before padding is more than
    `MAX_PADDING` of a batch that is at least an eighth of that. `sizes` are the pieces of each window.
    """
    batches: list[list[int]] = []
    pieces = 0
    for k in sorted(range(len(sizes)), key=lambda k: -sizes[k]):
        padded = (len(batches[-1]) + 1) * sizes[batches[-1][0]] if batches else 0
        too_loose = padded > batch_pieces // 8 and pieces + sizes[k] < (1 - MAX_PADDING) * padded
        if not batches or padded > batch_pieces or too_loose:
            batches.append([])
            pieces = 0
        batches[-1].append(k)
        pieces += sizes[k]
    return batches
