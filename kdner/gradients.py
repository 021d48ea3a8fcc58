"""Gradients between the backward pass and the optimizer: of whole parameters, and of single rows of word vectors."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.distributed
from torch import nn


def average_gradients(parameters: Iterable[nn.Parameter], workers: int) -> None:
    """Give all workers the mean of their gradients."""
    if workers == 1:
        return
    own = list(parameters)
    of_rows = [one.grad is not None and one.grad.is_sparse for one in own]
    dense = [torch.zeros_like(one) if one.grad is None else one.grad.to_dense() for one in own]
    flat = torch.cat([gradient.flatten() for gradient in dense])
    torch.distributed.all_reduce(flat)
    for one, mean, rows in zip(own, (flat / workers).split([one.numel() for one in own]), of_rows, strict=True):
        one.grad = mean.view_as(one).to_sparse(1) if rows else mean.view_as(one)


def clip_gradients(parameters: Iterable[nn.Parameter], norm: float) -> None:
    """Scale all gradients so that their common norm is at most `norm`."""
    gradients = []
    for one in parameters:
        if one.grad is not None and one.grad.is_sparse:
            one.grad = one.grad.coalesce()
            gradients.append(one.grad.values())
        elif one.grad is not None:
            gradients.append(one.grad)
    scale = norm / (torch.nn.utils.get_total_norm(gradients) + 1e-6)
    torch._foreach_mul_(gradients, scale.clamp(max=1.0))
