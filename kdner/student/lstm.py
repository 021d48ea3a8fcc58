"""A bidirectional LSTM over sentences of any lengths, for training: no padding, both directions at once.

Sentences are sorted by falling length and advance word by word together, as in `kdner.student.inference`. The loop over
steps does only what one step needs from another: with few sentences the calls themselves are the time.

On a GPU, where each of these small operations takes as long as a large one, PyTorch's own LSTM reads them instead.

As there, the weights of the cell gate are doubled, so that one sigmoid serves all four gates; the cells c are kept
doubled and the states h negated, which saves operations. With g the sigmoid of the doubled gate:

    2 c = f (2 c before) + i (4 g - 2)        -h = o (1 - 2 sigmoid(2 c))

Shapes: B sentences, W words of the longest, N words of all, D inputs, H hidden, G rows of a table of gates; gates are
in PyTorch's order: input, forget, cell, output.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from kdner.labels.packing import Packing

BLOCK = 256
"""Words whose gradients are worked out together: few calls where sentences are few, all in a core's own cache where
they are many."""

_sigmoid_backward = torch.ops.aten.sigmoid_backward


def _blocks(counts: Sequence[int]) -> Iterator[tuple[slice, Sequence[int]]]:
    """Yield steps whose gradients are worked out together: the slice of their words, and their counts."""
    ends = np.cumsum(counts)
    cuts = np.flatnonzero(np.diff((ends - 1) // BLOCK)) + 1
    for first, last in pairwise([0, *cuts.tolist(), len(counts)]):
        yield slice(int(ends[first]) - counts[first], int(ends[last - 1])), counts[first:last]


class BidirectionalLSTM(nn.Module):
    """A bidirectional LSTM whose weights are those of two `nn.LSTM`, transposed and stacked: ahead, back."""

    def __init__(self, inputs: int, hidden: int) -> None:
        super().__init__()
        self.hidden = hidden
        self.inputs = nn.Parameter(torch.empty(2, inputs, 4 * hidden))
        self.recurrent = nn.Parameter(torch.empty(2, hidden, 4 * hidden))
        self.bias = nn.Parameter(torch.empty(2, 4 * hidden))
        for parameter in self.parameters():
            nn.init.uniform_(parameter, -1 / math.sqrt(hidden), 1 / math.sqrt(hidden))

    def forward(self, table: Tensor, index: Tensor | None, packing: Packing) -> Tensor:
        """Return the states of both directions at each word, [N, 2 H].

        Args:
            table: [T, D], distinct words; or [N, D], all words.
            index: int64 [N], row of each word in the table; None where it holds all words.
            packing: the order in which the N words are read.
        """
        if table.is_cuda:
            return self.read_by_pytorch(table, index, packing)
        gates_2tg = torch.baddbmm(self.doubled(self.bias)[:, None], table.expand(2, -1, -1), self.doubled(self.inputs))
        rows = packing.read
        if index is not None:
            rows = torch.cat([index, index + len(table)])[rows]
        states = _Recurrence.apply(gates_2tg.flatten(0, 1), rows, self.doubled(self.recurrent), packing)
        ahead_nh, back_nh = states.flatten(0, 1).index_select(0, packing.states).chunk(2)
        return torch.cat([ahead_nh, back_nh], dim=1)

    def read_by_pytorch(self, table: Tensor, index: Tensor | None, packing: Packing) -> Tensor:
        """Return what `forward` does, from PyTorch's LSTM; with cuDNN all steps are a few calls."""
        words = packing.read.chunk(2)[0]
        packed_nd = table.index_select(0, words if index is None else index[words])
        start = table.new_zeros(2, packing.counts[0], self.hidden)
        lstm: Any = torch._VF.lstm  # of packed sequences; typed as that of padded ones
        layers, dropout = 1, 0.0
        states_nh, *_ = lstm(
            packed_nd,
            torch.tensor(packing.counts),
            (start, start),
            self._in_one_piece(),
            True,
            layers,
            dropout,
            torch.is_grad_enabled(),
            True,
        )
        return states_nh.index_select(0, packing.states.chunk(2)[0])

    def _in_one_piece(self) -> list[Tensor]:
        """Return the weights as PyTorch's LSTM has them, one after another in memory as cuDNN wants them."""
        matrices = [each[way].t() for way in (0, 1) for each in (self.inputs, self.recurrent)]
        biases = [bias for way in (0, 1) for bias in (self.bias[way], torch.zeros_like(self.bias[way]))]
        shaped = [*matrices, *biases]
        flat = torch.cat([weight.reshape(-1) for weight in shaped]).split([weight.numel() for weight in shaped])
        w = [piece.view(weight.shape) for piece, weight in zip(flat, shaped, strict=True)]
        return [*w[:2], *w[4:6], *w[2:4], *w[6:]]

    def doubled(self, weight: Tensor) -> Tensor:
        """Return a weight, [..., 4 H], with the cell gate's part doubled."""
        i, f, g, o = weight.chunk(4, dim=-1)
        return torch.cat([i, f, 2 * g, o], dim=-1)


class _Recurrence(torch.autograd.Function):
    """The steps of an LSTM: from gates that the inputs alone give to hidden states, [2, N, H].

    Takes the gates as a table, [G, 4 H]; its row for each word, int64 [2 N]; the recurrent weights, [2, H, 4 H]; and
    the packing. Cells and states begin with B rows of zeros, those before the first words.
    """

    @staticmethod
    def forward(ctx: Any, table: Tensor, rows: Tensor, recurrent: Tensor, packing: Packing) -> Tensor:
        counts, sentences, hidden = packing.counts, packing.counts[0], recurrent.shape[1]
        gates = table.index_select(0, rows).view(2, -1, 4 * hidden)
        cells, states = (table.new_empty(2, sentences + gates.shape[1], hidden) for _ in range(2))
        squashed = torch.empty_like(states[:, sentences:])
        negated = -recurrent
        cell, state = (column[:, :sentences].zero_() for column in (cells, states))
        each_gate = gates.unflatten(2, (4, hidden)).unbind(2)
        columns = (gates, *each_gate, cells[:, sentences:], states[:, sentences:], squashed)
        steps = zip(*(column.split(counts, 1) for column in columns), strict=True)
        for ifgo, i, f, g, o, next_cell, next_state, squashed_cell in steps:
            count = ifgo.shape[1]
            ifgo.baddbmm_(state.narrow(1, 0, count), negated).sigmoid_()
            torch.mul(cell.narrow(1, 0, count), f, out=next_cell).addcmul_(i, g, value=4).sub_(i, alpha=2)
            torch.sigmoid(next_cell, out=squashed_cell)
            torch.addcmul(o, o, squashed_cell, value=-2, out=next_state)
            cell, state = next_cell, next_state
        ctx.save_for_backward(rows, recurrent, gates, cells, squashed, states)
        ctx.packing, ctx.table_rows = packing, len(table)
        return -states[:, sentences:]

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, Tensor, None]:
        rows, recurrent, gates, cells, squashed, states = ctx.saved_tensors
        packing, hidden = ctx.packing, recurrent.shape[1]
        transposed = -recurrent.transpose(1, 2).contiguous()
        d_states = -gradients[0]
        d_cells = gates.new_zeros(2, packing.counts[0], hidden)
        d_table = gates.new_zeros(ctx.table_rows, 4 * hidden)
        d_recurrent = torch.zeros_like(recurrent)
        d_after = gates.new_empty(2, 0, 4 * hidden)
        for block, counts in reversed(list(_blocks(packing.counts))):
            before, ifgo, s = packing.before[block], gates[:, block], squashed[:, block]
            i, f, g, o = ifgo.unflatten(2, (4, hidden)).unbind(2)
            by_cell = _sigmoid_backward(-2 * o, s)
            # what the loop multiplies by the gradient of the cell, or of the state, for that of each gate
            d_gates = torch.empty_like(ifgo, memory_format=torch.contiguous_format)
            d_i, d_f, d_g, d_o = d_gates.unflatten(2, (4, hidden)).unbind(2)
            torch.mul(g, 4, out=d_i).sub_(2)
            d_f.copy_(cells.index_select(1, before))
            torch.mul(i, 4, out=d_g)
            torch.mul(s, -2, out=d_o).add_(1)
            _sigmoid_backward(d_gates, ifgo, grad_input=d_gates)
            d_ifg = d_gates.unflatten(2, (4, hidden))[:, :, :3]
            columns = (d_states[:, block], by_cell, f, d_gates, d_ifg, d_o)
            steps = zip(*(column.split(counts, 1) for column in columns), strict=True)
            for d_state, cell_factor, forget, d_step, d_step_ifg, d_out in reversed([*steps]):
                d_state.narrow(1, 0, d_after.shape[1]).baddbmm_(d_after, transposed)
                d_cell = d_cells.narrow(1, 0, d_state.shape[1]).addcmul_(d_state, cell_factor)
                d_step_ifg.mul_(d_cell.unsqueeze(2))
                d_out.mul_(d_state)
                d_cell.mul_(forget)
                d_after = d_step
            d_table.index_add_(0, rows.view(2, -1)[:, block].flatten(), d_gates.flatten(0, 1))
            d_recurrent.baddbmm_(states.index_select(1, before).transpose(1, 2), d_gates, alpha=-1)
        return d_table, None, d_recurrent, None
