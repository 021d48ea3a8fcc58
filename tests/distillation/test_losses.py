from __future__ import annotations

import numpy as np
import pytest
import torch

from kdner.distillation.losses import distillation_loss, task_loss


def test_losses_against_numbers_worked_out_by_hand(make_network):
    network = make_network()
    emissions = torch.tensor([[0.0, 0.0], [np.log(3.0), 0.0]])
    task = task_loss(network, emissions, torch.tensor([0, 0]), np.array([2]))
    assert task.item() == pytest.approx((np.log(2) + np.log(4 / 3)) / 2)
    own, theirs = torch.tensor([[0.0, 0.0]]), torch.tensor([[2 * np.log(3.0), 0.0]])
    divergence = 0.75 * np.log(1.5) + 0.25 * np.log(0.5)
    assert distillation_loss(own, theirs, "kl", 2.0).item() == pytest.approx(4 * divergence, rel=1e-5)
    assert distillation_loss(own, theirs, "mse", 1.0).item() == pytest.approx(np.log(3) ** 2, rel=1e-5)
    assert distillation_loss(own, own + 7, "mse", 1.0).item() == pytest.approx(0, abs=1e-9)


def test_a_label_that_is_ruled_out_is_no_more_than_very_unlikely():
    own, ruled_out, unlikely = torch.zeros(1, 3), torch.tensor([[2.0, 1.0, -1000.0]]), torch.tensor([[2.0, 1.0, -18.0]])
    for kind in ("mse", "kl"):
        losses = [distillation_loss(own, theirs, kind, 1.0).item() for theirs in (ruled_out, unlikely)]
        assert losses[0] == pytest.approx(losses[1], rel=1e-6)
