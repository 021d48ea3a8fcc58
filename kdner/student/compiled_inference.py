"""The student's forward pass over many sentences as machine code: from word types to labels, on one core.

It computes what `kdner.student.inference` does, with the arithmetic of `kdner.kernels`: 16-bit whole numbers in the
LSTM and float32 elsewhere. What depends on a word alone goes as far as the first LSTM's gates, and lies in a table with
a row for each distinct word ("type"). Sentences are sorted by length and advance together in groups.

The same words give the same digits, in any company, on any processor and on any number of threads.

Shapes: N words, S sentences, T types, D features of a word, H hidden units and L labels, rounded up to whole vectors.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from typing import NamedTuple

import numpy as np

from kdner.kernels import kernels
from kdner.kernels.labels import LEAST_LOGIT
from kdner.kernels.lstm import GATES, GROUP_SENTENCES, STATE_UNIT, TABLE_UNIT
from kdner.kernels.product import BLOCK
from kdner.kernels.trie import BEGINNING, CONTINUATION, Trie, code_points_of
from kdner.labels.grammar import iob2_costs
from kdner.step_times import StepTimes
from kdner.student.saved import SavedStudent
from kdner.student.vocabulary import MAX_PIECES, PADDING, UNKNOWN, Vocabulary, normalize

TYPES_AT_ONCE = 256
"""Types that are encoded together: their numbers stay in a core's own cache."""
SMALL_WORDS = 256
"""For so few words the memory of a call is kept for the next one."""
LEAST_MARGINAL = 1e-9
LINE_BYTES = 64


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
        self.words = _Words.of(weights, student.vocabulary)
        lanes, hidden = self.kernels.lanes, student.config.hidden
        self.units, self.width = _rounded(hidden), _rounded(self.labels)
        self.layers = [
            _Layer.of(
                {name: weights[f"encoder.{number}.{name}"] for name in ("inputs", "recurrent", "bias")}, lanes, number
            )
            for number in range(student.config.layers)
        ]
        output = weights["output.weight"].T.reshape(2, hidden, -1)
        self.output = _in_blocks(_filled(output, (2, self.units, self.width)).reshape(2 * self.units, self.width))
        self.bias = _filled(weights["output.bias"], (self.width,), LEAST_LOGIT)
        self.output_at = _addresses(self.output, self.bias)
        self.chain = _Chain.of(student, self.width)
        self._small = threading.local()
        self.gates = _aligned((room, 2, GATES * self.units), np.int16)
        self.types = 0

    def extend(self, types: Sequence[str]) -> None:
        """Append rows for more types to the table."""
        needed = self.types + len(types)
        if needed > len(self.gates):
            grown = _aligned((max(needed, 2 * len(self.gates)), *self.gates.shape[1:]), np.int16)
            grown[: self.types] = self.gates[: self.types]
            self.gates = grown
        for first in range(0, len(types), TYPES_AT_ONCE):
            part = types[first : first + TYPES_AT_ONCE]
            self._enter(self._encode(part), self.layers[0], self.gates[self.types : self.types + len(part)])
            self.types += len(part)

    def keeping(self, kept: np.ndarray) -> CompiledInference:
        """Return an engine with the rows that are kept, bool [T], in the same order; this one stays as it is."""
        other = copy(self)
        other.gates, other.types = _aligned(self.gates.shape, np.int16), int(kept.sum())
        np.compress(kept, self.gates[: self.types], axis=0, out=other.gates[: other.types])
        return other

    def _encode(self, types: Sequence[str]) -> np.ndarray:
        """Return what `Network.encode` does: [T, D]."""
        words = self.words
        normalized = list(map(normalize, types))
        own = words.vocabulary.own_rows(normalized)
        pieces = self._pieces(normalized)
        characters, ends = words.vocabulary.characters_of(types)
        out = np.empty((len(types), words.vectors.shape[1] + len(words.bias)), np.float32)
        places, known, filters = words.answers.shape
        self.kernels.encode(
            *_addresses(words.vectors, own, pieces, characters, ends, words.answers, words.bias, out),
            *(len(types), MAX_PIECES, words.vectors.shape[1], filters, known, places),
        )
        return out

    def _pieces(self, normalized: Sequence[str]) -> np.ndarray:
        """Return the rows of the pieces of words, int64 [T, MAX_PIECES], padded with 0."""
        pieces = np.full((len(normalized), MAX_PIECES), PADDING)
        trie = self.words.trie
        if trie is None:
            pieces[:, 0] = UNKNOWN
            return pieces
        lengths = np.fromiter(map(len, normalized), np.int64, len(normalized))
        characters, ends = code_points_of("".join(normalized)), np.cumsum(lengths)
        found = np.empty(int(lengths.max()), np.int32)
        self.kernels.pieces(
            *_addresses(characters, ends, trie.keys, trie.nodes, trie.rows, found, pieces),
            *(len(normalized), MAX_PIECES, trie.shift, trie.mask, BEGINNING, CONTINUATION, UNKNOWN),
        )
        return pieces

    def _enter(self, x: np.ndarray, layer: _Layer, table: np.ndarray) -> None:
        """Write what the inputs of a layer alone give into rows of a table."""
        sums = self._product(np.ascontiguousarray(x), layer.inputs, layer.bias)
        sums *= 1 / TABLE_UNIT
        limits = np.iinfo(np.int16)
        np.rint(sums, out=sums).clip(limits.min, limits.max, out=sums)
        table[...] = sums.reshape(table.shape)

    def _product(self, x: np.ndarray, weights: np.ndarray, bias: np.ndarray) -> np.ndarray:
        out = np.empty((len(x), len(bias)), np.float32)
        self.kernels.product(*_addresses(x, weights, bias, out), *x.shape, len(bias))
        return out

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
                    self._enter(room.hidden[: group.size], layer, gates)
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
        self, layer: _Layer, group: _Group, room: _Room, table: np.ndarray, types: np.ndarray, firsts: np.ndarray
    ) -> None:
        """Write the states of both directions at each word."""
        words = _addresses(types, firsts, group.places, group.lengths)
        (table_at,) = _addresses(table)
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
        words = _addresses(group.places, group.lengths)
        sizes = self.width, self.labels
        self.kernels.viterbi(
            *(room.logits_at, *words, len(group.lengths), *self.chain.costs_at, *room.search_at, room.labels_at, *sizes)
        )

    def _marginals(self, group: _Group, room: _Room) -> None:
        """Write, in place of the logits, the probability of each label at each word under a CRF."""
        words = _addresses(group.places, group.lengths)
        marginals, scratch = np.empty_like(room.logits), np.empty((group.longest + 2, self.width), np.float32)
        out = _addresses(scratch[2:], scratch, marginals)
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
        self.hidden = _aligned((words, 2 * units), np.float32)
        self.logits = _aligned((words, width), np.float32)
        self.labels = np.empty(words, np.int64)
        self.probabilities = np.empty(words, np.float32)
        self.scratch = (
            _aligned((GROUP_SENTENCES, units), np.float32),
            _aligned((2, GROUP_SENTENCES, units), np.int16),
            np.empty((2, GROUP_SENTENCES), np.int64),
        )
        self.search = np.empty((2, width), np.float32), np.empty((longest, width), np.int32)
        results = self.hidden, self.logits, self.labels, self.probabilities
        self.hidden_at, self.logits_at, self.labels_at, self.probabilities_at = _addresses(*results)
        self.scratch_at, self.search_at = _addresses(*self.scratch), _addresses(*self.search)


class _Words(NamedTuple):
    """What words are encoded with."""

    vocabulary: Vocabulary
    trie: Trie | None  # of the pieces; None where every word is one unknown piece
    vectors: np.ndarray  # float32 [rows, W]
    answers: np.ndarray  # float32 [K, V, F], what each character adds to each filter at each of its places
    bias: np.ndarray  # float32 [F]

    @classmethod
    def of(cls, weights: Mapping[str, np.ndarray], vocabulary: Vocabulary) -> _Words:
        characters = weights["characters.weight"].copy()
        characters[PADDING] = 0
        answers = np.einsum("ve,fek->kvf", characters, weights["filters.weight"])
        first_piece = UNKNOWN + 1 + len(vocabulary.words)
        trie = Trie.of(vocabulary.beginnings, vocabulary.continuations, first_piece) if vocabulary.beginnings else None
        return cls(vocabulary, trie, weights["words.weight"], np.ascontiguousarray(answers), weights["filters.bias"])


class _Layer(NamedTuple):
    """The weights of a bidirectional LSTM as `kernels` reads them; the sums of sigmoids are halved."""

    inputs: np.ndarray  # float32 [2 * 4 H / BLOCK, D, BLOCK]
    bias: np.ndarray  # float32 [2 * 4 H]
    recurrent: list[list[int]]  # of each direction the addresses of weights and scales
    arrays: list[np.ndarray]  # what lies there

    @classmethod
    def of(cls, lstm: Mapping[str, np.ndarray], lanes: int, number: int) -> _Layer:
        """Arrange the weights of a `BidirectionalLSTM`; one that is not the first reads states of both directions."""
        inputs, recurrent = lstm["inputs"], lstm["recurrent"]
        hidden = recurrent.shape[1]
        units = _rounded(hidden)

        def by_block(weights: np.ndarray) -> np.ndarray:
            """Turn [..., 4 H] into [..., H / lanes, 4, lanes]."""
            *outer, _ = weights.shape
            halved = weights.reshape(*outer, GATES, hidden) * np.array([0.5, 0.5, 1, 0.5], np.float32)[:, None]
            filled = _filled(halved, (*outer, GATES, units)).reshape(*outer, GATES, units // lanes, lanes)
            return filled.swapaxes(-3, -2)

        if number:
            states = inputs.reshape(2, 2, hidden, -1)
            inputs = _filled(states, (2, 2, units, states.shape[-1])).reshape(2, 2 * units, -1)
        columns = 2 * GATES * units
        arrays = [array for weights in recurrent for array in _whole_numbers(by_block(weights), units)]
        return cls(
            _in_blocks(by_block(inputs).swapaxes(0, 1).reshape(inputs.shape[1], columns)),
            _aligned_copy(by_block(lstm["bias"]).reshape(columns)),
            [_addresses(*arrays[:2]), _addresses(*arrays[2:])],
            arrays,
        )


def _whole_numbers(weights: np.ndarray, units: int) -> tuple[np.ndarray, np.ndarray]:
    """Turn the recurrent weights of a direction, [H, H / lanes, 4, lanes], into whole numbers and their scales.

    A gate's scale is the largest with which neither a weight leaves 16 bits nor any sum 32.
    """
    filled = _filled(weights.astype(np.float64), (units, *weights.shape[1:]))
    magnitudes = np.abs(filled)
    most = np.maximum(magnitudes.max(axis=0), 1e-9) / np.iinfo(np.int16).max
    all_together = np.maximum(magnitudes.sum(axis=0), 1e-9) / (
        (np.iinfo(np.int32).max - units / STATE_UNIT) * STATE_UNIT
    )
    scales = np.maximum(most, all_together)
    numbers = np.rint(filled / scales).astype(np.int16).reshape(units // 2, 2, *weights.shape[1:])
    return _aligned_copy(numbers.transpose(2, 0, 3, 4, 1)), _aligned_copy((scales * STATE_UNIT).astype(np.float32))


class _Chain(NamedTuple):
    """What the first label, each label after each, and the last one add to a path, as the kernels read it."""

    crf: bool
    costs_at: list[int]
    chances_at: list[int]  # of e to the power of these; after each label also by the label that follows
    arrays: list[np.ndarray]  # what lies there

    @classmethod
    def of(cls, student: SavedStudent, width: int) -> _Chain:
        crf = student.config.head == "crf"
        costs = [
            cost + student.weights[f"crf.{name}"] if crf else cost for name, cost in iob2_costs(student.labels).items()
        ]
        filled = [_filled(np.maximum(cost, LEAST_LOGIT), (width,) * cost.ndim) for cost in costs]
        chances = [_filled(np.exp(cost - cost.max()), (width,) * cost.ndim) for cost in costs]
        chances.insert(2, np.ascontiguousarray(chances[1].T))
        return cls(crf, _addresses(*filled), _addresses(*chances), filled + chances)


def _rounded(count: int) -> int:
    """Return a number of whole blocks, which are whole vectors too."""
    return -(-count // BLOCK) * BLOCK


def _in_blocks(weights: np.ndarray) -> np.ndarray:
    """Turn [K, C] into what `product` reads, [C / BLOCK, K, BLOCK]."""
    return _aligned_copy(weights.reshape(len(weights), -1, BLOCK).swapaxes(0, 1))


def _filled(values: np.ndarray, shape: tuple[int, ...], filling: float = 0) -> np.ndarray:
    """Return values at the beginning of a larger array."""
    filled = np.full(shape, filling, values.dtype)
    filled[tuple(map(slice, values.shape))] = values
    return filled


def _aligned(shape: tuple[int, ...], dtype: type) -> np.ndarray:
    """Return an array that begins where a line of the cache does."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.empty(size + LINE_BYTES, np.uint8)
    first = -memory.ctypes.data % LINE_BYTES
    return memory[first : first + size].view(dtype).reshape(shape)


def _aligned_copy(values: np.ndarray) -> np.ndarray:
    copy = _aligned(values.shape, values.dtype.type)
    copy[...] = values
    return copy


def _addresses(*arrays: np.ndarray) -> list[int]:
    return [array.ctypes.data for array in arrays]
