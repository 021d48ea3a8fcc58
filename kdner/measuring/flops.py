"""Floating-point operations: what an encoder needs for a window of pieces, and what a machine can do at most."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch
from torch.nn.functional import linear

PEAK_SHAPES = ((4096, 768, 3072), (4096, 3072, 768), (4096, 1024, 4096), (4096, 4096, 4096), (8192, 8192, 8192))
"""Products of [M, K] by [K, N] that are timed for the peak; the last one on a GPU only."""


def encoder_flops(model: Any, pieces: int | np.ndarray) -> int:
    """Count the operations of one forward pass over a window, or over several, an addition and a multiplication as two.

    Linear layers and the two products of attention; no embeddings, norms or activations. What DeBERTa adds to
    attention is left out.

    Args:
        model: a Hugging Face token classifier.
        pieces: of the window, or of each, padding excluded.
    """
    weights = sum(module.weight.numel() for module in model.modules() if isinstance(module, torch.nn.Linear))
    sizes = np.asarray(pieces, np.int64)
    attention = 4 * int((sizes * sizes).sum()) * model.config.hidden_size * model.config.num_hidden_layers
    return 2 * weights * int(sizes.sum()) + attention


def matmul_peak(device: torch.device, dtype: torch.dtype, *, seconds: float = 0.5) -> float:
    """Return the most operations per second that this process, on its threads, reaches in a matrix product.

    Each shape is repeated for about `seconds`; the best repetition of the best shape counts.
    """
    best = 0.0
    for m, k, n in PEAK_SHAPES if device.type == "cuda" else PEAK_SHAPES[:-1]:
        a = torch.randn(m, k, device=device).to(dtype)
        b = torch.randn(n, k, device=device).to(dtype)
        with torch.inference_mode():
            linear(a, b)
            until = time.perf_counter() + seconds
            while time.perf_counter() < until:
                repeats = 20 if device.type == "cuda" else 1
                _wait(device)
                started = time.perf_counter()
                for _ in range(repeats):
                    linear(a, b)
                _wait(device)
                best = max(best, repeats * 2 * m * k * n / (time.perf_counter() - started))
    return best


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
