from __future__ import annotations

import math

import pytest

from kdner.distillation.recipe import Distillation
from kdner.errors import InputError


@pytest.mark.parametrize(
    ("options", "flag"),
    [
        ({"alpha": 1.5}, "alpha"),
        ({"gold_share": -0.1}, "gold-share"),
        ({"word_dropout": 2}, "word-dropout"),
        ({"temperature": 0}, "temperature"),
        ({"learning_rate": -1e-3}, "learning-rate"),
        ({"learning_rate": math.nan}, "learning-rate"),
        ({"epochs": -1}, "epochs"),
        ({"min_steps": -1}, "min-steps"),
        ({"batch_words": 1}, "batch-words 1: must be at least 40"),
        ({"batch_words": 0}, "batch-words"),
        ({"weight_decay": -1.0}, "weight-decay"),
    ],
)
def test_impossible_recipes_name_the_flag(options, flag):
    with pytest.raises(InputError, match=f"--distillation.{flag}"):
        Distillation(**options)


def test_the_weights_of_the_two_losses_sum_to_one():
    assert Distillation(alpha=0.3).beta == pytest.approx(0.7)


def test_the_learning_rate_rises_and_falls_or_stays():
    shares = [Distillation().rate_share(step, 200) for step in range(200)]
    assert shares[0] == pytest.approx(0.1) and max(shares) == shares[9] == shares[10] == 1
    assert shares[:10] == sorted(shares[:10]) and shares[10:] == sorted(shares[10:], reverse=True)
    assert 0.01 <= shares[-1] < 0.011
    assert {Distillation(schedule="constant").rate_share(step, 200) for step in range(200)} == {1.0}
