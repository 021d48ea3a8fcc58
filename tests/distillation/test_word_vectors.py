from __future__ import annotations

import gzip
from pathlib import Path

import numpy as np
import pytest

from kdner.distillation.word_vectors import SCALE, random_vectors, vectors_from_file, vectors_from_teacher
from kdner.errors import InputError

WORDS = ["paris", "rome", "0000", "lost"]
LINES = "Paris 1 0 0\nof 9 9 9\nrome 2 1 0\nRome 7 7 7\n1996 -3 0.5 1e-1\n"


def rms(vectors):
    return float(np.sqrt(np.mean(vectors**2)))


def test_teacher_vectors_keep_what_the_pieces_tell(teacher):
    words = ["Anna", "Anna", "Paris", "Berlin", "zzz", "qqq"]
    wide = teacher.word_embeddings(words)
    vectors = vectors_from_teacher(teacher, words, 4)
    assert vectors.shape == (6, 4) and vectors.dtype == np.float32
    assert rms(vectors) == pytest.approx(SCALE, rel=1e-3)
    np.testing.assert_array_equal(vectors[0], vectors[1])
    distances = np.linalg.norm(wide[:, None] - wide[None], axis=2)
    reduced = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
    assert np.corrcoef(distances.ravel(), reduced.ravel())[0, 1] > 0.95


def test_a_reduction_to_full_width_keeps_all_distances(teacher):
    words = ["Anna", "Paris", "said", "1996", "flew"]
    wide, vectors = teacher.word_embeddings(words), vectors_from_teacher(teacher, words, 32)
    distances = np.linalg.norm(wide[:, None] - wide[None], axis=2)
    reduced = np.linalg.norm(vectors[:, None] - vectors[None], axis=2)
    np.testing.assert_allclose(reduced, distances * (reduced[0, 1] / distances[0, 1]), rtol=1e-3, atol=1e-4)


def test_vectors_wider_than_the_teacher_are_padded(teacher):
    vectors = vectors_from_teacher(teacher, ["Anna", "Paris", "said"], 50)
    assert vectors.shape == (3, 50) and not vectors[:, 32:].any()


def test_one_word_alone_has_a_finite_vector(teacher):
    assert np.isfinite(vectors_from_teacher(teacher, ["Anna"], 4)).all()


@pytest.mark.parametrize("header", ["", "5 3\n"])
@pytest.mark.parametrize("name", ["vectors.txt", "vectors.txt.gz"])
def test_text_vectors(tmp_path, header, name):
    content = (header + LINES).encode()
    (tmp_path / name).write_bytes(gzip.compress(content) if name.endswith(".gz") else content)
    vectors = vectors_from_file(tmp_path / name, WORDS, 3, seed=1)
    assert vectors.shape == (4, 3) and vectors.dtype == np.float32
    given = np.array([[1, 0, 0], [2, 1, 0], [-3, 0.5, 0.1]])
    distances = [np.linalg.norm(given[i] - given[j]) for i, j in ((0, 1), (0, 2), (1, 2))]
    reduced = [np.linalg.norm(vectors[i] - vectors[j]) for i, j in ((0, 1), (0, 2), (1, 2))]
    np.testing.assert_allclose(np.array(reduced) / reduced[0], np.array(distances) / distances[0], rtol=1e-4)
    np.testing.assert_array_equal(vectors[3], random_vectors(4, 3, 1)[3])


def test_text_vectors_wider_than_wanted_are_reduced(write):
    assert vectors_from_file(Path(write("v.txt", LINES)), WORDS, 2, seed=1).shape == (4, 2)


@pytest.mark.parametrize(
    ("content", "dim", "message"),
    [
        ("paris 1 2 3\nrome 1 x 3\n", 3, r"v\.txt:2: expected a word and its numbers"),
        ("paris 1 2 3\nrome 1 2\n", 3, r"v\.txt:2: 2 numbers, but 3"),
        ("london 1 2 3\n", 3, "holds none of the 4 words"),
        ("", 3, "holds none of the 4 words"),
        (LINES, 4, "Set --student.word-dim 3"),
    ],
)
def test_bad_text_vectors(write, content, dim, message):
    with pytest.raises(InputError, match=message):
        vectors_from_file(Path(write("v.txt", content)), WORDS, dim, seed=1)


def test_a_missing_file_of_vectors(tmp_path):
    with pytest.raises(InputError, match="no such file"):
        vectors_from_file(tmp_path / "none.txt", WORDS, 3, seed=1)


def test_random_vectors_come_from_the_seed():
    assert rms(random_vectors(1000, 16, 3)) == pytest.approx(SCALE, rel=0.05)
    np.testing.assert_array_equal(random_vectors(5, 4, 3), random_vectors(5, 4, 3))
    assert (random_vectors(5, 4, 3) != random_vectors(5, 4, 4)).any()
