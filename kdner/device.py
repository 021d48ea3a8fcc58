"""What a process computes on: the fastest device and numeric type of its machine, and its threads.

PyTorch is imported by whoever calls: what never computes with it does not wait for it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

GPU_SHARDS_AT_ONCE = 3
"""Shards that the threads of a process with a GPU work on: one is read and split, one computed, one written."""
_computes_in: int | None = None
"""The process that computes, or from which this one was forked."""


def best_device() -> torch.device:
    """Return the GPU that this process may use, else the CPU."""
    import torch

    return torch.device("cuda" if torch.cuda.is_available() else "cpu")


def best_dtype(device: torch.device) -> torch.dtype:
    """Return bfloat16 where the hardware multiplies it, else float32.

    A CPU without bfloat16 instructions emulates it, hundreds of times slower than float32 (measured on AVX2).
    """
    import torch

    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    if hasattr(torch.cpu, "get_capabilities"):
        capabilities = torch.cpu.get_capabilities()
        native = any(capabilities.get(name) for name in ("amx_bf16", "avx512_bf16", "bf16"))
    else:  # an older torch tells it of x86 only
        native = torch.cpu._is_avx512_bf16_supported()
    return torch.bfloat16 if native else torch.float32


def dtype_of(name: str) -> torch.dtype:
    """Return the numeric type that flags, manifests and JSON call `float32` or `bfloat16`."""
    import torch

    return {"float32": torch.float32, "bfloat16": torch.bfloat16}[name]


def dtype_name(dtype: torch.dtype) -> str:
    """Return what flags, manifests and JSON call a numeric type."""
    return str(dtype).removeprefix("torch.")


def mind_forks() -> None:
    """Compute on one thread in a process that was forked from one that had called this too.

    The threads that computed there are not here, and OpenMP would wait for them without end.
    """
    import torch

    global _computes_in
    process = os.getpid()
    if _computes_in not in (None, process):
        torch.set_num_threads(1)
    _computes_in = process


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute with one thread within: with operations as small as the student's in training more are slower."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
