"""The student's forward pass over many sentences as machine code: from word types to labels, on one core.

It computes what `kdner.student.inference` does, with the arithmetic of `kdner.kernels`: 16-bit whole numbers in the
LSTM and float32 elsewhere. What depends on a word alone goes as far as the first LSTM's gates, and lies in a table with
a row for each distinct word ("type"). Sentences are sorted by length and advance together in groups.

The same words give the same digits, in any company, on any processor and on any number of threads.

Shapes: N words, S sentences, T types, D features of a word, H hidden units and L labels, rounded up to whole vectors.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from kdner.kernels import kernels
from kdner.kernels.labels import LEAST_LOGIT
from kdner.kernels.lstm import GATES, GROUP_SENTENCES, STATE_UNIT, TABLE_UNIT
from kdner.kernels.product import BLOCK
from kdner.kernels.trie import BEGINNING, CONTINUATION, Trie, code_points_of
from kdner.step_times import StepTimes
from kdner.student.network import Network
from kdner.student.vocabulary import MAX_PIECES, PADDING, UNKNOWN, Vocabulary, normalize

TYPES_AT_ONCE = 256
"""Types that are encoded together: their numbers stay in a core's own cache."""
LINE_BYTES = 64


class CompiledInference:
    """A network's weights at one moment, arranged for tagging.

    One thread may extend the table while others label or score words that are in it: what has been written stays.
    """

    def __init__(self, network: Network, *, room: int = 0, times: StepTimes | None = None) -> None:
        """Copy the weights of a network.

        Args:
            network: its word vectors and its vocabulary are used as they are.
            room: types that the table is expected to hold; more only cost a copy of it.
            times: where the seconds of its steps `LSTM` and `decode` are added.
        """
        self.kernels = kernels()
        weights = {name: values.detach().float().cpu().numpy() for name, values in network.state_dict().items()}
        self.times, self.labels = times or StepTimes(), len(network.labels)
        self.words = _Words.of(weights, network.vocabulary)
        lanes, hidden = self.kernels.lanes, network.config.hidden
        self.units, self.width = _rounded(hidden), _rounded(self.labels)
        self.layers = [
            _Layer.of(
                {name: weights[f"encoder.{number}.{name}"] for name in ("inputs", "recurrent", "bias")}, lanes, number
            )
            for number in range(network.config.layers)
        ]
        output = weights["output.weight"].T.reshape(2, hidden, -1)
        self.output = _in_blocks(_filled(output, (2, self.units, self.width)).reshape(2 * self.units, self.width))
        self.bias = _filled(weights["output.bias"], (self.width,), LEAST_LOGIT)
        self.chain = _Chain.of(weights, network, self.width)
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
        for group, logits in self._groups(types, lengths):
            with self.times.step("decode"):
                best = self._best(logits, group)
                labels[group.words] = best
                probabilities[group.words] = self._probabilities(logits, best, group)
        return labels, probabilities

    def score(self, types: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Return logits, float32 [N, L], of which a CRF head's are logarithms of marginal probabilities.

        The arguments are those of `label`.
        """
        scores = np.empty((len(types), self.labels), np.float32)
        for group, logits in self._groups(types, lengths):
            if self.chain.crf:
                logits = np.log(np.maximum(self._marginals(logits, group), 1e-9))
            scores[group.words] = logits[:, : self.labels]
        return scores

    def _groups(self, types: np.ndarray, lengths: np.ndarray) -> Iterator[tuple[_Group, np.ndarray]]:
        """Yield sentences of alike lengths, with the logits of their words, [N, L]."""
        table = self.gates  # a larger one may take its place meanwhile
        types = np.ascontiguousarray(types, np.int32)
        starts = np.cumsum(lengths) - lengths
        order = np.argsort(-lengths, kind="stable")
        scratch = _Scratch.of(self.units)
        for first in range(0, len(order), GROUP_SENTENCES):
            chosen = order[first : first + GROUP_SENTENCES]
            group = _Group.of(starts[chosen], lengths[chosen])
            with self.times.step("LSTM"):
                hidden = self._recur(self.layers[0], table, types, group.firsts, group, scratch)
                for layer in self.layers[1:]:
                    gates = np.empty((group.size, 2, GATES * self.units), np.int16)
                    self._enter(hidden, layer, gates)
                    numbers = np.arange(group.size, dtype=np.int32)
                    hidden = self._recur(layer, gates, numbers, group.places, group, scratch)
                logits = self._product(hidden, self.output, self.bias)
            yield group, logits

    def _recur(
        self,
        layer: _Layer,
        table: np.ndarray,
        types: np.ndarray,
        firsts: np.ndarray,
        group: _Group,
        scratch: _Scratch,
    ) -> np.ndarray:
        """Return the states of both directions at each word, [N, 2 H]."""
        hidden = np.empty((group.size, 2 * self.units), np.float32)
        words = _addresses(types, firsts, group.places, group.lengths)
        table_address, out = _addresses(table, hidden)
        for back, (weights, scales) in enumerate(layer.recurrent):
            self.kernels.recur(
                *words, len(group.lengths), table_address, weights, scales, *scratch.addresses, out, self.units, back
            )
        return hidden

    def _best(self, logits: np.ndarray, group: _Group) -> np.ndarray:
        chain = self.chain
        labels = np.empty(group.size, np.int64)
        totals, arrows = np.empty((2, self.width), np.float32), np.empty((group.longest, self.width), np.int32)
        self.kernels.viterbi(
            *_addresses(logits, group.places, group.lengths),
            len(group.lengths),
            *_addresses(chain.start, chain.transitions, chain.end, totals, arrows, labels),
            self.width,
            self.labels,
        )
        return labels

    def _probabilities(self, logits: np.ndarray, labels: np.ndarray, group: _Group) -> np.ndarray:
        if self.chain.crf:
            return self._marginals(logits, group)[np.arange(group.size), labels]
        probabilities = np.empty(group.size, np.float32)
        self.kernels.softmax(*_addresses(logits, labels, probabilities), group.size, self.width)
        return probabilities

    def _marginals(self, logits: np.ndarray, group: _Group) -> np.ndarray:
        """Return the probability of each label at each word under a CRF, [N, L]."""
        marginals = np.empty_like(logits)
        scratch = np.empty((group.longest + 2, self.width), np.float32)
        self.kernels.marginals(
            *_addresses(logits, group.places, group.lengths),
            len(group.lengths),
            *_addresses(*self.chain.chances, scratch[2:], scratch, marginals),
            self.width,
            self.labels,
        )
        return marginals


class _Group(NamedTuple):
    """Sentences that advance together, by falling length."""

    firsts: np.ndarray  # int64 [G], places of their first words among all
    lengths: np.ndarray  # int64 [G]
    places: np.ndarray  # int64 [G], places of their first words when they follow one another
    words: np.ndarray  # int64 [N], places of their words among all

    @classmethod
    def of(cls, firsts: np.ndarray, lengths: np.ndarray) -> _Group:
        ends = np.cumsum(lengths)
        places = ends - lengths
        return cls(firsts, lengths, places, np.arange(ends[-1]) + np.repeat(firsts - places, lengths))

    @property
    def size(self) -> int:
        return len(self.words)

    @property
    def longest(self) -> int:
        return int(self.lengths[0])


class _Scratch(NamedTuple):
    """What an LSTM needs while it runs; cells, states, offsets, in the order of the kernel's arguments."""

    arrays: tuple[np.ndarray, ...]
    addresses: list[int]

    @classmethod
    def of(cls, units: int) -> _Scratch:
        cells = _aligned((GROUP_SENTENCES, units), np.float32)
        states = _aligned((2, GROUP_SENTENCES, units), np.int16)
        offsets = np.empty((2, GROUP_SENTENCES), np.int64)
        return cls((cells, states, offsets), _addresses(cells, states, offsets))


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
    """What the first label, each label after each, and the last one add to a path."""

    crf: bool
    start: np.ndarray  # float32 [L]
    transitions: np.ndarray  # float32 [L, L]
    end: np.ndarray  # float32 [L]
    chances: tuple[np.ndarray, ...]  # e to the power of these, as `marginals` wants them

    @classmethod
    def of(cls, weights: Mapping[str, np.ndarray], network: Network, width: int) -> _Chain:
        names = ("start_transitions", "transitions", "end_transitions")
        costs = [getattr(network.grammar, name).cpu().numpy() for name in names]
        if network.crf is not None:
            costs = [cost + weights[f"crf.{name}"] for cost, name in zip(costs, names, strict=True)]
        start, transitions, end = (_filled(np.maximum(cost, LEAST_LOGIT), (width,) * cost.ndim) for cost in costs)
        chances = [np.exp(cost - cost.max()).astype(np.float32) for cost in costs]
        first, onward, last = (_filled(chance, (width,) * chance.ndim) for chance in chances)
        return cls(network.crf is not None, start, transitions, end, (first, onward, _aligned_copy(onward.T), last))


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
