from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import nn

from kdner.labels.packing import Packing
from kdner.student.lstm import BidirectionalLSTM, _blocks

LENGTHS = [3, 1, 5, 2, 5, 1]


@pytest.fixture
def lstm() -> BidirectionalLSTM:
    torch.manual_seed(1)
    return BidirectionalLSTM(5, 4).double()


def packing(lengths=LENGTHS):
    return Packing(np.array(lengths), torch.device("cpu"))


def words(count=17):
    return torch.randn(count, 5, dtype=torch.double, generator=torch.Generator().manual_seed(2), requires_grad=True)


def torchs(lstm, direction):
    """PyTorch's LSTM of the same weights."""
    own = nn.LSTM(5, 4, batch_first=True).double()
    with torch.no_grad():
        own.weight_ih_l0.copy_(lstm.inputs[direction].t())
        own.weight_hh_l0.copy_(lstm.recurrent[direction].t())
        own.bias_ih_l0.copy_(lstm.bias[direction])
        own.bias_hh_l0.zero_()
    return own


def read_by_torch(lstm, x, lengths):
    """What two of PyTorch's LSTMs say of each sentence, read alone, the second reading it from its end."""
    ahead, back = torchs(lstm, 0), torchs(lstm, 1)
    parts = [torch.cat([ahead(s)[0], back(s.flip(0))[0].flip(0)], dim=1) for s in x.split(lengths)]
    return torch.cat(parts), [*ahead.parameters()], [*back.parameters()]


@pytest.mark.parametrize("lengths", [LENGTHS, [4, 1, 60, 59, *[9] * 64]])
def test_states_and_gradients_are_those_of_two_lstms_of_pytorch(lstm, lengths):
    n = sum(lengths)
    x, upstream = words(n), torch.randn(n, 8, dtype=torch.double)
    expected, ahead, back = read_by_torch(lstm, x, lengths)
    d_x, *d_weights = torch.autograd.grad((expected * upstream).sum(), [x, *ahead, *back])
    states = lstm(x, None, packing(lengths))
    torch.testing.assert_close(states, expected)
    own = torch.autograd.grad((states * upstream).sum(), [x, lstm.inputs, lstm.recurrent, lstm.bias])
    torch.testing.assert_close(own[0], d_x)
    for mine, *both in zip(own[1:], d_weights[:3], d_weights[4:7], strict=True):
        torch.testing.assert_close(mine, torch.stack([one.t() if one.ndim == 2 else one for one in both]))


@pytest.mark.parametrize("index", [None, torch.arange(17).flip(0) // 2])
def test_what_reads_on_gpus_says_the_same(lstm, index):
    x, upstream = words(), torch.randn(17, 8, dtype=torch.double)
    weights = [x, lstm.inputs, lstm.recurrent, lstm.bias]
    states, theirs = lstm(x, index, packing()), lstm.read_by_pytorch(x, index, packing())
    torch.testing.assert_close(theirs, states)
    for one, other in zip(
        torch.autograd.grad((states * upstream).sum(), weights),
        torch.autograd.grad((theirs * upstream).sum(), weights),
        strict=True,
    ):
        torch.testing.assert_close(other, one)


def test_words_are_looked_up_in_a_table(lstm):
    table, index = words(6), torch.tensor([0, 3, 3, 5, 1, 0, 0, 2, 5, 4, 1, 1, 2, 3, 4, 0, 5])
    torch.testing.assert_close(lstm(table, index, packing()), lstm(table[index], None, packing()))
    assert torch.autograd.gradcheck(lambda t, *_: lstm(t, index, packing()), (table, *lstm.parameters()))


@pytest.mark.parametrize("lengths", [[1], [4], [1, 1, 1], LENGTHS, [7, 2, 2, 9, 1] * 20])
def test_each_word_has_a_row_in_both_directions(lengths):
    order = packing(lengths)
    n = sum(lengths)
    assert sorted(order.read.tolist()) == list(range(2 * n))
    assert torch.equal(order.read[order.states], torch.arange(2 * n))
    assert sum(order.counts) == n and len(order.counts) == max(lengths)
    assert [count for _, counts in _blocks(order.counts) for count in counts] == order.counts
    ends = np.cumsum(lengths)
    ahead, back = (direction[: order.counts[0]].tolist() for direction in order.read.chunk(2))
    assert sorted(ahead) == sorted(ends - lengths)
    assert sorted(back) == sorted(n + ends - 1)
