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
from torchcrf import CRF

SMALLEST = 1e-30
"""Keeps a sum of probabilities, each too small for a float, from being 0."""


class Chain(Protocol):
    """What a path through labels costs beside its words, as pytorch-crf's CRF names it."""

    @property
    def start_transitions(self) -> Tensor:
        """[L]."""

    @property
    def transitions(self) -> Tensor:
        """[L, L]: from, to."""

    @property
    def end_transitions(self) -> Tensor:
        """[L]."""


def viterbi(chain: Chain, emissions: Tensor, counts: Sequence[int]) -> Tensor:
    """Return the best label sequences, int64 [N].

    Args:
        chain: a CRF, or something else with transitions.
        emissions: [N, L], packed.
        counts: sums to N and does not rise.
    """
    first, *rest = emissions.split(list(counts))
    score = chain.start_transitions + first
    into = chain.transitions.t().contiguous()
    arrows = []
    for count, emission in zip(counts[1:], rest, strict=True):
        best, arrow = (score[:count, None] + into).max(dim=2)
        score[:count] = best + emission
        arrows.append(arrow)
    label = (score + chain.end_transitions).argmax(dim=1)
    path = [label[: counts[-1]].clone()]
    for count, arrow in zip(counts[-2::-1], arrows[::-1], strict=True):
        label[: len(arrow)] = arrow.gather(1, label[: len(arrow), None])[:, 0]
        path.append(label[:count].clone())
    return torch.cat(path[::-1])


def marginals(crf: CRF, emissions: Tensor, counts: Sequence[int]) -> Tensor:
    """Return the probability of each label at each word, [N, L], by forward and backward sums.

    The sums of each word are scaled to 1, so that they are sums of probabilities and not of logarithms (Rabiner 1989).
    The arguments are those of `viterbi`.
    """
    likely = (emissions - emissions.amax(dim=1, keepdim=True)).exp().split(list(counts))
    transitions = (crf.transitions - crf.transitions.max()).exp()
    forward = [_scaled((crf.start_transitions - crf.start_transitions.max()).exp() * likely[0])]
    for count, now in zip(counts[1:], likely[1:], strict=True):
        forward.append(_scaled((forward[-1][:count] @ transitions) * now))
    ends = (crf.end_transitions - crf.end_transitions.max()).exp()
    backward = ends.expand(counts[0], -1).clone()
    both = []
    for count, ahead, now in zip(counts[::-1], forward[::-1], likely[::-1], strict=True):
        both.append(ahead * backward[:count])
        backward[:count] = _scaled((backward[:count] * now) @ transitions.t())
    return _scaled(torch.cat(both[::-1]))


def _scaled(sums: Tensor) -> Tensor:
    return sums / sums.sum(dim=1, keepdim=True).clamp_(min=SMALLEST)
