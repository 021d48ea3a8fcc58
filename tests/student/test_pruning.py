from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdner.errors import InputError
from kdner.student.config import StudentConfig
from kdner.student.model import Student
from kdner.student.network import Network
from kdner.student.pruning import pruned
from kdner.student.saved import GENERAL
from kdner.student.tagger import Tagger
from kdner.student.vocabulary import UNKNOWN, Vocabulary, normalize
from kdner.text.words import split

SHAPE = StudentConfig(word_dim=4, character_dim=2, character_filters=2, hidden=4)
VOCABULARY = Vocabulary(
    words=("paris", "rome", "oslo"),
    characters=tuple("parisxé"),
    beginnings=("par", "p", "a", "pax", "pé"),
    continuations=("is", "i", "s", "ax", "a", "r", "x"),
)


def student_of(vocabulary):
    return Network(SHAPE, vocabulary, ["O", "B-LOC"]).saved()


def words_of(texts):
    return Counter(word for text in texts for sentence in split(text) for word in sentence.words)


def test_a_student_of_the_words_of_a_corpus_tags_it_exactly_as_before(toy_texts, make_student):
    texts = [*toy_texts[:3], "Mr. Brown visited Reykjavík and IBM's Unterschleißheim office in 1997; floccinaucinihil!"]
    for student in (Student.from_pretrained(GENERAL), make_student(seed=3)):
        small = pruned(student, words_of(texts))
        assert small.parameters_count < student.parameters_count
        before, after = Tagger(student), Tagger(small)
        assert any(before.tag(texts)) and after.tag(texts) == before.tag(texts)  # scores, too
        sentences = [sentence.words for text in texts for sentence in split(text)]
        assert np.array_equal(after.score_words(sentences), before.score_words(sentences))


def test_what_a_corpus_does_not_use_goes_but_for_what_spells_any_word():
    student = student_of(VOCABULARY)
    small = pruned(student, Counter({"Paris": 1, "RomE": 1}))
    assert small.vocabulary == Vocabulary(
        words=("paris", "rome"),
        characters=VOCABULARY.characters,
        beginnings=("par", "p", "a", "pé"),  # no other piece has an é
        continuations=("is", "i", "s", "a", "r", "x"),
    )
    kept = [0, UNKNOWN, 2, 3, 5, 6, 7, 9, 10, 11, 12, 14, 15, 16]
    assert np.array_equal(small.weights["words.weight"], student.weights["words.weight"][kept])
    assert student.vocabulary == VOCABULARY and len(student.weights["words.weight"]) == VOCABULARY.word_rows


def test_words_and_pieces_that_are_used_too_rarely_go():
    small = pruned(student_of(VOCABULARY), Counter({"Paris": 1, "PARIS": 1, "Rome": 1, "parr": 1}), min_count=3)
    assert small.vocabulary.words == () and "par" in small.vocabulary.beginnings
    assert "is" not in small.vocabulary.continuations


def test_a_limit_keeps_what_is_used_most():
    student = student_of(VOCABULARY)
    counts = Counter({"Paris": 5, "Rome": 3, "Oslo": 4, "pax": 1})
    whole = pruned(student, counts)
    small = pruned(student, counts, max_parameters=whole.parameters_count - 2 * SHAPE.word_dim)
    assert small.parameters_count == whole.parameters_count - 2 * SHAPE.word_dim
    assert small.vocabulary.words == ("paris", "oslo") and "pax" not in small.vocabulary.beginnings
    with pytest.raises(InputError, match=r"--max-parameters 100: .* takes \d+\. Raise the limit") as refused:
        pruned(student, counts, max_parameters=100)
    least = int(str(refused.value).split("takes ")[1].split(".")[0])
    assert pruned(student, counts, max_parameters=least).parameters_count == least


PIECES = st.lists(st.text("abcd", min_size=1, max_size=3), max_size=12, unique=True)


@given(PIECES, PIECES, st.lists(st.text("abcd", min_size=1, max_size=6)))
def test_what_the_characters_that_are_pieces_spell_is_still_spelled(beginnings, continuations, corpus):
    vocabulary = Vocabulary(("a",), tuple("abcd"), tuple(beginnings), tuple(continuations))
    small = pruned(student_of(vocabulary), Counter(corpus)).vocabulary
    for word in map(normalize, corpus):  # the corpus itself is made of the same pieces
        assert names(small, small.all_pieces(word)) == names(vocabulary, vocabulary.all_pieces(word))
    first, later = ({piece for piece in part if len(piece) == 1} for part in (beginnings, continuations))
    for word in (a + b for a in sorted(first) for b in ("", *sorted(later), "".join(sorted(later)))):
        assert UNKNOWN not in small.all_pieces(word)


def names(vocabulary, rows):
    known = ["padding", "unknown", *vocabulary.words, *vocabulary.beginnings, *vocabulary.continuations]
    return [known[row] for row in rows]
