"""Inference for a linear-chain CRF in pytorch-crf's parameters, over whole batches.

Shapes: B sentences, W words, L labels. pytorch-crf has the loss; its decoder works sentence by sentence in Python and
gives no probabilities, so both are here. Words past a sentence's length are padding at the end.
"""

from __future__ import annotations

import torch
from torchcrf import CRF


def viterbi(crf: CRF, emissions: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Return the best label sequence of each sentence, int64 [B, W]; padding is 0.

    Args:
        crf: the transitions.
        emissions: [B, W, L].
        lengths: int64 [B], at least 1.
    """
    batch, width, _ = emissions.shape
    score = crf.start_transitions + emissions[:, 0]
    arrows = []
    for w in range(1, width):
        best, arrow = (score[:, :, None] + crf.transitions).max(dim=1)
        inside = (w < lengths)[:, None]
        score = torch.where(inside, best + emissions[:, w], score)
        arrows.append(arrow)
    label = (score + crf.end_transitions).argmax(dim=1)
    path = torch.zeros(batch, width, dtype=torch.int64, device=emissions.device)
    for w in range(width - 1, -1, -1):
        inside = w < lengths
        path[:, w] = torch.where(inside, label, 0)
        if w > 0:
            label = torch.where(inside, arrows[w - 1].gather(1, label[:, None])[:, 0], label)
    return path


def marginals(crf: CRF, emissions: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Return the probability of each label at each word, [B, W, L], by forward and backward sums."""
    width = emissions.shape[1]
    forward = [crf.start_transitions + emissions[:, 0]]
    for w in range(1, width):
        forward.append(torch.logsumexp(forward[-1][:, :, None] + crf.transitions, dim=1) + emissions[:, w])
    backward = crf.end_transitions.expand_as(emissions[:, 0])
    sums = [forward[-1] + backward]
    for w in range(width - 2, -1, -1):
        step = torch.logsumexp((backward + emissions[:, w + 1])[:, None, :] + crf.transitions, dim=2)
        backward = torch.where((w + 1 < lengths)[:, None], step, crf.end_transitions)
        sums.append(forward[w] + backward)
    return torch.stack(sums[::-1], dim=1).softmax(dim=2)
