"""The student before training: its vocabulary, its first word vectors, and its weights from a seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch

from kdner.data.labeled_sentence import LabeledSentence
from kdner.distillation.examples import TransferSet
from kdner.distillation.word_vectors import random_vectors, vectors_from_file, vectors_from_teacher
from kdner.errors import InputError
from kdner.runs.storage import commit_folder
from kdner.student.model import Student
from kdner.student.network import StudentConfig, vocabulary_budget
from kdner.student.vocabulary import MAX_KNOWN_CHARACTERS, UNKNOWN, Vocabulary
from kdner.teacher.model import Teacher


def write_untrained_student(
    folder: Path,
    config: StudentConfig,
    *,
    labels: list[str],
    labeled: Sequence[LabeledSentence],
    transfer: TransferSet | None,
    vectors: str,
    teacher: str | None,
    seed: int,
) -> None:
    """Write a student that has learned nothing yet; its folder appears whole or not at all.

    Its vocabulary holds the most frequent words of the labeled and the transfer set that fit into
    `config.max_parameters`.

    Args:
        folder: the student directory to make.
        config: the student's shape.
        labels: the label list.
        labeled: sentences that it will train on.
        transfer: the transfer set, if there is one.
        vectors: where the first word vectors come from: `teacher`, `random`, or the path of a text file of vectors.
        teacher: teacher directory, whose word embeddings become word vectors; needed for `teacher`.
        seed: decides all random weights.
    """
    counts: Counter[str] = transfer.counts() if transfer else Counter()
    counts.update(word for sentence in labeled for word in sentence.words()[0])
    characters = min(MAX_KNOWN_CHARACTERS, len({character for word in counts for character in word}))
    vocabulary = Vocabulary.build(counts, max_words=vocabulary_budget(config, labels, characters))
    torch.manual_seed(seed)
    student = Student(config, vocabulary, labels)
    rows = _first_vectors(vocabulary, config.word_dim, vectors, teacher, seed)
    with torch.no_grad():
        student.words.weight[UNKNOWN + 1 :] = torch.from_numpy(rows)
        student.words.weight[UNKNOWN] = torch.from_numpy(rows.mean(axis=0))
    with commit_folder(folder) as unfinished:
        student.save(unfinished)


def _first_vectors(vocabulary: Vocabulary, dim: int, vectors: str, teacher: str | None, seed: int) -> np.ndarray:
    """Return the first vectors of the vocabulary's words, float32 [words, dim]."""
    if vectors == "random":
        return random_vectors(len(vocabulary.words), dim, seed)
    if vectors != "teacher":
        return vectors_from_file(Path(vectors), vocabulary.words, dim, seed)
    if teacher is None:
        raise InputError("--vectors teacher: needs --teacher, or set --vectors random")
    return vectors_from_teacher(Teacher.load(teacher, dtype=torch.float32), vocabulary.words, dim)
