"""Gradients between the backward pass and the optimizer: of whole parameters, and of single rows of word vectors."""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.distributed
from torch import Tensor, nn
from torch.nn.functional import pad


def average_gradients(parameters: Iterable[nn.Parameter], workers: int) -> None:
    """Give all workers the mean of their gradients; of rows only those travel that a worker has read."""
    if workers == 1:
        return
    dense = []
    for one in parameters:
        if one.grad is not None and one.grad.is_sparse:
            one.grad = _mean_of_rows(one.grad.coalesce(), workers)
        else:
            dense.append(one)
    flat = torch.cat([(torch.zeros_like(one) if one.grad is None else one.grad).flatten() for one in dense])
    torch.distributed.all_reduce(flat)
    for one, mean in zip(dense, (flat / workers).split([one.numel() for one in dense]), strict=True):
        one.grad = mean.view_as(one)


def _mean_of_rows(gradient: Tensor, workers: int) -> Tensor:
    """Return the mean over all workers of a coalesced gradient, which has other rows on each."""
    rows, values = gradient.indices()[0], gradient.values()
    counts = [int(count) for count in _gathered(torch.tensor([len(rows)], device=rows.device), workers)]
    missing = max(counts) - len(rows)
    all_rows = _gathered(pad(rows, (0, missing)), workers)
    all_values = _gathered(pad(values, (0, 0, 0, missing)), workers)
    rows = torch.cat([own[:count] for own, count in zip(all_rows, counts, strict=True)])
    values = torch.cat([own[:count] for own, count in zip(all_values, counts, strict=True)])
    return torch.sparse_coo_tensor(rows[None], values / workers, gradient.shape, check_invariants=False).coalesce()


def _gathered(own: Tensor, workers: int) -> list[Tensor]:
    everyones = [torch.empty_like(own) for _ in range(workers)]
    torch.distributed.all_gather(everyones, own)
    return everyones


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
