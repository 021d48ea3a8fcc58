"""The actor of precompute_logits: from documents to the logits of one or several teachers.

Shapes: N words of all documents of a part, T teachers, L labels.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from threading import Lock

import numpy as np
import pyarrow as pa
import torch

from kdner.device import best_device
from kdner.labels.logits import fit_float16, fits_float16
from kdner.runs.schema import LOGITS
from kdner.step_times import StepTimes
from kdner.teacher.by_name import load_model
from kdner.teacher.model import Teacher
from kdner.teacher.protocol import FoldedModel, Model
from kdner.text.abbreviations import DEFAULT_LANGUAGE
from kdner.text.documents import in_order, in_parts
from kdner.text.splitter import Sentences, Splitter, Words
from kdner.text.words import count_words

GPU_SWITCH_SECONDS = 0.0005
"""After this time Python lets another thread run where a GPU scores: the thread that feeds it must not wait long for
those that split and write."""


class ScoreDocuments:
    """Map a table of `schema.CORPUS` to one of `schema.LOGITS`.

    Any number of threads may call it: while one waits for the GPU, others split and write.
    """

    schema = LOGITS

    def __init__(
        self,
        teachers: Sequence[str],
        dtype: torch.dtype | None = None,
        *,
        label_map: Mapping[str, str] | None = None,
        sample: Sequence[Sequence[str]] = (),
        language: str = DEFAULT_LANGUAGE,
        hard_wrapped: bool = False,
    ) -> None:
        """Load the teachers.

        Args:
            teachers: named as `kdner.teacher.by_name` says, with one label list.
            dtype: what they compute in, by default what the device is fastest at.
            label_map: new names of their types.
            sample: sentences by which teachers whose labels are of IOB1 are told from those of IOB2; see
                `kdner.teacher.scheme_sample`.
            language: as `kdner.text.words.split` has it.
            hard_wrapped: as there.
        """
        self.names = list(teachers)
        self.teachers = [
            load_model(teacher, dtype=dtype, in_bulk=True, label_map=label_map, sample=sample) for teacher in teachers
        ]
        if best_device().type == "cuda":
            sys.setswitchinterval(GPU_SWITCH_SECONDS)
        self.times = StepTimes()
        self._splitting, self._scoring = Lock(), Lock()
        self.language, self.hard_wrapped = language, hard_wrapped
        self._splitter, self._words = Splitter(language), _NO_WORDS

    def __call__(self, documents: pa.Table) -> pa.Table:
        """Score each word of each document."""
        parts, errors = in_parts(documents["text"].to_pylist(), self._score)
        columns = [
            in_order([part[name] for _, part in parts], parts, len(errors), LOGITS.field(name).type)
            for name in ("words", "sentence_words", "logits")
        ]
        return pa.Table.from_arrays([documents["id"], *columns, pa.array(errors, pa.string())], schema=LOGITS)

    def counts(self, documents: pa.Table, mapped: pa.Table) -> dict[str, int]:
        """Count the white-space separated words of documents."""
        return {"words": sum(count_words(text or "") for text in documents["text"].to_pylist())}

    def _score(self, texts: list[str]) -> dict[str, pa.Array]:
        """Return the columns of documents, without a Python object per word."""
        with self.times.step("split"), self._splitting:
            numbered, sentences, words = self._split(texts)
        logits_ntl = np.empty((len(numbered.types), len(self.teachers), len(self.teachers[0].labels)), np.float16)
        for t, teacher in enumerate(self.teachers):
            with self.times.step("score"):
                logits_ntl[:, t] = fit_float16(self._logits(teacher, sentences), self.names[t])
        sentences_d = np.concatenate([[0], np.cumsum(numbered.documents)])
        words_d = np.concatenate([[0], np.cumsum(numbered.lengths)])[sentences_d]
        lengths = pa.array(numbered.lengths, pa.int32())
        return {
            "words": _lists(words_d, words.take(pa.array(numbered.types))),
            "sentence_words": _lists(sentences_d, lengths),
            "logits": _lists(words_d * logits_ntl.shape[1] * logits_ntl.shape[2], pa.array(logits_ntl.ravel())),
        }

    def _logits(self, teacher: Model, sentences: Sentences) -> np.ndarray:
        if isinstance(teacher, Teacher):
            logits = teacher.score_words(sentences, dtype=torch.float16)
            return logits if fits_float16(logits) else teacher.score_words(sentences)
        if isinstance(teacher, FoldedModel) and isinstance(teacher.model, Teacher):
            return teacher.score_words(sentences)
        with self._scoring:  # a class of the user's need not know of threads
            return teacher.score_words(list(sentences))

    def _split(self, texts: list[str]) -> tuple[Words, Sentences, pa.Array]:
        """Split documents; also returns an array of strings that the numbers of the words are places in."""
        if self._splitter.full:
            self._splitter, self._words = Splitter(self.language), _NO_WORDS
        splitter = self._splitter
        try:
            numbered = splitter.split(texts, hard_wrapped=self.hard_wrapped)
        except Exception:  # it may have half learned a word
            self._splitter, self._words = Splitter(self.language), _NO_WORDS
            raise
        self._words = pa.concat_arrays([self._words, pa.array(splitter.types.words[len(self._words) :], pa.string())])
        return numbered, Sentences(splitter.types, numbered.types, numbered.lengths), self._words


_NO_WORDS = pa.array([], pa.string())


def _lists(bounds: np.ndarray, values: pa.Array) -> pa.Array:
    return pa.ListArray.from_arrays(pa.array(bounds, pa.int32()), values)
