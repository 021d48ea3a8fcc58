"""The student: an LSTM-CNN, as users have it (`model`) and as an actor of the shard map (`tag_documents`).

    from kdner.student import Student

What tags (`tagger`, with one of the engines that `engine` lists) reads a student's files by `saved` and does without
PyTorch; the training pass is `network`, with `lstm`, `character_cnn` and `dropout`. May import the rooms before it: all
from `kdner.kernels` to `kdner.shards`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kdner.student.model import Student

__all__ = ["Student"]


def __getattr__(name: str) -> Any:  # so that flags do not wait for the machine code
    if name == "Student":
        from kdner.student.model import Student

        return Student
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
