"""The actor of precompute_logits: from documents to the logits of one or several teachers.

Shapes: N words of all documents of a part, T teachers, L labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import numpy as np
import pyarrow as pa
import torch

from kdner.runs.schema import LOGITS
from kdner.teacher.by_name import load_model
from kdner.text.documents import in_parts
from kdner.text.words import Sentence, count_words, split


class ScoreDocuments:
    """Map a table of `schema.CORPUS` to one of `schema.LOGITS`.

    The teachers are named as `kdner.teacher.by_name` says, with one label list; `dtype` is by default what the device
    is fastest at.
    """

    schema = LOGITS

    def __init__(self, teachers: Sequence[str], dtype: torch.dtype | None = None) -> None:
        self.teachers = [load_model(teacher, dtype=dtype) for teacher in teachers]

    def __call__(self, documents: pa.Table) -> pa.Table:
        """Score each word of each document."""
        parts, errors = in_parts(documents["text"].to_pylist(), self._score)
        scored: list[tuple[list[Sentence], np.ndarray] | None] = [None] * len(errors)
        for rows, results in parts:
            for row, result in zip(rows, results, strict=True):
                scored[row] = result
        sentences = [None if result is None else result[0] for result in scored]
        words = [None if row is None else [word for s in row for word in s.words] for row in sentences]
        lengths = [None if row is None else [len(s.words) for s in row] for row in sentences]
        logits = [None if result is None else result[1] for result in scored]
        columns = [documents["id"], words, lengths, _lists(logits), errors]
        return pa.Table.from_arrays(
            [
                column if isinstance(column, pa.ChunkedArray | pa.Array) else pa.array(column, field.type)
                for column, field in zip(columns, LOGITS, strict=True)
            ],
            schema=LOGITS,
        )

    def counts(self, documents: pa.Table, mapped: pa.Table) -> dict[str, int]:
        """Count the white-space separated words of documents."""
        return {"words": sum(count_words(text or "") for text in documents["text"].to_pylist())}

    def _score(self, texts: list[str]) -> list[tuple[list[Sentence], np.ndarray]]:
        documents = [split(text) for text in texts]
        words = [sentence.words for sentences in documents for sentence in sentences]
        logits_ntl = np.stack([teacher.score_words(words) for teacher in self.teachers], axis=1).astype(np.float16)
        ends = accumulate(sum(len(sentence.words) for sentence in sentences) for sentences in documents)
        return list(zip(documents, (part.ravel() for part in np.split(logits_ntl, list(ends)[:-1])), strict=True))


def _lists(rows: list[np.ndarray | None]) -> pa.Array:
    """Return a list<float16> array without a Python object per number; None is null."""
    lengths = [0 if row is None else len(row) for row in rows]
    present = [row for row in rows if row is not None]
    values = np.concatenate(present) if present else np.zeros(0, np.float16)
    return pa.ListArray.from_arrays(
        np.concatenate([[0], np.cumsum(lengths)]).astype(np.int32),
        pa.array(values, pa.float16()),
        mask=pa.array([row is None for row in rows], pa.bool_()),
    )
