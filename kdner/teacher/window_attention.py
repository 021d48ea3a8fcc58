"""Attention in packed rows, where a piece attends to the pieces of its own window and to no others.

Three functions compute the same, and transformers calls one of them by its name for every family that looks its
attention up in its `AttentionInterface`: a Triton kernel (`kdner.teacher.window_kernel`); FlashAttention, where Triton
cannot compile; and PyTorch for one run of equally long windows after the other, where there is no GPU.

Shapes: R pieces of a row, W windows of it, H heads, D the width of a head.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import scaled_dot_product_attention
from transformers import AttentionInterface

KERNEL, VARLEN, RUNS = "kdner_kernel", "kdner_varlen", "kdner_runs"
"""The names of the three."""
KERNEL_WIDTHS = (16, 32, 64, 128)
"""Widths of a head that the kernel can compute."""


Runs = list[tuple[int, int]]
"""The windows of a row as `by_runs` takes them: how many follow one another, and the pieces that each of them has."""


class RowWindows(NamedTuple):
    """The windows of a row as the other two take them; padding is made of windows too."""

    starts: Tensor
    """int32 [R], first place of each piece's window."""
    ends: Tensor
    """int32 [R], one past its last place."""
    cuts: Tensor | None = None
    """int32 [W + 1], where each window begins, and R; for FlashAttention, which also needs `longest`."""
    longest: int = 0
    """No window has more pieces."""


def by_varlen(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    row: RowWindows,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """See `by_runs`."""
    from torch.nn.attention.varlen import varlen_attn

    check(module, query, key, attention_mask)
    reach = sliding_window - 1 if sliding_window else -1
    q, k, v = (tensor[0].transpose(0, 1) for tensor in (query, key, value))
    cuts, longest = cast("Tensor", row.cuts), row.longest
    attended = varlen_attn(q, k, v, cuts, cuts, longest, longest, scale=scaling, window_size=(reach, reach))
    return cast("Tensor", attended).unsqueeze(0), None


def by_runs(
    module: Any,
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attention_mask: Tensor | None,
    *,
    row: Runs,
    scaling: float | None = None,
    sliding_window: int | None = None,
    **_: Any,
) -> tuple[Tensor, None]:
    """Return attention within windows, [1, R, H, D], of query, key and value, [1, H, R, D], and no weights.

    Args:
        module: the layer that asks.
        query: of each head and piece.
        key: as query.
        value: as query.
        attention_mask: None; what a family wants to mask besides cannot be packed.
        row: the windows.
        scaling: of the products; by default 1 / sqrt(D).
        sliding_window: pieces at this distance or farther do not see one another.
    """
    check(module, query, key, attention_mask)
    attended = torch.empty_like(query[0].transpose(0, 1), memory_format=torch.contiguous_format)
    begin = 0
    for count, size in row:
        end, seen = begin + count * size, None
        if sliding_window and size > sliding_window:
            places = torch.arange(size, device=query.device)
            seen = (places - places[:, None]).abs() < sliding_window
        q, k, v = (x[0, :, begin:end].unflatten(1, (count, size)).transpose(0, 1) for x in (query, key, value))
        run = scaled_dot_product_attention(q, k, v, attn_mask=seen, scale=scaling)
        attended[begin:end] = run.transpose(1, 2).flatten(0, 1)
        begin = end
    return attended.unsqueeze(0), None


def runs_of(lengths: np.ndarray) -> Runs:
    """Join windows that follow one another and have equal lengths, int [W]."""
    cuts = np.flatnonzero(np.diff(lengths, prepend=0, append=0))
    return [(int(count), int(lengths[first])) for first, count in zip(cuts, np.diff(cuts), strict=False)]


def check(module: Any, query: Tensor, key: Tensor, attention_mask: Tensor | None) -> None:
    """Refuse attention that windows do not describe: with a mask besides, or with shared keys."""
    if attention_mask is not None or key.shape != query.shape:
        raise ValueError(f"{type(module).__name__}: its attention cannot be packed")


AttentionInterface.register(VARLEN, by_varlen)
AttentionInterface.register(RUNS, by_runs)
