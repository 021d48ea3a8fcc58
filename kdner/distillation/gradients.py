"""What workers share: gradients between the backward pass and the optimizer, and losses.

Gradients are dense ones, and sparse ones of the word vectors' rows.
"""

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.distributed
from torch import Tensor, nn
from torch.nn.functional import pad


def average_gradients(parameters: Iterable[nn.Parameter], workers: int) -> None:
    """Give all workers the mean of their gradients; of word vectors only the rows travel that a worker has read."""
    if workers == 1:
        return
    dense = []
    for parameter in parameters:
        if parameter.grad is not None and parameter.grad.is_sparse:
            parameter.grad = _mean_of_rows(parameter.grad.coalesce(), workers)
        else:
            dense.append(parameter)
    flat = torch.cat([(torch.zeros_like(p) if p.grad is None else p.grad).flatten() for p in dense])
    torch.distributed.all_reduce(flat)
    means = (flat / workers).split([parameter.numel() for parameter in dense])
    for parameter, mean in zip(dense, means, strict=True):
        parameter.grad = mean.view_as(parameter)


def mean_loss(loss: float, workers: int, device: torch.device) -> float:
    """Return the mean of all workers' losses: each reads other sentences."""
    if workers == 1:
        return loss
    total = torch.tensor(loss, device=device)
    torch.distributed.all_reduce(total)
    return total.item() / workers


def _mean_of_rows(gradient: Tensor, workers: int) -> Tensor:
    """Return the mean over all workers of a coalesced gradient, which has other rows on each."""
    rows, values = gradient.indices()[0], gradient.values()
    counts = [int(count) for count in _gathered(torch.tensor([len(rows)], device=rows.device), workers)]
    missing = max(counts) - len(rows)
    all_rows = _gathered(pad(rows, (0, missing)), workers)
    all_values = _gathered(pad(values, (0, 0, 0, missing)), workers)
    rows = torch.cat([padded[:count] for padded, count in zip(all_rows, counts, strict=True)])
    values = torch.cat([padded[:count] for padded, count in zip(all_values, counts, strict=True)])
    return torch.sparse_coo_tensor(rows[None], values / workers, gradient.shape, check_invariants=False).coalesce()


def _gathered(tensor: Tensor, workers: int) -> list[Tensor]:
    """Return the tensors, of one shape, that all workers call this with."""
    tensors = [torch.empty_like(tensor) for _ in range(workers)]
    torch.distributed.all_gather(tensors, tensor)
    return tensors


def clip_gradients(parameters: Iterable[nn.Parameter], norm: float) -> Tensor:
    """Scale all gradients so that their common norm is at most `norm`; returns what it was."""
    gradients = []
    for parameter in parameters:
        if parameter.grad is not None and parameter.grad.is_sparse:
            parameter.grad = parameter.grad.coalesce()
            gradients.append(parameter.grad.values())
        elif parameter.grad is not None:
            gradients.append(parameter.grad)
    total = torch.nn.utils.get_total_norm(gradients)
    torch._foreach_mul_(gradients, (norm / (total + 1e-6)).clamp(max=1.0))
    return total
