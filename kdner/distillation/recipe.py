"""The recipe of distillation: weights of the losses, epochs, batches, the learning rate and its schedule."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from kdner.errors import InputError

MIN_BATCH_WORDS = 40
"""Fewer words would leave none of a kind to a worker, where several share a step of gold and transfer sentences."""


@dataclass(frozen=True, kw_only=True)
class Distillation:
    """How a student learns from the labeled set and the transfer set.

    The paper's four settings: labeled set only (no logits given), pseudo-labels only (alpha 1), distillation only
    (alpha 0), and both.
    """

    alpha: float = 0.5
    """Weight of L_task on transfer sentences, 0 to 1; L_distillation has the rest (beta = 1 - alpha)."""
    loss: Literal["kl", "mse"] = "kl"
    """L_distillation: KL divergence of softened distributions, or mean squared error of centred logits."""
    temperature: float = 1.0
    """Divides the logits of both in the KL divergence; the loss is multiplied by its square."""
    epochs: int = 4
    """An epoch reads as many words as the transfer set has, gold ones among them by `gold_share`, or as the labeled set
    has where there is no transfer set. More epochs where `min_steps` asks for it."""
    min_steps: int = 1500
    """Optimizer steps to take at least, so that a small set is not left half learned."""
    batch_words: int | None = None
    """Words in one optimizer step, over all workers; by default a 200th of the set's words, but from 400 to 1600. At
    least 40."""
    gold_share: float = 0.1
    """Share (0 to 1) of each step's words that come from the labeled set, repeated as often as that takes."""
    learning_rate: float | None = None
    """Peak learning rate of AdamW, and of SparseAdam for the word vectors of a step's words; by default 5e-3, or 3e-3
    where there is no transfer set."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """cosine: the learning rate rises over the first 5 % of the steps, then falls along a cosine; constant: neither."""
    weight_decay: float = 1e-3
    """AdamW's weight decay; word vectors have none."""
    word_dropout: float = 0.2
    """Share (0 to 1) of a batch's distinct words whose own vector is left out, so that those of their pieces, or of the
    unknown word, are learned."""

    def __post_init__(self) -> None:
        for name in ("alpha", "gold_share", "word_dropout"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"--distillation.{name.replace('_', '-')} {getattr(self, name)}: must be from 0 to 1")
        for name in ("temperature", "learning_rate"):
            if (value := getattr(self, name)) is not None and not 0 < value < math.inf:
                raise InputError(f"--distillation.{name.replace('_', '-')} {value}: must be above 0")
        for name, least in (("epochs", 1), ("min_steps", 0), ("batch_words", MIN_BATCH_WORDS), ("weight_decay", 0)):
            if (value := getattr(self, name)) is not None and not least <= value < math.inf:
                raise InputError(f"--distillation.{name.replace('_', '-')} {value}: must be at least {least}")

    @property
    def beta(self) -> float:
        """The weight of L_distillation on transfer sentences."""
        return 1 - self.alpha

    def rate_share(self, step: int, steps: int) -> float:
        """Return the share of the peak learning rate at a step: a linear rise, then a cosine to 1 %; or always 1."""
        warmup = max(1, round(0.05 * steps))
        if self.schedule == "constant":
            return 1.0
        if step < warmup:
            return (step + 1) / warmup
        return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))
