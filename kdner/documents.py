"""The two actors of the shard map: documents to the teacher's logits, and documents to the student's entities.

A document that cannot be processed keeps its row, with the reason in `error`; it neither stops the others nor is
dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from itertools import accumulate
from typing import TypeVar

import numpy as np
import pyarrow as pa
import torch

from kdner.schema import ENTITIES, LOGITS
from kdner.tagger import Tagger
from kdner.teacher import Teacher
from kdner.text import Sentence, count_words, split

R = TypeVar("R")

NO_TEXT = "the text is missing or empty"


class ScoreDocuments:
    """Map a table of `schema.CORPUS` to one of `schema.LOGITS`.

    The teachers are directories, with one label list; `dtype` (`float32` or `bfloat16`) is by default what the device
    is fastest at.
    """

    def __init__(self, teachers: Sequence[str], dtype: str | None = None) -> None:
        kind = getattr(torch, dtype) if dtype else None
        self.teachers = [Teacher.load(folder, dtype=kind) for folder in teachers]

    def __call__(self, documents: pa.Table) -> pa.Table:
        """Score each word of each document."""
        scored, errors = _each(documents["text"].to_pylist(), self._score)
        sentences = [None if result is None else result[0] for result in scored]
        words = [None if own is None else [word for s in own for word in s.words] for own in sentences]
        lengths = [None if own is None else [len(s.words) for s in own] for own in sentences]
        logits = [None if result is None else result[1] for result in scored]
        columns = [documents["id"], words, lengths, _lists(logits), errors]
        return pa.Table.from_arrays(
            [
                column if isinstance(column, pa.ChunkedArray | pa.Array) else pa.array(column, field.type)
                for column, field in zip(columns, LOGITS, strict=True)
            ],
            schema=LOGITS,
        )

    def _score(self, texts: list[str]) -> list[tuple[list[Sentence], np.ndarray]]:
        documents = [split(text) for text in texts]
        words = [sentence.words for sentences in documents for sentence in sentences]
        logits_ntl = np.stack([teacher.score_words(words) for teacher in self.teachers], axis=1).astype(np.float16)
        ends = accumulate(sum(len(sentence.words) for sentence in sentences) for sentences in documents)
        return list(zip(documents, (part.ravel() for part in np.split(logits_ntl, list(ends)[:-1])), strict=True))


class TagDocuments:
    """Map a table of `schema.CORPUS` to one of `schema.ENTITIES`; the student is a directory."""

    def __init__(self, student: str) -> None:
        self.tagger = Tagger.load(student)

    def __call__(self, documents: pa.Table) -> pa.Table:
        """Find the entities of each document."""
        texts = documents["text"].to_pylist()
        found, errors = _each(texts, self.tagger.tag)
        entities = [None if own is None else [asdict(entity) for entity in own] for own in found]
        words = [count_words(text) if text else 0 for text in texts]
        columns = [pa.array(column, ENTITIES.field(i + 1).type) for i, column in enumerate((entities, words, errors))]
        return pa.Table.from_arrays([documents["id"], *columns], schema=ENTITIES)


def _each(texts: list[str | None], function: Callable[[list[str]], list[R]]) -> tuple[list[R | None], list[str | None]]:
    """Apply a function to all texts at once, halving what fails down to the texts at fault; returns results and errors.

    A function that fails on one of n texts is called about 2 log2(n) times, on 2 n texts in all.
    """
    results: list[R | None] = [None] * len(texts)
    errors: list[str | None] = [None if text and not text.isspace() else NO_TEXT for text in texts]
    waiting = [[(i, text) for i, (text, error) in enumerate(zip(texts, errors, strict=True)) if text and not error]]
    while waiting:
        part = waiting.pop()
        if not part:
            continue
        try:
            for (i, _), result in zip(part, function([text for _, text in part]), strict=True):
                results[i] = result
        except Exception as error:
            if len(part) == 1:
                errors[part[0][0]] = f"{type(error).__name__}: {error}"[:500]
            else:
                waiting += [part[: len(part) // 2], part[len(part) // 2 :]]
    return results, errors


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
