from __future__ import annotations

import pytest
import torch
from torch import nn

from kdner.gradients import average_gradients, clip_gradients


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
    before = dense(parameters)
    monkeypatch.setattr("torch.distributed.all_reduce", lambda flat: flat.mul_(3))  # three workers with the same
    average_gradients(parameters, 3)
    assert parameters[0].grad.is_sparse and parameters[0].grad.coalesce().indices().tolist() == [[2, 5]]
    for after, gradient, one in zip(dense(parameters), before, parameters, strict=True):
        torch.testing.assert_close(after, torch.zeros_like(one) if gradient is None else gradient)
