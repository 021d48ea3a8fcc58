"""The losses of a student's emissions: against labels, and against the logits of a teacher.

Shapes: B sentences, N words of all sentences, L labels.
"""

from __future__ import annotations

from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy, kl_div, log_softmax, mse_loss, softmax
from torch.nn.utils.rnn import pad_sequence

from kdner.student.network import Network

MOST_BELOW = 20.0
"""A label so far below the likeliest one has a probability of 2e-9; how much less is nothing to learn."""


def task_loss(network: Network, emissions: Tensor, tags: Tensor, lengths: np.ndarray) -> Tensor:
    """Return the mean loss per word against labels: cross-entropy, or the CRF's negative log-likelihood.

    Args:
        network: its head, softmax or CRF, decides which loss it is.
        emissions: [N, L].
        tags: int64 [N].
        lengths: int64 [B], words of each sentence; they sum to N.
    """
    if network.crf is None:
        return cross_entropy(emissions, tags)
    cuts = lengths.tolist()
    padded_bwl, tags_bw = (pad_sequence(flat.split(cuts), batch_first=True) for flat in (emissions, tags))
    inside_bw = np.arange(lengths.max()) < lengths[:, None]
    mask = torch.from_numpy(inside_bw).to(emissions.device)
    return -network.crf(padded_bwl, tags_bw, mask=mask, reduction="token_mean")


def distillation_loss(
    student_logits: Tensor, teacher_logits: Tensor, kind: Literal["kl", "mse"], temperature: float
) -> Tensor:
    """Return the mean loss per word against the teacher's logits.

    Args:
        student_logits: [N, L].
        teacher_logits: [N, L].
        kind: KL divergence of softened distributions, or mean squared error of centred logits, where a label that is
            more than `MOST_BELOW` below the likeliest one, as one that is ruled out, counts as if it were so far.
        temperature: divides the logits of both in the KL divergence, which is multiplied by its square.
    """
    if kind == "mse":
        lowest = teacher_logits.amax(dim=-1, keepdim=True) - MOST_BELOW
        return mse_loss(_centred(student_logits), _centred(teacher_logits.maximum(lowest)))
    t = temperature
    divergence = kl_div(
        log_softmax(student_logits / t, dim=-1), softmax(teacher_logits / t, dim=-1), reduction="batchmean"
    )
    return divergence * t * t


def _centred(logits: Tensor) -> Tensor:
    """Subtract the mean over labels, which softmax does not see."""
    return logits - logits.mean(dim=-1, keepdim=True)
