from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from kdner.distillation.examples import TransferSet
from kdner.distillation.untrained_student import write_untrained_student
from kdner.distillation.word_vectors import vectors_from_teacher
from kdner.errors import InputError
from kdner.student.config import StudentConfig
from kdner.student.model import Student
from kdner.student.vocabulary import UNKNOWN, normalize

SHAPE = StudentConfig(word_dim=8, character_dim=4, character_filters=6, hidden=12)


@pytest.fixture
def begin(tmp_path, toy, labels, teacher_folder):
    def begin(name="student", config=SHAPE, **options):
        given = {
            "labels": labels,
            "labeled": toy,
            "transfer": None,
            "vectors": "teacher",
            "teacher": teacher_folder,
            "language": "en",
            "seed": 1,
        }
        write_untrained_student(tmp_path / name, config, **{**given, **options})
        return Student.from_pretrained(tmp_path / name)

    return begin


def test_it_keeps_the_language_of_its_texts(begin):
    assert (begin("en").language, begin("de", language="de").language) == ("en", "de")


@pytest.mark.parametrize("vectors", ["teacher", "random"])
def test_it_knows_the_words_of_both_sets(begin, toy, logits_folder, vectors):
    def known(student):
        return {*student.vocabulary.words, *student.vocabulary.beginnings, *student.vocabulary.continuations}

    alone = begin("a", vectors=vectors)
    both = begin("b", labeled=toy[:1], transfer=TransferSet([logits_folder]), vectors=vectors)
    assert known(both) == known(alone)
    assert known(begin("c", labeled=toy[:1], vectors=vectors)) < known(alone)
    assert TransferSet([logits_folder]).labels == both.labels
    if vectors == "random":
        counts = Counter(normalize(word) for sentence in toy for word in sentence.words()[0])
        assert known(alone) == counts.keys()


def test_word_vectors_come_from_the_teacher(begin, teacher, toy):
    student = begin()
    counts = Counter(word for sentence in toy for word in sentence.words()[0])
    vocabulary, expected = vectors_from_teacher(teacher, counts, 1000, SHAPE.word_dim)
    assert student.vocabulary == vocabulary
    table = student.weights["words.weight"]
    np.testing.assert_allclose(np.abs(table[UNKNOWN + 1 :]), np.abs(expected), atol=1e-4)
    assert not table[: UNKNOWN + 1].any()


def test_word_vectors_from_a_file_and_at_random(begin, write):
    lines = "".join(
        f"{word} {i} {i % 3} {i % 5} {-i} 1 {i % 7} 0 {i % 2}\n" for i, word in enumerate(["anna", "tom", "paris"])
    )
    student = begin("a", vectors=write("vectors.txt", lines), teacher=None)
    again = begin("b", vectors="random", teacher=None)
    rows = [student.vocabulary.words.index(word) + UNKNOWN + 1 for word in ("anna", "tom", "paris")]
    assert not np.allclose(student.weights["words.weight"][rows], again.weights["words.weight"][rows])
    with pytest.raises(InputError, match=r"none\.txt: no such file"):
        begin("c", vectors="none.txt")


def test_the_seed_decides_all_random_weights(begin):
    states = [begin(name, vectors="random", seed=seed).weights for name, seed in (("a", 1), ("b", 1), ("c", 2))]
    assert all(np.array_equal(states[0][name], states[1][name]) for name in states[0])
    assert not np.array_equal(states[0]["output.weight"], states[2]["output.weight"])
    assert not np.array_equal(states[0]["words.weight"], states[2]["words.weight"])


@pytest.mark.parametrize("vectors", ["teacher", "random"])
def test_the_limit_cuts_the_rarest_words(begin, vectors):
    whole = begin("a", vectors=vectors)
    limit = whole.parameters_count - 5 * SHAPE.word_dim
    config = StudentConfig(**{**vars(SHAPE), "max_parameters": limit})
    less = begin("b", config=config, vectors=vectors)
    assert less.parameters_count <= limit
    if vectors == "random":
        assert less.vocabulary.words == whole.vocabulary.words[:-5]


def test_vectors_of_a_teacher_need_one(begin, tmp_path):
    with pytest.raises(InputError, match="needs --teacher"):
        begin(teacher=None)
    assert list(tmp_path.iterdir()) == []


def test_a_start_that_was_killed_is_swept_away(begin, tmp_path):
    unfinished = tmp_path / f".student.tmp-{'0' * 16}"
    unfinished.mkdir()
    (unfinished / "junk").write_text("")
    begin()
    assert [path.name for path in tmp_path.iterdir()] == ["student"]
    assert not (tmp_path / "student" / "junk").exists()
