from __future__ import annotations

import pytest
from files import put_lines

from kdner.corpora.plan import plan_corpus
from kdner.teacher import scheme_sample as module
from kdner.teacher.scheme_sample import answered, sample_sentences, scheme_sample
from kdner.text.words import split


def test_a_sample_of_a_corpus_is_sentences_of_words(corpus_file):
    sample = list(sample_sentences(plan_corpus([corpus_file]), split))
    assert ["Rain", "is", "expected", "."] in sample and all(sample)


def test_one_long_document_is_not_the_whole_sample(tmp_path):
    book = "It rained in Bergen . " * 4000
    corpus = put_lines(tmp_path / "a.txt", [book, *(f"Mira left Oslo {k} ." for k in range(20)), book])
    sample = list(sample_sentences(plan_corpus([corpus]), split))
    assert sum(words[:2] == ["Mira", "left"] for words in sample) == 20
    assert sum(map(len, sample)) < 3 * module.DOCUMENT_WORDS


def test_what_a_class_does_not_end_with_is_left_out(caplog):
    sentences = [["Mira"], ["Forever", "and", "ever"], ["Oslo"], ["Exit"], ["Kaboom"], ["Bergen"]]
    kept = answered("own_teachers:Stumbling", sentences, answer_s=1.0)
    assert kept == [["Mira"], ["Oslo"], ["Kaboom"], ["Bergen"]]
    assert [message.partition(": ")[2].rpartition(": ")[2] for message in caplog.messages] == [
        "Forever and ever",
        "Exit",
    ]


def test_one_that_ends_with_nothing_has_no_sample_and_one_that_cannot_begin_keeps_it(caplog):
    assert answered("own_teachers:Stumbling", [["Forever"]], answer_s=0.5) == []
    assert "give the class a `scheme`" in caplog.text
    assert answered("own_teachers:Killed", [["Mira"]], answer_s=1.0) == [["Mira"]]


@pytest.mark.parametrize("teacher", ["own_teachers:Told", "own_teachers:Types"])
def test_teachers_that_tell_their_scheme_need_no_sample(corpus_file, teacher):
    assert scheme_sample(plan_corpus([corpus_file]), [teacher], split) == []
