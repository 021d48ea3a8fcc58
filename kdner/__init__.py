"""kdner distills BERT-class named-entity taggers into small LSTM-CNN students, as batch jobs on Ray.

from kdner import Student  # tags, is saved, and goes to the hub
from kdner import Tagger  # tags, in a numeric type of choice, words and texts, with what it costs
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from kdner.student import Student
    from kdner.student.tagger import Tagger

__version__ = "0.10.0"
__all__ = ["Student", "Tagger", "__version__"]


def __getattr__(name: str) -> Any:  # so that importing the package alone imports nothing else
    if name == "Student":
        from kdner.student import Student

        return Student
    if name == "Tagger":
        from kdner.student.tagger import Tagger

        return Tagger
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
