from __future__ import annotations

import pytest
import torch
from torch import nn

from kdner.distillation.gradients import average_gradients, clip_gradients


@pytest.fixture
def parameters() -> list[nn.Parameter]:
    """A matrix, a table of which two rows were read, one of them twice, and a parameter that had no part in it."""
    torch.manual_seed(1)
    table, matrix, idle = nn.Embedding(9, 4, sparse=True), nn.Linear(4, 3), nn.Parameter(torch.ones(2))
    (10 * matrix(table(torch.tensor([5, 2, 5]))) ** 2).sum().backward()
    return [table.weight, *matrix.parameters(), idle]


def dense(parameters):
    return [None if one.grad is None else one.grad.to_dense().clone() for one in parameters]


@pytest.mark.parametrize("norm", [1e-2, 5.0, 1e6])
def test_they_are_clipped_by_their_common_norm(parameters, norm):
    before = dense(parameters)
    whole = torch.cat([gradient.flatten() for gradient in before if gradient is not None]).norm()
    assert 10 < whole < 1e6
    clip_gradients(parameters, norm)
    for after, gradient in zip(dense(parameters), before, strict=True):
        assert (after is None) == (gradient is None)
        if gradient is not None:
            torch.testing.assert_close(after, gradient * min(1.0, norm / whole))


def test_one_worker_keeps_its_own(parameters):
    before = dense(parameters)
    average_gradients(parameters, 1)
    assert all(torch.equal(a, b) for a, b in zip(dense(parameters)[:-1], before[:-1], strict=True))


def test_workers_get_the_mean_of_theirs_and_rows_stay_rows(parameters, monkeypatch):
    """Of three workers one is this one, one has no rows, and one has a row more than this one, and more gradient."""
    before = dense(parameters)
    others = [torch.tensor([0]), torch.tensor([3])], [torch.zeros(3, dtype=torch.int64), torch.tensor([2, 5, 7])]

    def all_gather(everyones, own):
        theirs = {(1,): others[0], (3,): others[1], (3, 4): [torch.zeros(3, 4), torch.ones(3, 4)]}[tuple(own.shape)]
        for out, one in zip(everyones, [own, *theirs], strict=True):
            out.copy_(one)

    monkeypatch.setattr("torch.distributed.all_gather", all_gather)
    monkeypatch.setattr("torch.distributed.all_reduce", lambda flat: flat.add_(6))
    average_gradients(parameters, 3)
    table, *others = dense(parameters)
    assert parameters[0].grad.is_sparse and parameters[0].grad.coalesce().indices().tolist() == [[2, 5, 7]]
    theirs = torch.zeros(9, 4)
    theirs[[2, 5, 7]] = 1
    torch.testing.assert_close(table, (before[0] + theirs) / 3)
    for after, gradient, one in zip(others, before[1:], parameters[1:], strict=True):
        torch.testing.assert_close(after, ((torch.zeros_like(one) if gradient is None else gradient) + 6) / 3)
