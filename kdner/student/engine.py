"""The engines that a student can tag with, by numeric type.

- int16: machine code for the CPU (`compiled_inference`), where llvmlite is installed; twice as fast as the others.
- float32 and bfloat16: PyTorch (`inference`), on any device.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING, Literal, Protocol, TypeAlias, get_args

import numpy as np

from kdner.errors import InputError
from kdner.step_times import StepTimes
from kdner.student.saved import SavedStudent

if TYPE_CHECKING:
    from kdner.student.network import Network

logger = logging.getLogger(__name__)

NumericType: TypeAlias = Literal["int16", "float32", "bfloat16"]
_NEEDS_PYTORCH = "needs PyTorch: pip install 'kdner[torch]'"


class Engine(Protocol):
    """A student's weights at one moment, arranged for tagging, with a table of the distinct words ("types") seen.

    One thread may extend the table while others label or score words that are in it: what has been written stays.
    """

    types: int
    """Rows of the table."""

    def extend(self, types: Sequence[str]) -> None:
        """Append rows for more types to the table."""

    def keeping(self, kept: np.ndarray) -> Engine:
        """Return an engine with the rows that are kept, bool [T], in the same order; this one stays as it is."""

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


def make_engine(student: Network | SavedStudent, dtype: NumericType, *, room: int, times: StepTimes) -> Engine:
    """Copy the weights of a student into an engine.

    Args:
        student: its word vectors and its vocabulary are used as they are.
        dtype: what the LSTMs compute in.
        room: types that the table is expected to hold; more only cost a copy of it.
        times: where the seconds of its steps `LSTM` and `decode` are added.

    Raises:
        InputError: there is no such type, or what it needs is not installed: llvmlite for int16, else PyTorch.
    """
    if dtype not in get_args(NumericType):
        raise InputError(f"numeric type {dtype!r}: expected one of {', '.join(get_args(NumericType))}")
    if dtype == "int16":
        try:
            from kdner.student.compiled_inference import CompiledInference
        except ImportError as error:
            raise InputError(f"int16 needs llvmlite: pip install llvmlite ({error})") from error
        saved = student if isinstance(student, SavedStudent) else student.saved()
        return CompiledInference(saved, room=room, times=times)
    try:
        from kdner.student.inference import Inference
        from kdner.student.network import Network

        network = Network.of(student) if isinstance(student, SavedStudent) else student
    except ImportError as error:  # of a CRF, perhaps, that of pytorch-crf
        raise InputError(f"{dtype} {_NEEDS_PYTORCH} ({error})") from error
    return Inference(network, dtype, room=room, times=times)


def fastest_type(student: Network | SavedStudent | None = None) -> NumericType:
    """Return int16 on a CPU that there is machine code for, else what the device of a student is fastest at.

    PyTorch is imported only where there is no machine code.

    Raises:
        InputError: it is needed, and not installed.
    """
    on_gpu = student is not None and not isinstance(student, SavedStudent) and not student.on_cpu
    if not on_gpu and _machine_code():
        return "int16"
    try:
        import torch

        from kdner.device import best_dtype
    except ImportError as error:
        raise InputError(f"a student on this processor, or without llvmlite, {_NEEDS_PYTORCH} ({error})") from error
    device = torch.device("cuda" if on_gpu else "cpu")
    return "bfloat16" if best_dtype(device) is torch.bfloat16 else "float32"


@cache
def _machine_code() -> bool:
    try:
        from kdner.kernels.machine_code import lanes_of_processor
    except ImportError as error:
        logger.warning("students tag at half the speed without llvmlite: pip install llvmlite (%s)", error)
        return False
    return lanes_of_processor() > 0
