"""A bidirectional LSTM over sentences of any lengths, for training: no padding, both directions at once.

Sentences are sorted by falling length and advance word by word together, as in `kdner.inference`; of each step the rows
ahead come first, then those back. All of a step stays in a core's own cache, forward and backward.

tanh(x) = 2 sigmoid(2 x) - 1, and a sigmoid takes a third of the time: the weights of the cell gate count double, so
that one call serves all four gates.

Shapes: B sentences, W words of the longest, N words of all, D inputs, H hidden, G rows of a table of gates; gates are
in PyTorch's order: input, forget, cell, output.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

_sigmoid_backward = torch.ops.aten.sigmoid_backward
_tanh_backward = torch.ops.aten.tanh_backward


class Packing:
    """The order in which the words of B sentences are read."""

    def __init__(self, lengths: np.ndarray, device: torch.device) -> None:
        """Find the order.

        Args:
            lengths: int64 [B], at least 1; the words of a sentence follow one another.
            device: of the words.
        """
        order = np.argsort(-lengths, kind="stable")
        words, longest = int(lengths.sum()), int(lengths[order[0]])
        counts = len(lengths) - np.searchsorted(lengths[order][::-1], np.arange(longest), side="right")
        self.counts: list[int] = counts.tolist()
        """How many sentences have a t-th word, for each t."""
        step = np.repeat(np.arange(longest), counts)
        within = np.arange(words) - np.repeat(np.cumsum(counts) - counts, counts)
        sentence = order[within]
        first = (np.cumsum(lengths) - lengths)[sentence]
        row = np.arange(words) + np.repeat(np.cumsum(counts) - counts, counts)
        read = np.empty(2 * words, np.int64)
        read[row] = first + step
        read[row + counts[step]] = words + first + lengths[sentence] - 1 - step
        states = np.empty(2 * words, np.int64)
        states[read] = np.arange(2 * words)
        self.read = torch.from_numpy(read).to(device)
        """Word of each row, [2 N]; of the rows back, plus N."""
        self.states = torch.from_numpy(states).to(device)
        """Row of each word, [2 N]: ahead for all words, then back."""


class BidirectionalLSTM(nn.Module):
    """Its weights are those of two `nn.LSTM`, transposed and stacked: ahead, back."""

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
            packing: of the N words.
        """
        gates_2tg = torch.baddbmm(self.doubled(self.bias)[:, None], table.expand(2, -1, -1), self.doubled(self.inputs))
        rows = packing.read
        if index is not None:
            rows = torch.cat([index, index + len(table)])[rows]
        states = _Recurrence.apply(gates_2tg.flatten(0, 1), rows, self.doubled(self.recurrent), packing.counts)
        ahead_nh, back_nh = states.index_select(0, packing.states).chunk(2)
        return torch.cat([ahead_nh, back_nh], dim=1)

    def doubled(self, weight: Tensor) -> Tensor:
        """Return a weight, [..., 4 H], with the cell gate's part doubled."""
        i, f, g, o = weight.chunk(4, dim=-1)
        return torch.cat([i, f, 2 * g, o], dim=-1)


class _Recurrence(torch.autograd.Function):
    """From gates that the inputs alone give to hidden states, [2 N, H].

    Takes the gates as a table, [G, 4 H]; its row for each row, int64 [2 N]; the recurrent weights, [2, H, 4 H]; and
    `Packing.counts`.
    """

    @staticmethod
    def forward(ctx: Any, table: Tensor, rows: Tensor, recurrent: Tensor, counts: Sequence[int]) -> Tensor:
        hidden = recurrent.shape[1]
        gates = table.new_empty(len(rows), 4 * hidden)
        cells, tanhs, states = (table.new_empty(len(rows), hidden) for _ in range(3))
        before = cell_before = None
        first = 0
        for count in counts:
            last = first + 2 * count
            here = gates[first:last]
            cell, tanh, state = (part[first:last].view(2, count, hidden) for part in (cells, tanhs, states))
            torch.index_select(table, 0, rows[first:last], out=here)
            if before is not None:
                here.view(2, count, -1).baddbmm_(before[:, :count], recurrent)
            i, f, g, o = here.sigmoid_().view(2, count, 4, hidden).unbind(2)
            torch.mul(i, g.mul_(2).sub_(1), out=cell)
            if cell_before is not None:
                cell.addcmul_(cell_before[:, :count], f)
            torch.mul(cell, 2, out=tanh).sigmoid_().mul_(2).sub_(1)
            torch.mul(o, tanh, out=state)
            before, cell_before, first = state, cell, last
        ctx.save_for_backward(rows, recurrent, gates, cells, tanhs, states)
        ctx.counts, ctx.table_rows = counts, len(table)
        return states

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, Tensor, None]:
        (d_states,) = gradients
        rows, recurrent, gates, cells, tanhs, states = ctx.saved_tensors
        counts, hidden = ctx.counts, recurrent.shape[1]
        transposed = recurrent.transpose(1, 2)
        d_table = gates.new_zeros(ctx.table_rows, 4 * hidden)
        d_recurrent = torch.zeros_like(recurrent)
        d_states_after, d_cells = (gates.new_zeros(2, counts[0], hidden) for _ in range(2))
        last = len(rows)
        for t in reversed(range(len(counts))):
            count = counts[t]
            first = last - 2 * count
            here = gates[first:last].view(2, count, 4 * hidden)
            tanh = tanhs[first:last].view(2, count, hidden)
            i, f, g, o = here.view(2, count, 4, hidden).unbind(2)
            d_state = d_states[first:last].view(2, count, hidden) + d_states_after[:, :count]
            d_cell = d_cells[:, :count].add_(_tanh_backward(d_state * o, tanh))
            d_here = torch.empty_like(here)
            d_i, d_f, d_g, d_o = d_here.view(2, count, 4, hidden).unbind(2)
            torch.mul(d_cell, g, out=d_i)
            torch.mul(d_state, tanh, out=d_o)
            before = first - 2 * counts[t - 1] if t else first
            if t:
                torch.mul(d_cell, cells[before:first].view(2, -1, hidden)[:, :count], out=d_f)
            else:
                d_f.zero_()
            d_g.zero_()  # its own derivative follows
            _sigmoid_backward(d_here, here, grad_input=d_here)
            torch.mul(_tanh_backward(d_cell * i, g), 0.5, out=d_g)
            d_cell.mul_(f)
            d_table.index_add_(0, rows[first:last], d_here.view(-1, 4 * hidden))
            if t:
                torch.bmm(d_here, transposed, out=d_states_after[:, :count])
                d_recurrent.baddbmm_(states[before:first].view(2, -1, hidden)[:, :count].transpose(1, 2), d_here)
            last = first
        return d_table, None, d_recurrent, None
