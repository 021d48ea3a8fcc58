from __future__ import annotations

import json

from kdner.labeled.sentence import LabeledSentence
from kdner.measuring.tagged_examples import EXAMPLES, examples_report, tagged_examples


def gold(number, words, tags):
    return LabeledSentence.of_gold_words(f"set:{number}", number, words.split(), tags.split())


SENTENCES = [
    gold(k, f"Anna Schmidt flew from Paris to Rome on day {k} .", "B-PER I-PER O O B-LOC O B-LOC O O O O")
    for k in range(40)
]
RIGHT = [list(sentence.tags) for sentence in SENTENCES]


def wrong_where(numbers):
    return [["O"] * len(tags) if k in numbers else tags for k, tags in enumerate(RIGHT)]


def test_half_of_the_examples_are_tagged_differently():
    examples = tagged_examples(SENTENCES, {"teacher": RIGHT, "student": wrong_where(range(0, 40, 2))})
    assert len(examples) == EXAMPLES and len({example["text"] for example in examples}) == EXAMPLES
    different = [e for e in examples if e["entities"]["teacher"] != e["entities"]["student"]]
    assert len(different) == EXAMPLES / 2
    for example in examples:
        for start, end, label in example["entities"]["gold"]:
            assert (example["text"][start:end], label) in {("Anna Schmidt", "PER"), ("Paris", "LOC"), ("Rome", "LOC")}
        assert example["entities"]["teacher"] == example["entities"]["gold"]


def test_there_are_as_many_as_there_can_be():
    alike = tagged_examples(SENTENCES, {"teacher": RIGHT, "student": RIGHT})
    assert len(alike) == EXAMPLES
    apart = tagged_examples(SENTENCES, {"teacher": RIGHT, "student": wrong_where(range(40))})
    assert len(apart) == EXAMPLES
    assert len(tagged_examples(SENTENCES[:3], {"teacher": RIGHT[:3], "student": RIGHT[:3]})) == 3
    assert tagged_examples([gold(0, "Rain .", "O O")], {"teacher": [["O", "O"]], "student": [["O", "O"]]}) == []
    assert len(tagged_examples(SENTENCES, {"teacher": RIGHT})) == EXAMPLES


def test_entities_are_marked_and_models_side_by_side_where_they_differ():
    sentences = [
        gold(0, "Anna met Tom in New York .", "B-PER O B-PER O B-LOC I-LOC O"),
        gold(1, "Tom left .", "B-PER O O"),
    ]
    tags = {
        "teacher": [sentences[0].tags, sentences[1].tags],
        "student": [["B-PER", "O", "O", "O", "B-LOC", "O", "O"], sentences[1].tags],
    }
    examples = json.loads(json.dumps(tagged_examples(sentences, tags)))
    assert examples_report(examples).splitlines() == [
        "teacher*   [Anna PER] met [Tom PER] in [New York LOC] .",
        "student    [Anna PER] met Tom in [New LOC] York .",
        "",
        "both*      [Tom PER] left .",
    ]


def test_one_model_is_shown_by_its_name_and_as_many_sentences_as_are_wanted():
    examples = tagged_examples(SENTENCES, {"student": wrong_where(range(20))}, 4)
    lines = examples_report(json.loads(json.dumps(examples))).splitlines()
    assert len(lines) == 4 and {line.split()[0] for line in lines} == {"student", "student*"}


def test_a_sentence_that_would_break_the_line_is_not_shown():
    def sentence(text):
        return LabeledSentence("set:1", 0, text, [0], [4], ["B-PER"])

    shown = sentence("Anna\u00a0left\u200d, 東京")
    broken = [sentence(f"Anna left{character}") for character in ("\nParis", "\u2028", "\x1b[1m", "\ud800")]
    examples = tagged_examples([shown, *broken], {"student": [["B-PER"]] * 5})
    assert [example["text"] for example in examples] == [shown.text]
