"""The first values of the student's word vectors: from the teacher's piece embeddings, from a text file, or random."""

from __future__ import annotations

import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import IO

import numpy as np

from kdner.errors import InputError
from kdner.student.vocabulary import normalize
from kdner.teacher.model import Teacher

SCALE = 0.5
"""Root mean square of an initial vector's entries."""


def vectors_from_teacher(teacher: Teacher, words: Sequence[str], dim: int) -> np.ndarray:
    """Reduce the teacher's word embeddings to their `dim` strongest directions (XtremeDistil, section 3.2).

    Returns:
        float32 [words, dim].
    """
    return _reduce(teacher.word_embeddings(words), dim)


def vectors_from_file(path: Path, words: Sequence[str], dim: int, seed: int) -> np.ndarray:
    """Read vectors from a GloVe or word2vec text file, gzipped or not; words that it lacks start at random.

    Vectors wider than `dim` are reduced to their strongest directions over the words that the file has.

    Returns:
        float32 [words, dim].
    """
    rows = {word: row for row, word in enumerate(words)}
    vectors_read: dict[int, np.ndarray] = {}
    width = 0
    with _open(path) as lines:
        for number, line in enumerate(lines, start=1):
            word, *values = line.rstrip().split(" ")
            if number == 1 and len(values) == 1:
                continue
            row = rows.get(normalize(word))
            if row is None or row in vectors_read:
                continue
            try:
                vector = np.array(values, dtype=np.float32)
            except ValueError:
                raise InputError(f"{path}:{number}: expected a word and its numbers, got {line[:60]!r}") from None
            width = width or len(vector)
            if len(vector) != width:
                raise InputError(f"{path}:{number}: {len(vector)} numbers, but {width} on the lines before")
            vectors_read[row] = vector
    if not vectors_read:
        raise InputError(
            f"{path}: holds none of the {len(words)} words of the vocabulary. Is it a text file of vectors?"
        )
    if width < dim:
        raise InputError(
            f"{path}: vectors of width {width}, narrower than the student's. Set --student.word-dim {width}"
        )
    vectors = random_vectors(len(words), dim, seed)
    vectors[np.array(list(vectors_read))] = _reduce(np.stack(list(vectors_read.values())), dim)
    return vectors


def random_vectors(count: int, dim: int, seed: int) -> np.ndarray:
    """Return float32 [count, dim] of normal noise."""
    return np.random.default_rng(seed).normal(0, SCALE, (count, dim)).astype(np.float32)


def _reduce(vectors: np.ndarray, dim: int) -> np.ndarray:
    """Return the centred vectors along their `dim` strongest directions, scaled to a root mean square of `SCALE`."""
    centred = vectors - vectors.mean(axis=0)
    _, directions = np.linalg.eigh(centred.T @ centred)
    reduced = centred @ directions[:, ::-1][:, :dim]
    if reduced.shape[1] < dim:
        reduced = np.pad(reduced, ((0, 0), (0, dim - reduced.shape[1])))
    spread = np.sqrt(np.mean(reduced**2))
    return (reduced * (SCALE / spread if spread > 0 else 1.0)).astype(np.float32)


def _open(path: Path) -> IO[str]:
    if not path.is_file():
        raise InputError(f"{path}: no such file of word vectors")
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding="utf-8", errors="replace")
    return path.open(encoding="utf-8", errors="replace")
