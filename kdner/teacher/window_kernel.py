"""The Triton kernel of `kdner.teacher.window_attention`; imported only where there are a GPU and Triton."""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.library import triton_op, wrap_triton
from transformers import AttentionInterface

from kdner.teacher.window_attention import KERNEL, RowWindows, check

ROWS = 64
"""Pieces whose attention one program computes."""
KEYS = 32
"""Keys that it reads at once."""
WARPS, STAGES = 4, 3
"""Of a program: its warps, and the reads that are under way while it computes."""
LOG2_E = 1.4426950408889634


@triton.jit  # type: ignore[untyped-decorator]
def _attend(  # type: ignore[no-untyped-def]
    query, key, value, out, starts, ends,
    pieces,
    q_head, q_row, k_head, k_row, v_head, v_row, o_row,
    SCALE: tl.constexpr, WIDTH: tl.constexpr, SLIDING: tl.constexpr, ROWS: tl.constexpr, KEYS: tl.constexpr,
):  # fmt: skip
    head = tl.program_id(0)
    rows = tl.program_id(1) * ROWS + tl.arange(0, ROWS)
    columns = tl.arange(0, WIDTH)
    inside = rows < pieces
    start = tl.load(starts + rows, mask=inside, other=2147483647)
    end = tl.load(ends + rows, mask=inside, other=0)
    q = tl.load(query + head * q_head + rows[:, None] * q_row + columns[None, :], mask=inside[:, None], other=0.0)

    best = tl.full([ROWS], -1.0e30, tl.float32)
    total = tl.zeros([ROWS], tl.float32)
    mean = tl.zeros([ROWS, WIDTH], tl.float32)
    for first in range(tl.min(start, axis=0), tl.max(end, axis=0), KEYS):
        places = first + tl.arange(0, KEYS)
        there = places < pieces
        k = tl.load(key + head * k_head + places[None, :] * k_row + columns[:, None], mask=there[None, :], other=0.0)
        seen = (places[None, :] >= start[:, None]) & (places[None, :] < end[:, None])
        if SLIDING > 0:
            distance = places[None, :] - rows[:, None]
            seen = seen & (distance < SLIDING) & (distance > -SLIDING)
        products = tl.where(seen, tl.dot(q, k) * SCALE, -1.0e30)
        higher = tl.maximum(best, tl.max(products, axis=1))
        weights = tl.where(seen, tl.exp2(products - higher[:, None]), 0.0)
        shrink = tl.exp2(best - higher)
        total = total * shrink + tl.sum(weights, axis=1)
        v = tl.load(value + head * v_head + places[:, None] * v_row + columns[None, :], mask=there[:, None], other=0.0)
        mean = mean * shrink[:, None] + tl.dot(weights.to(v.dtype), v)
        best = higher
    mean = mean / total[:, None]
    place = out + rows[:, None] * o_row + head * WIDTH + columns[None, :]
    tl.store(place, mean.to(out.dtype.element_ty), mask=inside[:, None])


@triton_op("kdner::attend_within_windows", mutates_args={})
def attend(
    query: Tensor, key: Tensor, value: Tensor, starts: Tensor, ends: Tensor, scaling: float, sliding_window: int
) -> Tensor:
    """Return attention within windows, [R, H, D], of query, key and value, [H, R, D] with adjacent columns."""
    heads, pieces, width = query.shape
    out = torch.empty((pieces, heads, width), dtype=query.dtype, device=query.device)
    wrap_triton(_attend)[(heads, triton.cdiv(pieces, ROWS))](
        query, key, value, out, starts, ends,
        pieces,
        query.stride(0), query.stride(1), key.stride(0), key.stride(1), value.stride(0), value.stride(1), out.stride(0),
        SCALE=scaling * LOG2_E, WIDTH=width, SLIDING=sliding_window, ROWS=ROWS, KEYS=KEYS,
        num_warps=WARPS, num_stages=STAGES,
    )  # fmt: skip
    return out


def by_kernel(
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
    """See `kdner.teacher.window_attention.by_runs`."""
    check(module, query, key, attention_mask)
    attended = attend(
        query[0], key[0], value[0], row.starts, row.ends, scaling or query.shape[-1] ** -0.5, sliding_window or 0
    )
    return attended.unsqueeze(0), None


AttentionInterface.register(KERNEL, by_kernel)


def try_kernel(width: int, dtype: torch.dtype) -> None:
    """Compile and run the kernel once; raises whatever Triton, the C compiler or the driver raise."""
    states = torch.zeros((1, ROWS, width), dtype=dtype, device="cuda")
    places = torch.arange(ROWS, dtype=torch.int32, device="cuda")
    attend(states, states, states, places, places + 1, 1.0, 0)
    torch.cuda.synchronize()
