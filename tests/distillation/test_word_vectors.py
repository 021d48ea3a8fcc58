from __future__ import annotations

import gzip
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from kdner.distillation.word_vectors import SCALE, random_vectors, vectors_from_file, vectors_from_teacher
from kdner.errors import InputError
from kdner.student.vocabulary import UNKNOWN

WORDS = ["paris", "rome", "0000", "lost"]
LINES = "Paris 1 0 0\nof 9 9 9\nrome 2 1 0\nRome 7 7 7\n1996 -3 0.5 1e-1\n"


def rms(vectors):
    return float(np.sqrt(np.mean(vectors**2)))


COUNTS = Counter(
    {"Anna": 90, "anna": 20, "Parisrome": 50, "Annaschmidt": 30, "won": 20, "1996": 20, "1997": 9, "Zug": 1}
)


def first_vector(vocabulary, vectors, word):
    """What the student starts with for a word: the mean of its pieces, and what its own vector adds."""
    of_pieces = vectors[np.array(vocabulary.pieces(word)) - UNKNOWN - 1].mean(axis=0)
    return of_pieces + vectors[vocabulary.words.index(word)] if word in vocabulary.words else of_pieces


def test_a_word_starts_where_the_teachers_pieces_lie(teacher):
    vocabulary, vectors = vectors_from_teacher(teacher, COUNTS, 1000, 32)
    assert vectors.shape == (vocabulary.word_rows - UNKNOWN - 1, 32) and vectors.dtype == np.float32
    words = ["won", "Parisrome", "Annaschmidt", "Zug"]
    pieces = [[piece for piece, *_ in spans] for spans in teacher.pieces.spans(words)]
    wide = np.stack([teacher.piece_embeddings[ids].mean(axis=0) for ids in pieces if ids])
    narrow = [first_vector(vocabulary, vectors, word.lower()) for word, ids in zip(words, pieces, strict=True) if ids]
    distances, kept = (np.linalg.norm(v[:, None] - v[None], axis=2) for v in (wide, np.stack(narrow)))
    np.testing.assert_allclose(kept, distances * (kept[0, 1] / distances[0, 1]), rtol=1e-3, atol=1e-4)
    of_words = [first_vector(vocabulary, vectors, word) for word in vocabulary.words]
    assert rms(np.stack([*of_words, *vectors[len(of_words) :]])) == pytest.approx(SCALE, rel=1e-3)


def test_frequent_words_of_several_pieces_have_vectors_of_their_own(teacher):
    vocabulary, _ = vectors_from_teacher(teacher, COUNTS, 1000, 8)
    assert vocabulary.words[:2] == ("parisrome", "annaschmidt") and "anna" in vocabulary.beginnings
    assert all(len(vocabulary.pieces(word)) > 1 for word in vocabulary.words)


def test_any_word_of_known_characters_is_made_of_pieces(teacher):
    vocabulary, _ = vectors_from_teacher(teacher, COUNTS, 1000, 8)
    for word in ("annamitsch", "wonwon", "0000", "gus"):
        assert UNKNOWN not in vocabulary.pieces(word)
    assert vocabulary.pieces("日") == [UNKNOWN] and vocabulary.pieces("won") != vocabulary.pieces("zwon")


def test_where_there_is_little_room_the_most_frequent_are_taken(teacher):
    whole, _ = vectors_from_teacher(teacher, COUNTS, 1000, 8)
    vocabulary, vectors = vectors_from_teacher(teacher, COUNTS, 20, 8)
    pieces = len(vocabulary.beginnings) + len(vocabulary.continuations)
    assert pieces == 14 and len(vectors) == pieces + len(vocabulary.words) <= 20
    assert set(vocabulary.beginnings) < set(whole.beginnings)


def test_vectors_wider_than_the_teachers_are_padded(teacher):
    _, vectors = vectors_from_teacher(teacher, COUNTS, 1000, 50)
    assert vectors.shape[1] == 50 and not vectors[:, 32:].any()


def test_one_word_alone_has_finite_vectors(teacher):
    assert np.isfinite(vectors_from_teacher(teacher, Counter(["a"]), 10, 4)[1]).all()


def test_words_of_which_the_teacher_knows_no_piece_start_alike(teacher):
    vocabulary, vectors = vectors_from_teacher(teacher, Counter({"日本": 3, "東京": 2}), 100, 4)
    assert set(vocabulary.words) == {"日本", "東京"} and not vectors.any()


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
