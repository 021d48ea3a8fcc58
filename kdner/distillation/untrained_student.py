"""The student before training: its vocabulary, its first word vectors, and its weights from a seed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kdner.distillation.examples import TransferSet
from kdner.distillation.word_vectors import random_vectors, vectors_from_file, vectors_from_teacher
from kdner.errors import InputError
from kdner.labeled.sentence import LabeledSentence
from kdner.runs.fingerprint import hash_of_file
from kdner.runs.storage import commit_folder
from kdner.student.config import StudentConfig
from kdner.student.network import Network, vocabulary_budget
from kdner.student.saved import WORDS
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
    language: str,
    seed: int,
) -> None:
    """Write a student that has learned nothing yet; its folder appears whole or not at all.

    Its vocabulary holds what is most frequent in the labeled and the transfer set and fits into
    `config.max_parameters`: words, or with a teacher's vectors its pieces, and words of several pieces.

    Args:
        folder: the student directory to make.
        config: the student's shape.
        labels: the label list.
        labeled: sentences that it will train on.
        transfer: the transfer set, if there is one.
        vectors: where the first word vectors come from: `teacher`, `random`, or the path of a text file of vectors.
        teacher: model whose piece embeddings become first vectors; needed for `teacher`.
        language: of the texts; it stays with the student.
        seed: decides all random weights.
    """
    counts, budget = _counts_and_budget(config, labels, labeled, transfer)
    vocabulary, rows = _vocabulary_and_vectors(counts, labels, budget, config.word_dim, vectors, teacher, seed)
    torch.manual_seed(seed)
    student = Network(config, vocabulary, labels, language=language).saved()
    student.weights[WORDS][UNKNOWN + 1 :] = rows
    student.weights[WORDS][UNKNOWN] = 0
    with commit_folder(folder) as unfinished:
        student.save(unfinished)


def check_untrained_student(
    config: StudentConfig, *, labels: list[str], labeled: Sequence[LabeledSentence], vectors: str
) -> None:
    """Check before there are teachers or a transfer set that a student can be made; arguments as above.

    Raises:
        InputError: it is too large for its limit, or a file of vectors does not fit it.
    """
    counts, budget = _counts_and_budget(config, labels, labeled, None)
    if vectors != "teacher":
        _vocabulary_and_vectors(counts, labels, budget, config.word_dim, vectors, None, seed=0)


def _counts_and_budget(
    config: StudentConfig, labels: list[str], labeled: Sequence[LabeledSentence], transfer: TransferSet | None
) -> tuple[Counter[str], int]:
    """Return how often each word occurs, and how many words and pieces there is room for."""
    counts: Counter[str] = transfer.counts() if transfer else Counter()
    counts.update(word for sentence in labeled for word in sentence.words()[0])
    if not counts:
        raise InputError("nothing to train on: neither the labeled set nor the transfer set holds a word")
    characters = min(MAX_KNOWN_CHARACTERS, len({character for word in counts for character in word}))
    return counts, vocabulary_budget(config, labels, characters)


def vectors_fingerprint(vectors: str) -> str | dict[str, Any]:
    """Return the identity of a student's first word vectors: their kind, or the content of their file."""
    return vectors if vectors in ("teacher", "random") else hash_of_file(Path(vectors))


def _vocabulary_and_vectors(
    counts: Counter[str], labels: list[str], budget: int, dim: int, vectors: str, teacher: str | None, seed: int
) -> tuple[Vocabulary, np.ndarray]:
    """Return a vocabulary, and the first vectors of its words and pieces, float32 [words + pieces, dim]."""
    if vectors == "teacher":
        if teacher is None:
            raise InputError("--vectors teacher: needs --teacher, or set --vectors random")
        return vectors_from_teacher(Teacher.untrained(teacher, labels), counts, budget, dim)
    vocabulary = Vocabulary.build(counts, max_words=budget)
    if vectors == "random":
        return vocabulary, random_vectors(len(vocabulary.words), dim, seed)
    return vocabulary, vectors_from_file(Path(vectors), vocabulary.words, dim, seed)
