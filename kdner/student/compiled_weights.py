"""A student's weights as the machine code of `kdner.kernels` reads them.

Shapes: D inputs of a layer, H hidden units and L labels, rounded up to whole blocks; others as in `kdner.kernels`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import numpy as np

from kdner.kernels.labels import LEAST_LOGIT
from kdner.kernels.lstm import GATES, STATE_UNIT
from kdner.kernels.product import BLOCK
from kdner.kernels.trie import Trie
from kdner.labels.grammar import iob2_costs
from kdner.student.saved import SavedStudent
from kdner.student.vocabulary import MAX_PIECES, PADDING, UNKNOWN, Vocabulary

LINE_BYTES = 64
"""Of a line of the cache."""


class WordWeights(NamedTuple):
    """What words are encoded with."""

    vocabulary: Vocabulary
    trie: Trie  # of the pieces
    most: int  # pieces that a word is seen by; 1 where every word is one unknown piece
    at: list[int]  # where the arrays lie, as `enter_words` takes them
    sizes: tuple[int, int, int, int]  # W and F of the features, V and K of the characters
    arrays: list[np.ndarray]  # what lies there

    @classmethod
    def of(cls, weights: Mapping[str, np.ndarray], vocabulary: Vocabulary) -> WordWeights:
        """Arrange what `Network.encode` computes with."""
        characters = weights["characters.weight"].copy()
        characters[PADDING] = 0
        answers = np.einsum("ve,fek->kvf", characters, weights["filters.weight"])
        first_piece = UNKNOWN + 1 + len(vocabulary.words)
        trie = Trie.of(vocabulary.beginnings, vocabulary.continuations, first_piece)
        own = map(np.ascontiguousarray, (weights["words.weight"], answers, weights["filters.bias"]))
        arrays = [trie.keys, trie.nodes, trie.rows, *own]
        places, known, filters = answers.shape
        sizes = weights["words.weight"].shape[1], filters, known, places
        return cls(vocabulary, trie, MAX_PIECES if vocabulary.beginnings else 1, addresses_of(*arrays), sizes, arrays)

    @property
    def features(self) -> int:
        """Return how many numbers a word is encoded by."""
        return self.sizes[0] + self.sizes[1]


class LayerWeights(NamedTuple):
    """The weights of a bidirectional LSTM as `kernels` reads them; the sums of sigmoids are halved."""

    inputs_at: list[int]  # where float32 [2 * 4 H / BLOCK, D, BLOCK] and biases, float32 [2 * 4 H], lie
    recurrent: list[list[int]]  # of each direction the addresses of weights and scales
    arrays: list[np.ndarray]  # what lies there

    @classmethod
    def of(cls, lstm: Mapping[str, np.ndarray], lanes: int, number: int) -> LayerWeights:
        """Arrange the weights of a `BidirectionalLSTM`; one that is not the first reads states of both directions."""
        inputs, recurrent = lstm["inputs"], lstm["recurrent"]
        hidden = recurrent.shape[1]
        units = rounded(hidden)

        def by_block(weights: np.ndarray) -> np.ndarray:
            """Turn [..., 4 H] into [..., H / lanes, 4, lanes]."""
            *outer, _ = weights.shape
            halved = weights.reshape(*outer, GATES, hidden) * np.array([0.5, 0.5, 1, 0.5], np.float32)[:, None]
            filled = filled_up(halved, (*outer, GATES, units)).reshape(*outer, GATES, units // lanes, lanes)
            return filled.swapaxes(-3, -2)

        if number:
            states = inputs.reshape(2, 2, hidden, -1)
            inputs = filled_up(states, (2, 2, units, states.shape[-1])).reshape(2, 2 * units, -1)
        columns = 2 * GATES * units
        arrays = [
            in_blocks(by_block(inputs).swapaxes(0, 1).reshape(inputs.shape[1], columns)),
            aligned_copy(by_block(lstm["bias"]).reshape(columns)),
            *(array for weights in recurrent for array in _whole_numbers(by_block(weights), units)),
        ]
        inputs_at, ahead_at, back_at = (addresses_of(*arrays[first : first + 2]) for first in (0, 2, 4))
        return cls(inputs_at, [ahead_at, back_at], arrays)


def _whole_numbers(weights: np.ndarray, units: int) -> tuple[np.ndarray, np.ndarray]:
    """Turn the recurrent weights of a direction, [H, H / lanes, 4, lanes], into whole numbers and their scales.

    A gate's scale is the largest with which neither a weight leaves 16 bits nor any sum 32.
    """
    filled = filled_up(weights.astype(np.float64), (units, *weights.shape[1:]))
    magnitudes = np.abs(filled)
    most = np.maximum(magnitudes.max(axis=0), 1e-9) / np.iinfo(np.int16).max
    all_together = np.maximum(magnitudes.sum(axis=0), 1e-9) / (
        (np.iinfo(np.int32).max - units / STATE_UNIT) * STATE_UNIT
    )
    scales = np.maximum(most, all_together)
    numbers = np.rint(filled / scales).astype(np.int16).reshape(units // 2, 2, *weights.shape[1:])
    return aligned_copy(numbers.transpose(2, 0, 3, 4, 1)), aligned_copy((scales * STATE_UNIT).astype(np.float32))


class LabelChain(NamedTuple):
    """What the first label, each label after each, and the last one add to a path, as the kernels read it."""

    crf: bool
    costs_at: list[int]
    chances_at: list[int]  # of e to the power of these; after each label also by the label that follows
    arrays: list[np.ndarray]  # what lies there

    @classmethod
    def of(cls, student: SavedStudent, width: int) -> LabelChain:
        """Add up what IOB2 and a CRF say, for labels rounded up to a width."""
        crf = student.config.head == "crf"
        costs = [
            cost + student.weights[f"crf.{name}"] if crf else cost for name, cost in iob2_costs(student.labels).items()
        ]
        filled = [filled_up(np.maximum(cost, LEAST_LOGIT), (width,) * cost.ndim) for cost in costs]
        chances = [filled_up(np.exp(cost - cost.max()), (width,) * cost.ndim) for cost in costs]
        chances.insert(2, np.ascontiguousarray(chances[1].T))
        return cls(crf, addresses_of(*filled), addresses_of(*chances), filled + chances)


def rounded(count: int) -> int:
    """Return a number of whole blocks, which are whole vectors too."""
    return -(-count // BLOCK) * BLOCK


def in_blocks(weights: np.ndarray) -> np.ndarray:
    """Turn [K, C] into what `product` reads, [C / BLOCK, K, BLOCK]."""
    return aligned_copy(weights.reshape(len(weights), -1, BLOCK).swapaxes(0, 1))


def filled_up(values: np.ndarray, shape: tuple[int, ...], filling: float = 0) -> np.ndarray:
    """Return values at the beginning of a larger array."""
    filled = np.full(shape, filling, values.dtype)
    filled[tuple(map(slice, values.shape))] = values
    return filled


def aligned(shape: tuple[int, ...], dtype: type) -> np.ndarray:
    """Return an array that begins where a line of the cache does."""
    size = int(np.prod(shape)) * np.dtype(dtype).itemsize
    memory = np.empty(size + LINE_BYTES, np.uint8)
    first = -memory.ctypes.data % LINE_BYTES
    return memory[first : first + size].view(dtype).reshape(shape)


def aligned_copy(values: np.ndarray) -> np.ndarray:
    """Return a copy that begins where a line of the cache does."""
    copy = aligned(values.shape, values.dtype.type)
    copy[...] = values
    return copy


def addresses_of(*arrays: np.ndarray) -> list[int]:
    """Return where arrays lie, for machine code; they have to be whole in memory, and be held as long as it runs."""
    return [array.ctypes.data for array in arrays]
