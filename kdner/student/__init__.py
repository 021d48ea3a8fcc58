"""The student: an LSTM-CNN, its training pass (`lstm`, `character_cnn`) and its inference (`inference`, `tagger`).

    from kdner.student import Student

May import `kdner.text`, `kdner.labels` and `kdner.runs`.
"""

from kdner.student.model import Student

__all__ = ["Student"]
