"""The student's forward pass over many sentences in PyTorch, on a GPU or without llvmlite: from word types to labels.

It computes what `Network.forward` does, in another order:

- What depends on a word alone goes as far as the first LSTM's gates: the word's vector and characters, and their
  product with the LSTM's input weights, lie in a table with a row for each distinct word ("type"). What a character
  adds to the filters at each of their places lies in a table too, so that the CNN is a sum of its rows.
- Sentences are sorted by length and advance word by word together, both directions at once, so that nothing is padded:
  at word t only those that are longer than t take part.
- tanh(x) = 2 sigmoid(2 x) - 1, and a sigmoid takes a third of the time: with the weights of the cell gate doubled, one
  call serves all four gates. The cell states are kept doubled and the hidden states negated, which saves operations.

Shapes: N words, S sentences, B sentences of a batch, R rows, T types, D features of a word, H hidden, L labels.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import copy
from itertools import groupby
from typing import cast

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import embedding_bag, pad

from kdner.device import dtype_of, mind_forks
from kdner.step_times import StepTimes
from kdner.student.character_cnn import answers_by_place
from kdner.student.lstm import BidirectionalLSTM
from kdner.student.network import Network
from kdner.student.vocabulary import PADDING
from kdner.student.word_features import WordFeatures

BATCH_SENTENCES = 384
"""Sentences that advance together: their states stay in a core's own cache."""
ROWS_AT_ONCE = 16
"""Rows of a product are rounded up to this, or to a power of two: oneDNN keeps code for each number of them."""
FEW_SENTENCES = 16
"""So few advance in float32 whatever was asked for: a small product in bfloat16 takes oneDNN longer."""
GATHERED_ROWS = 512
"""Rows of the table that are fetched together, as long as one step does not need more."""
TYPES_AT_ONCE = 64
"""The product of types is always of this size, so that a row never depends on what was asked before."""


class Inference:
    """A network's weights at one moment, arranged for tagging.

    One thread may extend the table while others label or score words that are in it: what has been written stays.
    """

    def __init__(self, network: Network, dtype: str, *, room: int = 0, times: StepTimes | None = None) -> None:
        """Copy the weights of a network.

        Args:
            network: its table of words, its `decode` and its vocabulary are used as they are.
            dtype: what the LSTMs compute in, `float32` or `bfloat16`.
            room: types that the table is expected to hold; more only cost a copy of it.
            times: where the seconds of its steps `LSTM` and `decode` are added.
        """
        mind_forks()
        self.device = network.output.weight.device
        self.dtype = dtype_of(dtype)
        self.network = network
        self.times = times or StepTimes()
        layers = cast("list[BidirectionalLSTM]", list(network.encoder))
        self.characters = answers_by_place(network.characters.weight.detach(), network.filters.weight.detach())
        self.layers = [_Layer(layer, self.dtype, negated=number > 0) for number, layer in enumerate(layers)]
        self.output = -network.output.weight.detach()  # what it multiplies is negated
        self.bias = network.output.bias.detach()[:, None]
        self.gates = torch.empty(2, room, 4 * network.config.hidden, dtype=self.dtype, device=self.device)
        self.types = 0

    @torch.inference_mode()
    def extend(self, types: Sequence[str]) -> None:
        """Append rows for more types to the table."""
        mind_forks()
        needed = self.types + len(types)
        if needed > self.gates.shape[1]:
            grown = self.gates.new_empty(2, max(needed, 2 * self.gates.shape[1]), self.gates.shape[2])
            grown[:, : self.types] = self.gates[:, : self.types]
            self.gates = grown
        for first in range(0, len(types), TYPES_AT_ONCE):
            part = types[first : first + TYPES_AT_ONCE]
            encoded = self._encode(WordFeatures.of(self.network.vocabulary, part).to(self.device))
            gates_2tg = self.layers[0].gates(pad(encoded, (0, 0, 0, TYPES_AT_ONCE - len(part))))
            self.gates[:, self.types : self.types + len(part)] = gates_2tg[:, : len(part)]
            self.types += len(part)

    @torch.inference_mode()
    def keeping(self, kept: np.ndarray) -> Inference:
        """Return an engine with the rows that are kept, bool [T], in the same order; this one stays as it is."""
        other = copy(self)
        other.gates, other.types = torch.empty_like(self.gates), int(kept.sum())
        rows = torch.from_numpy(np.flatnonzero(kept)).to(self.device)
        torch.index_select(self.gates, 1, rows, out=other.gates[:, : other.types])
        return other

    def _encode(self, features: WordFeatures) -> Tensor:
        """Return what `Network.encode` does: [T, D]."""
        width, bias = self.network.config.character_width, self.network.filters.bias
        inside_tc = features.characters != PADDING
        longest = int(inside_tc.sum(dim=1).max())
        rows = self.network.vocabulary.character_rows * torch.arange(width, device=self.device)
        padded = pad(features.characters[:, :longest], (width // 2, width // 2), value=PADDING)
        windows = padded.unfold(1, width, 1).add(rows).flatten(0, 1)  # what each filter sees at each character
        filtered_tcf = embedding_bag(windows, self.characters, mode="sum").unflatten(0, (-1, longest))
        filtered_tcf.masked_fill_(~inside_tc[:, :longest, None], float("-inf"))
        filtered_tf = filtered_tcf.amax(dim=1).add_(cast("Tensor", bias)).relu_()
        return torch.cat([self.network.word_vectors(features), filtered_tf], dim=1)

    @torch.inference_mode()
    def label(self, types: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return label ids, int64 [N], and their probabilities, float32 [N].

        Args:
            types: int32 [N], rows of the table.
            lengths: int64 [S], words of each sentence, at least 1; sums to N.
        """
        labels, probabilities = np.empty(len(types), np.int64), np.empty(len(types), np.float32)
        for packed, emissions in self._batches(types, lengths):
            with self.times.step("decode"):
                batch_labels, batch_probabilities = self.network.decode(emissions, packed.counts)
            labels[packed.words] = batch_labels.cpu().numpy()
            probabilities[packed.words] = batch_probabilities.cpu().numpy()
        return labels, probabilities

    @torch.inference_mode()
    def score(self, types: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Return logits, float32 [N, L], of which a CRF head's are logarithms of marginal probabilities.

        The arguments are those of `label`.
        """
        logits = np.empty((len(types), len(self.bias)), np.float32)
        for packed, emissions in self._batches(types, lengths):
            logits[packed.words] = self.network.logits(emissions, packed.counts).cpu().numpy()
        return logits

    def _batches(self, types: np.ndarray, lengths: np.ndarray) -> Iterator[tuple[_Packed, Tensor]]:
        """Yield sentences of alike lengths, with the emissions of their words, [words, L]."""
        mind_forks()
        table = self.gates  # a larger one may take its place meanwhile
        starts = np.cumsum(lengths) - lengths
        order = np.argsort(-lengths, kind="stable")
        for first in range(0, len(order), BATCH_SENTENCES):
            batch = order[first : first + BATCH_SENTENCES]
            packed = _Packed(starts[batch], lengths[batch])
            with self.times.step("LSTM"):
                emissions = self._emissions(table, types, packed)
            yield packed, emissions

    def _emissions(self, table: Tensor, types: np.ndarray, packed: _Packed) -> Tensor:
        place = torch.from_numpy(packed.mirror).to(self.device)
        rows = types[packed.order] + np.array([[0], [table.shape[1]]])
        hidden = self.layers[0].advance(table.flatten(0, 1), self._steps(rows, packed), packed.rows)
        for layer in self.layers[1:]:
            gates = layer.gates(torch.cat([hidden[0], hidden[1][place]], dim=1).float()).to(self.dtype)
            rows = np.stack([np.arange(len(place)), len(place) + packed.mirror])
            hidden = layer.advance(gates.flatten(0, 1), self._steps(rows, packed), packed.rows)
        ahead_hr, back_hr = hidden.float().transpose(1, 2)
        real = torch.from_numpy(packed.real).to(self.device)
        # With few labels a product is much faster with the words in its columns.
        ahead_ln = torch.addmm(self.bias, self.output[:, : len(ahead_hr)], ahead_hr)[:, real]
        back_ln = (self.output[:, len(ahead_hr) :] @ back_hr)[:, place[real]]
        return ahead_ln.add_(back_ln).t().contiguous()

    def _steps(self, rows: np.ndarray, packed: _Packed) -> Tensor:
        flat = np.empty(rows.size, np.int64)
        flat[packed.steps] = rows
        return torch.from_numpy(flat).to(self.device)


class _Packed:
    """The words of B sentences, sorted by falling length, word by word: all first words, then all second ones.

    In the other direction the last words come first. There are a few rows too many at each word, in which anything may
    stand; R rows in all.
    """

    def __init__(self, starts: np.ndarray, lengths: np.ndarray) -> None:
        counts = len(lengths) - np.searchsorted(lengths[::-1], np.arange(lengths[0]), side="right")
        self.counts: list[int] = counts.tolist()
        """How many sentences have a t-th word, for each t."""
        self.rows = [_rounded(count) for count in self.counts]
        """How many rows there are for the t-th words, for each t."""
        firsts = np.cumsum(self.rows) - self.rows
        step = np.repeat(np.arange(len(counts)), self.rows)
        sentence = np.arange(len(step)) - np.repeat(firsts, self.rows)
        self.real = np.flatnonzero(sentence < counts[step])
        sentence[sentence >= counts[step]] = 0  # the longest, which has such a word
        mirror_step = lengths[sentence] - 1 - step
        self.order = starts[sentence] + np.stack([step, mirror_step])
        """Places of the words among all, read ahead and back: [2, R]."""
        self.steps = firsts[step] + np.arange(len(step)) + np.array([[0], [1]]) * np.repeat(self.rows, self.rows)
        """Places of the words when both directions of a step follow one another: [2, R]."""
        self.mirror = firsts[mirror_step] + sentence
        """Row in the other direction of the word in each row: [R]."""
        self.words = self.order[0, self.real]


def _rounded(count: int) -> int:
    return 1 << (count - 1).bit_length() if count < ROWS_AT_ONCE else -(-count // ROWS_AT_ONCE) * ROWS_AT_ONCE


class _Layer:
    """The weights of a bidirectional LSTM, arranged for tagging."""

    def __init__(self, lstm: BidirectionalLSTM, dtype: torch.dtype, *, negated: bool) -> None:
        self.inputs = lstm.doubled(lstm.inputs.detach()) * (-1 if negated else 1)
        self.biases = lstm.doubled(lstm.bias.detach())[:, None]
        self.recurrent_exact = -lstm.doubled(lstm.recurrent.detach())
        self.recurrent = self.recurrent_exact.to(dtype)

    def gates(self, x_nd: Tensor) -> Tensor:
        """Return what the inputs alone give: [2, N, 4 H]."""
        return torch.baddbmm(self.biases, x_nd.expand(2, -1, -1), self.inputs)

    def advance(self, gates: Tensor, rows: Tensor, steps: list[int]) -> Tensor:
        """Return the negated hidden states of both directions, [2, R, H].

        Args:
            gates: [G, 4 H], a table of what the inputs alone give.
            rows: int64 [2 R], its row for each word; of each step those ahead, then those back.
            steps: rows of each direction at each step; sums to R and does not rise.
        """
        recurrent = self.recurrent_exact if steps[0] <= FEW_SENTENCES else self.recurrent
        hidden = recurrent.shape[1]
        out = recurrent.new_empty(2, len(rows) // 2, hidden)
        cells = recurrent.new_zeros(2, steps[0], hidden)
        previous: Tensor | None = None
        first = 0
        for count, length in _equal_steps(steps):
            last = first + count * length
            gathered = (
                torch.embedding(gates, rows[2 * first : 2 * last])
                .to(recurrent.dtype)
                .view(length, 2, count, 4 * hidden)
            )
            step_gates = zip(*(part.unbind() for part in (gathered, *gathered.split(hidden, dim=3))), strict=True)
            states = out[:, first:last].unflatten(1, (length, count)).unbind(1)
            c = cells[:, :count]
            previous = previous[:, :count] if previous is not None else None
            for (ifgo, i, f, g, o), state in zip(step_gates, states, strict=True):
                if previous is not None:
                    ifgo.baddbmm_(previous, recurrent)
                ifgo.sigmoid_()
                c.mul_(f).addcmul_(i, g, value=4).sub_(i, alpha=2)
                torch.sigmoid(c, out=state)
                torch.addcmul(o, o, state, value=-2, out=state)
                previous = state
            first = last
        return out


def _equal_steps(steps: list[int]) -> Iterator[tuple[int, int]]:
    """Yield steps that follow one another with equally many rows: their rows, and how many steps they are.

    Together they have at most `GATHERED_ROWS` rows, or they are one step.
    """
    for rows, group in groupby(steps):
        left = len(list(group))
        most = max(1, GATHERED_ROWS // rows)
        while left:
            yield rows, min(left, most)
            left -= min(left, most)
