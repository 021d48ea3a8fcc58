"""Inference for a linear-chain CRF in pytorch-crf's parameters, over whole batches.

pytorch-crf has the loss; its decoder works sentence by sentence in Python and gives no probabilities, so both are here.

Shapes: N words of all sentences, C sentences that have a t-th word, L labels. Words are packed: sentences are sorted by
falling length, and all first words come first, then all second ones, and so on; `counts` says how many those are.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor

SMALLEST = 1e-30
"""Keeps a sum of probabilities, each too small for a float, from being 0."""
LEAST_WEIGHT = 1e-20
"""Of a label at a word, beside 1 of the likeliest: so that where that one cannot follow, another still can."""


class Chain(Protocol):
    """What a path through labels costs beside its words, as pytorch-crf's CRF names it."""

    @property
    def start_transitions(self) -> Tensor:
        """Of the first label: [L]."""

    @property
    def transitions(self) -> Tensor:
        """Of each label after each: from, to, [L, L]."""

    @property
    def end_transitions(self) -> Tensor:
        """Of the last label: [L]."""


def viterbi(chain: Chain, emissions: Tensor, counts: Sequence[int]) -> Tensor:
    """Return the best label sequences, int64 [N].

    Args:
        chain: a CRF, or something else with transitions.
        emissions: [N, L], packed.
        counts: sums to N and does not rise.
    """
    first_words, *later_words = emissions.split(list(counts))
    totals = chain.start_transitions + first_words
    into = chain.transitions.t().contiguous()
    arrows = []
    for count, emission in zip(counts[1:], later_words, strict=True):
        best, arrow = (totals[:count, None] + into).max(dim=2)
        totals[:count] = best + emission
        arrows.append(arrow)
    label = (totals + chain.end_transitions).argmax(dim=1)
    path = [label[: counts[-1]].clone()]
    for count, arrow in zip(counts[-2::-1], arrows[::-1], strict=True):
        label[: len(arrow)] = arrow.gather(1, label[: len(arrow), None])[:, 0]
        path.append(label[:count].clone())
    return torch.cat(path[::-1])


def marginals(crf: Chain, emissions: Tensor, counts: Sequence[int]) -> Tensor:
    """Return the probability of each label at each word, [N, L], by forward and backward sums over all paths.

    The sums of each word are scaled to 1, so that they are sums of probabilities and not of logarithms (Rabiner 1989).
    The arguments are those of `viterbi`.
    """
    weights = (emissions - emissions.amax(dim=1, keepdim=True)).exp().clamp_(min=LEAST_WEIGHT).split(list(counts))
    transitions = (crf.transitions - crf.transitions.max()).exp()
    forward = [_scaled((crf.start_transitions - crf.start_transitions.max()).exp() * weights[0])]
    for count, weight in zip(counts[1:], weights[1:], strict=True):
        forward.append(_scaled((forward[-1][:count] @ transitions) * weight))
    ends = (crf.end_transitions - crf.end_transitions.max()).exp()
    backward = ends.expand(counts[0], -1).clone()
    products = []
    for count, ahead, weight in zip(counts[::-1], forward[::-1], weights[::-1], strict=True):
        products.append(ahead * backward[:count])
        backward[:count] = _scaled((backward[:count] * weight) @ transitions.t())
    return _scaled(torch.cat(products[::-1]))


def _scaled(sums: Tensor) -> Tensor:
    return sums / sums.sum(dim=1, keepdim=True).clamp_(min=SMALLEST)
