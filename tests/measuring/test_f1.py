from __future__ import annotations

import pytest
from seqeval.metrics import f1_score
from seqeval.scheme import IOB2

from kdner.labeled.sentence import LabeledSentence
from kdner.measuring.f1 import Quality, entities_found, measure_f1, recall_by_words


def sentence(words, tags):
    return LabeledSentence.of_gold_words("s", 0, words.split(" "), tags.split(" "))


def said(*tags):
    """A tagger that gives these tags, whatever it is asked."""
    return lambda sentences: [row.split(" ") for row in tags]


GOLD = [
    sentence("Anna Schmidt flew to New York", "B-PER I-PER O O B-LOC I-LOC"),
    sentence("Tom won in Rome", "B-PER O O B-LOC"),
]


def test_known_numbers():
    quality = measure_f1(said("B-PER I-PER O O B-LOC O", "B-PER O B-LOC B-LOC"), GOLD)
    assert quality.per_label["PER"] == Quality(precision=1.0, recall=1.0, f1=1.0, support=2)
    place = quality.per_label["LOC"]
    assert (place.precision, place.recall, place.f1) == pytest.approx((1 / 3, 0.5, 0.4))
    assert quality.precision == pytest.approx(3 / 5) and quality.recall == pytest.approx(3 / 4)
    assert quality.f1 == pytest.approx(2 / 3)
    assert quality.rounded() == {"f1": 0.6667, "precision": 0.6, "recall": 0.75, "support": 4}
    assert set(quality.per_label) == {"PER", "LOC"}


def test_it_is_the_strict_f1_of_seqeval():
    tags = ["B-PER I-PER O B-PER B-LOC I-LOC", "B-LOC O O B-LOC"]
    expected = f1_score([s.tags for s in GOLD], [row.split(" ") for row in tags], mode="strict", scheme=IOB2)
    assert measure_f1(said(*tags), GOLD).f1 == pytest.approx(expected)


def test_a_tag_that_continues_nothing_begins_an_entity():
    quality = measure_f1(said("I-PER I-PER O O I-LOC I-LOC", "O O O I-LOC"), GOLD)
    assert quality.precision == 1 and quality.recall == pytest.approx(3 / 4)


def test_gold_words_that_the_splitter_cuts_are_scored_as_one():
    asked = []

    def tag(sentences):
        asked.extend(sentences)
        return [["B-CASE", "I-CASE", "I-CASE", "I-CASE", "O"]]

    gold = [sentence("Roe vs. Wade won", "B-CASE I-CASE I-CASE O")]
    assert measure_f1(tag, gold).f1 == 1
    assert asked == [["Roe", "vs", ".", "Wade", "won"]]
    assert measure_f1(said("B-CASE O I-CASE I-CASE O"), gold).f1 == 0


def test_perfect_and_empty_predictions():
    assert measure_f1(lambda _: [s.tags for s in GOLD], GOLD).f1 == 1
    nothing = measure_f1(said("O O O O O O", "O O O O"), GOLD)
    assert nothing.rounded() == {"f1": 0.0, "precision": 0.0, "recall": 0.0, "support": 4}


def test_a_set_without_entities_has_an_f1_of_0():
    gold = [sentence("it rained", "O O")]
    assert measure_f1(said("O O"), gold).support == 0
    assert measure_f1(said("B-X O"), gold).f1 == 0


def test_types_may_be_called_as_averages_are():
    gold = [sentence("Anna met Tom in Rome", "B-micro O B-all O B-micro_avg")]
    gold += [LabeledSentence.of_gold_words("s", 1, ["Rome"], ["B-macro avg"])]
    quality = measure_f1(lambda _: [["B-micro", "O", "O", "O", "B-all"], ["B-macro avg"]], gold)
    found = {name: (row.support, row.recall) for name, row in quality.per_label.items()}
    assert found == {"micro": (1, 1.0), "all": (1, 0.0), "micro_avg": (1, 0.0), "macro avg": (1, 1.0)}
    assert (quality.support, quality.recall) == (4, 0.5)


def test_recall_by_the_words_that_are_known():
    tags = said("B-PER I-PER O O B-LOC O", "B-PER O O B-LOC")(GOLD)
    found = entities_found(tags, GOLD)
    assert found == [True, False, True, True]
    recalls = recall_by_words(found, GOLD, {"Anna", "Tom", "Rome", "New", "York"}.__contains__)
    assert recalls == {
        "known_words": {"recall": 0.6667, "support": 3},
        "unknown_words": {"recall": 1.0, "support": 1},
    }
    assert recall_by_words(found, GOLD, lambda word: True)["unknown_words"] == {"recall": None, "support": 0}
