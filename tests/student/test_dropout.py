from __future__ import annotations

import pytest
import torch

from kdner.student.dropout import Dropout


@pytest.mark.parametrize("share", [0.1, 0.3, 0.5, 0.9])
def test_it_drops_its_share_and_keeps_the_mean(share):
    torch.manual_seed(1)
    x = torch.ones(1001, 999, requires_grad=True)
    dropped = Dropout(share)(x)
    assert (dropped == 0).float().mean().item() == pytest.approx(share, abs=2e-3)
    assert dropped.mean().item() == pytest.approx(1, abs=1e-2)
    assert dropped.unique().numel() == 2
    (gradient,) = torch.autograd.grad(dropped.sum(), x)
    assert torch.equal(gradient, dropped)


def test_the_seed_decides():
    masks = []
    for seed in (1, 1, 2):
        torch.manual_seed(seed)
        masks.append(Dropout(0.5)(torch.ones(10, 7)))
    assert torch.equal(masks[0], masks[1]) and not torch.equal(masks[0], masks[2])


def test_nothing_is_dropped_outside_training_or_without_a_share():
    x = torch.ones(3, 3)
    assert Dropout(0.5).eval()(x) is x and Dropout(0.0)(x) is x
