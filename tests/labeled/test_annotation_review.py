from __future__ import annotations

from kdner.labeled.annotation_review import count_labels, review, review_for_training, review_test
from kdner.labeled.remarks import Remarks
from kdner.labeled.sentence import LabeledSentence


def sentence(text, tags, line, file="train.conll"):
    return LabeledSentence.of_gold_words(f"{file}:{line}", line, text.split(), tags.split())


ADA = sentence("Ada left Paris", "B-PER O B-LOC", 1)


def found(review, *sets):
    remarks = Remarks()
    review(*sets, remarks)
    return [(remark.what.partition(" (")[0], remark.where, remark.detail) for remark in remarks.found]


def test_counts_are_of_gold_words_and_entities():
    counts = count_labels([ADA, sentence("New York", "B-LOC I-LOC", 5)])
    assert (counts.sentences, counts.words, counts.entities) == (2, 5, {"LOC": 2, "PER": 1})


def test_nothing_is_odd_about_plain_sentences():
    assert not found(review, [ADA, sentence("She came back .", "O O O O", 5)])


def test_a_file_without_empty_lines_is_one_long_sentence():
    long = sentence("word " * 300, "O " * 300, 1)
    assert found(review, [long]) == [("sentences of more than 128 words", "train.conll:1", "300 words")]


def test_an_empty_line_after_each_word_makes_sentences_of_one_word():
    lone = [sentence("Ada", "B-PER", line) for line in (1, 3, 5)]
    assert found(review, [*lone, ADA])[0] == ("sentences of one word, more than half of all", "train.conll:1", "Ada")
    assert not found(review, [*lone, ADA, ADA, ADA])


def test_the_same_words_with_other_tags():
    other = sentence("Ada left Paris", "B-PER O O", 9)
    what = "sentences of the same words as another, with other tags"
    assert found(review, [ADA, ADA, other, other]) == [(what, "train.conll:9", "as train.conll:1")]


def test_a_name_that_has_another_type_once():
    usual = [sentence(f"Paris {k} miles", "B-LOC O O", k) for k in range(20)]
    assert found(review, [*usual, sentence("Paris won", "B-ORG O", 77)]) == [
        ("names that nearly always have another type", "train.conll:77", "'Paris' is ORG, else LOC")
    ]


def test_a_long_entity():
    assert found(review, [sentence("a " * 16, "B-MISC " + "I-MISC " * 15, 4)]) == [
        ("entities of more than 15 words", "train.conll:4", "MISC of 16 words")
    ]


def test_types_with_few_entities_are_hardly_learned():
    sentences = [ADA, *(sentence("in Rome", "O B-LOC", 10 + k) for k in range(10))]
    what = "types with fewer than 10 entities, which are hardly learned"
    assert found(review_for_training, sentences) == [(what, "train.conll:1", "PER: 1")]


def test_sentences_of_the_test_set_that_were_learned_and_types_that_it_lacks():
    test = [sentence("Ada left Paris", "B-PER O B-LOC", 1, "test.conll"), sentence("It", "O", 5, "test.conll")]
    train = [ADA, sentence("It", "O", 3), sentence("Acme", "B-ORG", 7)]
    assert found(review_test, train, test) == [
        ("sentences that are learned from, too: their F1 flatters", "test.conll:1", "as train.conll:1"),
        ("types of the labeled set without an entity here", "ORG", "1 there"),
    ]
