"""The student's forward pass over many sentences as machine code: from word types to labels, on one core.

It computes what `kdner.student.inference` does, with the arithmetic of `kdner.kernels`: 16-bit whole numbers in the
LSTM and float32 elsewhere. What depends on a word alone goes as far as the first LSTM's gates, and lies in a table with
a row for each distinct word ("type"). Sentences are sorted by length and advance together in groups.

The same words give the same digits, in any company, on any processor and on any number of threads.

Shapes: N words, S sentences, T types, D features of a word, H hidden units and L labels, rounded up to whole vectors.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from copy import copy
from typing import NamedTuple

import numpy as np

from kdner.kernels import kernels
from kdner.kernels.labels import LEAST_LOGIT
from kdner.kernels.lstm import GATES, GROUP_SENTENCES
from kdner.kernels.trie import BEGINNING, CONTINUATION, code_points_of
from kdner.step_times import StepTimes
from kdner.student.compiled_weights import (
    LabelChain,
    LayerWeights,
    WordWeights,
    addresses_of,
    aligned,
    filled_up,
    in_blocks,
    rounded,
)
from kdner.student.saved import SavedStudent
from kdner.student.vocabulary import MAX_PIECES, UNKNOWN, normalize

TYPES_AT_ONCE = 256
"""Types that are encoded together: their numbers stay in a core's own cache."""
MOST_CHARACTERS = 256
"""Of a word, for which there is memory at once; more only cost more of it."""
SMALL_WORDS = 256
"""For so few words the memory of a call is kept for the next one."""
LEAST_MARGINAL = 1e-9


class CompiledInference:
    """A student's weights at one moment, arranged for tagging.

    One thread may extend the table while others label or score words that are in it: what has been written stays.
    """

    def __init__(self, student: SavedStudent, *, room: int = 0, times: StepTimes | None = None) -> None:
        """Copy the weights of a student.

        Args:
            student: its word vectors and its vocabulary are used as they are.
            room: types that the table is expected to hold; more only cost a copy of it.
            times: where the seconds of its steps `LSTM` and `decode` are added.
        """
        self.kernels = kernels()
        weights = student.weights
        self.times, self.labels = times or StepTimes(), len(student.labels)
        self.words = WordWeights.of(weights, student.vocabulary)
        lanes, hidden = self.kernels.lanes, student.config.hidden
        self.units, self.width = rounded(hidden), rounded(self.labels)
        self.layers = [
            LayerWeights.of(
                {name: weights[f"encoder.{number}.{name}"] for name in ("inputs", "recurrent", "bias")}, lanes, number
            )
            for number in range(student.config.layers)
        ]
        output = weights["output.weight"].T.reshape(2, hidden, -1)
        self.output = in_blocks(filled_up(output, (2, self.units, self.width)).reshape(2 * self.units, self.width))
        self.bias = filled_up(weights["output.bias"], (self.width,), LEAST_LOGIT)
        self.output_at = addresses_of(self.output, self.bias)
        self.chain = LabelChain.of(student, self.width)
        self._small = threading.local()
        self.gates = aligned((room, 2, GATES * self.units), np.int16)
        self.types = 0

    def extend(self, types: Sequence[str]) -> None:
        """Append rows for more types to the table."""
        needed = self.types + len(types)
        if needed > len(self.gates):
            grown = aligned((max(needed, 2 * len(self.gates)), *self.gates.shape[1:]), np.int16)
            grown[: self.types] = self.gates[: self.types]
            self.gates = grown
        for first in range(0, len(types), TYPES_AT_ONCE):
            part = types[first : first + TYPES_AT_ONCE]
            self._enter_words(part)
            self.types += len(part)

    def keeping(self, kept: np.ndarray) -> CompiledInference:
        """Return an engine with the rows that are kept, bool [T], in the same order; this one stays as it is."""
        other = copy(self)
        other.gates, other.types = aligned(self.gates.shape, np.int16), int(kept.sum())
        np.compress(kept, self.gates[: self.types], axis=0, out=other.gates[: other.types])
        return other

    def _enter_words(self, types: Sequence[str]) -> None:
        """Write the rows of at most `TYPES_AT_ONCE` types after those of the table."""
        words, room = self.words, self._words_room()
        normalized = list(map(normalize, types))
        lengths = np.fromiter(map(len, normalized), np.int64, len(normalized))
        characters, ends = words.vocabulary.characters_of(types)
        given = code_points_of("".join(normalized)), lengths.cumsum(), words.vocabulary.own_rows(normalized)
        self.kernels.enter_words(
            *addresses_of(*given, characters, ends, self.gates[self.types :]),
            *words.at,
            *self.layers[0].inputs_at,
            *room.at(int(lengths.max())),
            *(len(types), words.most, words.trie.shift, words.trie.mask, BEGINNING, CONTINUATION, UNKNOWN),
            *words.sizes,
            2 * GATES * self.units,
        )

    def _words_room(self) -> _WordsRoom:
        """Return memory for types, which this thread has had before."""
        room: _WordsRoom | None = getattr(self._small, "words", None)
        if room is None:
            room = self._small.words = _WordsRoom(self.words.features)
        return room

    def label(self, types: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return label ids, int64 [N], and their probabilities, float32 [N].

        Args:
            types: int32 [N], rows of the table.
            lengths: int64 [S], words of each sentence, at least 1; sums to N.
        """
        labels, probabilities = np.empty(len(types), np.int64), np.empty(len(types), np.float32)
        for group, room in self._groups(types, lengths):
            with self.times.step("decode"):
                self._search(group, room)
                labels[group.words] = room.labels[: group.size]
                if self.chain.crf:
                    self._marginals(group, room)
                    probabilities[group.words] = room.logits[np.arange(group.size), room.labels[: group.size]]
                else:
                    addresses = room.logits_at, room.labels_at, room.probabilities_at
                    self.kernels.softmax(*addresses, group.size, self.width)
                    probabilities[group.words] = room.probabilities[: group.size]
        return labels, probabilities

    def score(self, types: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Return logits, float32 [N, L], of which a CRF head's are logarithms of marginal probabilities.

        The arguments are those of `label`.
        """
        scores = np.empty((len(types), self.labels), np.float32)
        for group, room in self._groups(types, lengths):
            if self.chain.crf:
                self._marginals(group, room)
            scores[group.words] = room.logits[: group.size, : self.labels]
        return np.log(np.maximum(scores, LEAST_MARGINAL)) if self.chain.crf else scores

    def _groups(self, types: np.ndarray, lengths: np.ndarray) -> Iterator[tuple[_Group, _Room]]:
        """Yield sentences of alike lengths, and a room with the logits of their words."""
        table = self.gates  # a larger one may take its place meanwhile
        types = np.ascontiguousarray(types, np.int32)
        room: _Room | None = None
        for group in _grouped(np.ascontiguousarray(lengths, np.int64)):
            if room is None:  # no later group has more words, nor longer sentences
                room = self._room(group.size, group.longest)
            with self.times.step("LSTM"):
                self._recur(self.layers[0], group, room, table, types, group.firsts)
                for layer in self.layers[1:]:
                    gates = np.empty((group.size, 2, GATES * self.units), np.int16)
                    sizes = group.size, 2 * self.units, 2 * GATES * self.units
                    self.kernels.enter(room.hidden_at, *layer.inputs_at, *addresses_of(gates), *sizes)
                    self._recur(layer, group, room, gates, np.arange(group.size, dtype=np.int32), group.places)
                self.kernels.product(
                    *(room.hidden_at, *self.output_at, room.logits_at, group.size, 2 * self.units, self.width)
                )
            yield group, room

    def _room(self, words: int, longest: int) -> _Room:
        """Return memory for a call; a small one that this thread has had before, if that is enough."""
        if words > SMALL_WORDS:
            return _Room(words, longest, self.units, self.width)
        small: _Room | None = getattr(self._small, "room", None)
        if small is None:
            small = self._small.room = _Room(SMALL_WORDS, SMALL_WORDS, self.units, self.width)
        return small

    def _recur(
        self, layer: LayerWeights, group: _Group, room: _Room, table: np.ndarray, types: np.ndarray, firsts: np.ndarray
    ) -> None:
        """Write the states of both directions at each word."""
        words = addresses_of(types, firsts, group.places, group.lengths)
        (table_at,) = addresses_of(table)
        for back, (weights, scales) in enumerate(layer.recurrent):
            self.kernels.recur(
                *words,
                len(group.lengths),
                table_at,
                weights,
                scales,
                *room.scratch_at,
                room.hidden_at,
                self.units,
                back,
            )

    def _search(self, group: _Group, room: _Room) -> None:
        """Write the best labels of the logits."""
        words = addresses_of(group.places, group.lengths)
        sizes = self.width, self.labels
        self.kernels.viterbi(
            *(room.logits_at, *words, len(group.lengths), *self.chain.costs_at, *room.search_at, room.labels_at, *sizes)
        )

    def _marginals(self, group: _Group, room: _Room) -> None:
        """Write, in place of the logits, the probability of each label at each word under a CRF."""
        words = addresses_of(group.places, group.lengths)
        marginals, scratch = np.empty_like(room.logits), np.empty((group.longest + 2, self.width), np.float32)
        out = addresses_of(scratch[2:], scratch, marginals)
        sizes = self.width, self.labels
        self.kernels.marginals(*(room.logits_at, *words, len(group.lengths), *self.chain.chances_at, *out, *sizes))
        room.logits[: group.size] = marginals[: group.size]


class _Group(NamedTuple):
    """Sentences that advance together, by falling length."""

    firsts: np.ndarray  # int64 [G], places of their first words among all
    lengths: np.ndarray  # int64 [G]
    places: np.ndarray  # int64 [G], places of their first words when they follow one another
    words: np.ndarray | slice  # int64 [N], places of their words among all
    size: int  # N
    longest: int


def _grouped(lengths: np.ndarray) -> Iterator[_Group]:
    if len(lengths) == 1:
        size = int(lengths[0])
        yield _Group(_ZERO, lengths, _ZERO, slice(size), size, size)
        return
    starts = np.cumsum(lengths) - lengths
    order = np.argsort(-lengths, kind="stable")
    for first in range(0, len(order), GROUP_SENTENCES):
        chosen = order[first : first + GROUP_SENTENCES]
        firsts, own = starts[chosen], lengths[chosen]
        ends = np.cumsum(own)
        places, size = ends - own, int(ends[-1])
        yield _Group(firsts, own, places, np.arange(size) + np.repeat(firsts - places, own), size, int(own[0]))


_ZERO = np.zeros(1, np.int64)


class _Room:
    """Memory for a group of at most `words` words, in sentences of at most `longest`, and its addresses."""

    def __init__(self, words: int, longest: int, units: int, width: int) -> None:
        self.hidden = aligned((words, 2 * units), np.float32)
        self.logits = aligned((words, width), np.float32)
        self.labels = np.empty(words, np.int64)
        self.probabilities = np.empty(words, np.float32)
        self.scratch = (
            aligned((GROUP_SENTENCES, units), np.float32),
            aligned((2, GROUP_SENTENCES, units), np.int16),
            np.empty((2, GROUP_SENTENCES), np.int64),
        )
        self.search = np.empty((2, width), np.float32), np.empty((longest, width), np.int32)
        results = self.hidden, self.logits, self.labels, self.probabilities
        self.hidden_at, self.logits_at, self.labels_at, self.probabilities_at = addresses_of(*results)
        self.scratch_at, self.search_at = addresses_of(*self.scratch), addresses_of(*self.search)


class _WordsRoom:
    """Memory for at most `TYPES_AT_ONCE` types, of so many features, and its addresses."""

    def __init__(self, features: int) -> None:
        self.found = np.empty(MOST_CHARACTERS, np.int32)
        self.pieces = np.empty((TYPES_AT_ONCE, MAX_PIECES), np.int64)
        self.features = np.empty((TYPES_AT_ONCE, features), np.float32)
        self._at = addresses_of(self.found, self.pieces, self.features)

    def at(self, longest: int) -> list[int]:
        """Return its addresses, with room for the pieces of a word of so many characters."""
        if longest > len(self.found):
            self.found = np.empty(longest, np.int32)
            self._at = addresses_of(self.found, self.pieces, self.features)
        return self._at
