from __future__ import annotations

import pytest
from seqeval.metrics import f1_score
from seqeval.scheme import IOB2

from kdner.data.labeled_sentence import LabeledSentence
from kdner.measuring.f1 import Scores, score


def sentence(words, tags):
    return LabeledSentence.of_gold_words("s", 0, words.split(" "), tags.split(" "))


def said(*tags):
    """A tagger that gives these tags, whatever it is asked."""
    return lambda sentences: [own.split(" ") for own in tags]


GOLD = [
    sentence("Anna Schmidt flew to New York", "B-PER I-PER O O B-LOC I-LOC"),
    sentence("Tom won in Rome", "B-PER O O B-LOC"),
]


def test_known_numbers():
    scores = score(said("B-PER I-PER O O B-LOC O", "B-PER O B-LOC B-LOC"), GOLD)
    assert scores["PER"] == Scores(precision=1.0, recall=1.0, f1=1.0, support=2)
    assert scores["LOC"].precision == pytest.approx(1 / 3) and scores["LOC"].recall == 0.5
    assert scores["LOC"].f1 == pytest.approx(0.4)
    assert scores["micro"].precision == pytest.approx(3 / 5) and scores["micro"].recall == pytest.approx(3 / 4)
    assert scores["micro"].f1 == pytest.approx(2 / 3)
    assert scores["micro"].rounded() == {"f1": 0.6667, "precision": 0.6, "recall": 0.75, "support": 4}
    assert set(scores) == {"micro", "PER", "LOC"}


def test_it_is_seqevals_strict_score():
    tags = ["B-PER I-PER O B-PER B-LOC I-LOC", "B-LOC O O B-LOC"]
    expected = f1_score([s.tags for s in GOLD], [own.split(" ") for own in tags], mode="strict", scheme=IOB2)
    assert score(said(*tags), GOLD)["micro"].f1 == pytest.approx(expected)


def test_a_tag_that_continues_nothing_begins_an_entity():
    scores = score(said("I-PER I-PER O O I-LOC I-LOC", "O O O I-LOC"), GOLD)
    assert scores["micro"].precision == 1 and scores["micro"].recall == pytest.approx(3 / 4)


def test_gold_words_that_the_splitter_cuts_are_scored_as_one():
    asked = []

    def tag(sentences):
        asked.extend(sentences)
        return [["B-CASE", "I-CASE", "I-CASE", "I-CASE", "O"]]

    gold = [sentence("Roe vs. Wade won", "B-CASE I-CASE I-CASE O")]
    assert score(tag, gold)["micro"].f1 == 1
    assert asked == [["Roe", "vs", ".", "Wade", "won"]]
    assert score(said("B-CASE O I-CASE I-CASE O"), gold)["micro"].f1 == 0


def test_perfect_and_empty_predictions():
    assert score(lambda _: [s.tags for s in GOLD], GOLD)["micro"].f1 == 1
    nothing = score(said("O O O O O O", "O O O O"), GOLD)
    assert nothing["micro"] == Scores(precision=0.0, recall=0.0, f1=0.0, support=4)


def test_a_set_without_entities_scores_nothing():
    gold = [sentence("it rained", "O O")]
    assert score(said("O O"), gold)["micro"].support == 0
    assert score(said("B-X O"), gold)["micro"].f1 == 0
