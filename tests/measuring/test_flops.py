from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from kdner.measuring.flops import encoder_flops, matmul_peak
from kdner.measuring.teacher_speed import SHAPES


@pytest.mark.parametrize("pieces", [3, 17, 40])
def test_the_count_is_what_the_model_really_multiplies(teacher, pieces):
    counter = FlopCounterMode(display=False)
    with counter, torch.inference_mode(), torch.nn.attention.sdpa_kernel(torch.nn.attention.SDPBackend.MATH):
        teacher.model(input_ids=torch.ones((1, pieces), dtype=torch.int64))
    assert encoder_flops(teacher.model, pieces) == counter.get_total_flops()


def test_the_peak_is_near_that_of_a_plain_product():
    peak = matmul_peak(torch.device("cpu"), torch.float32, seconds=0.1)
    assert 1e9 < peak < 1e14


def test_true_shapes_have_the_published_sizes():
    """12 layers of 7.1 M and 24 of 12.6 M weights in linear layers (Devlin et al. 2019, section 3)."""
    for name, millions in (("bert-base", 85), ("bert-large", 302)):
        shape = SHAPES[name]
        hidden, inner = shape["hidden_size"], shape["intermediate_size"]
        weights = shape["num_hidden_layers"] * (4 * hidden * hidden + 2 * hidden * inner)
        assert round(weights / 1e6) == millions
