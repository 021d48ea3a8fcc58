"""The student: an LSTM-CNN, as users have it (`model`) and as an actor of the shard map (`tag_documents`).

    from kdner.student import Student

Its training pass is in `network`, `lstm`, `character_cnn` and `dropout`, its inference in `tagger`, with one of the
engines that `engine` lists. May import the rooms before it: all from `kdner.text` to `kdner.corpora`.
"""

from kdner.student.model import Student

__all__ = ["Student"]
