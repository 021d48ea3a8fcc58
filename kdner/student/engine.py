"""The engines that a student can tag with, by numeric type.

- int16: machine code for the CPU (`compiled_inference`), where llvmlite is installed; twice as fast as the others.
- float32 and bfloat16: PyTorch (`inference`), on any device.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cache
from typing import Protocol

import numpy as np
import torch

from kdner.device import best_dtype
from kdner.errors import InputError
from kdner.step_times import StepTimes
from kdner.student.network import Network

logger = logging.getLogger(__name__)


class Engine(Protocol):
    """A network's weights at one moment, arranged for tagging, with a table of the distinct words ("types") seen.

    One thread may extend the table while others label or score words that are in it: what has been written stays.
    """

    types: int
    """Rows of the table."""

    def extend(self, types: Sequence[str]) -> None:
        """Append rows for more types to the table."""

    def label(self, types: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Return label ids, int64 [N], and their probabilities, float32 [N].

        Args:
            types: int32 [N], rows of the table.
            lengths: int64 [S], words of each sentence, at least 1; sums to N.
        """

    def score(self, types: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Return logits, float32 [N, L], of which a CRF head's are logarithms of marginal probabilities.

        The arguments are those of `label`.
        """


def make_engine(network: Network, dtype: torch.dtype, *, room: int, times: StepTimes) -> Engine:
    """Copy the weights of a network into an engine.

    Args:
        network: its words, its vocabulary and, in PyTorch, its `decode` are used as they are.
        dtype: what the LSTMs compute in: int16, float32 or bfloat16.
        room: types that the table is expected to hold; more only cost a copy of it.
        times: where the seconds of its steps `LSTM` and `decode` are added.

    Raises:
        InputError: it is int16, and llvmlite is not installed.
    """
    if dtype is torch.int16:
        try:
            from kdner.student.compiled_inference import CompiledInference
        except ImportError as error:
            raise InputError(f"int16 needs llvmlite: pip install llvmlite ({error})") from error
        return CompiledInference(network, room=room, times=times)
    from kdner.student.inference import Inference

    return Inference(network, dtype, room=room, times=times)


def fastest_type(device: torch.device) -> torch.dtype:
    """Return int16 for a CPU that there is machine code for, else what `best_dtype` does."""
    return torch.int16 if device.type == "cpu" and _machine_code() else best_dtype(device)


@cache
def _machine_code() -> bool:
    try:
        from kdner.kernels.machine_code import lanes_of_processor
    except ImportError as error:
        logger.warning("students tag at half the speed without llvmlite: pip install llvmlite (%s)", error)
        return False
    return lanes_of_processor() > 0
