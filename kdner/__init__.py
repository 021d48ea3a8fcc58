"""kdner distills BERT-class named-entity taggers into small LSTM-CNN students, as batch jobs on Ray.

from kdner import Student
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kdner.student import Student

__version__ = "0.7.0"
__all__ = ["Student", "__version__"]


def __getattr__(name: str) -> Any:  # so that importing the package alone does not import torch
    if name == "Student":
        from kdner.student import Student

        return Student
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
