from __future__ import annotations

import json

from predicted import prediction

from kdner.labeled.sentence import LabeledSentence
from kdner.measuring.f1 import measure_f1
from kdner.measuring.predictions import Prediction, Span, Tagged, predictions
from kdner.student.tagger import Tagger


def test_what_models_predict_stands_beside_what_is_labeled():
    sentence = LabeledSentence.of_gold_words(
        "set:7", 3, ["Anna", "Schmidt", "left", "Rome"], ["B-PER", "I-PER", "O", "B-LOC"]
    )
    tagged = Tagged([["B-PER", "I-PER", "O", "B-ORG"]], [[0.9, 0.7, 1.0, 0.6]])
    (found,) = predictions([sentence], {"student": tagged, "teacher": Tagged([["O"] * 4])})
    assert found == Prediction(
        "set:7",
        3,
        "Anna Schmidt left Rome",
        [Span(0, 12, "PER"), Span(18, 22, "LOC")],
        {"student": [Span(0, 12, "PER", 0.8), Span(18, 22, "ORG", 0.6)], "teacher": []},
    )


def test_a_score_is_that_of_the_entity_even_where_the_labeled_set_has_other_words():
    # One gold word of two words of the splitter: the entity of both has the mean of both probabilities.
    sentence = LabeledSentence.of_gold_words("set:1", 0, ["al-Becker", "left"], ["B-PER", "O"])
    words = sentence.words()[0]
    tags = ["B-PER"] + ["I-PER"] * (len(words) - 2) + ["O"]
    probabilities = [1.0, *[0.5] * (len(words) - 2), 0.9]
    (found,) = predictions([sentence], {"student": Tagged([tags], [probabilities])})
    inside = probabilities[:-1]
    assert len(inside) > 1 and found.models["student"] == [Span(0, 9, "PER", round(sum(inside) / len(inside), 4))]


def test_the_scores_are_those_that_a_student_gives_to_texts(make_student, toy):
    tagger = Tagger(make_student(seed=3))
    decoded = tagger.decode(sentence.words()[0] for sentence in toy)
    tags = [[tagger.labels[k] for k in labels.tolist()] for labels, _ in decoded]
    found = predictions(toy, {"student": Tagged(tags, [own.tolist() for _, own in decoded])})
    tagged = tagger.tag([sentence.text for sentence in toy])
    assert sum(map(len, tagged)) > 20
    for prediction_, entities in zip(found, tagged, strict=True):
        assert [s[:3] for s in prediction_.models["student"]] == [(e.start, e.end, e.label) for e in entities]
        for span, entity in zip(prediction_.models["student"], entities, strict=True):
            assert abs(span.score - entity.score) < 1e-3


def test_their_f1_is_that_of_seqeval(make_student, toy):
    tagger = Tagger(make_student(seed=3))
    tags = tagger.tags(sentence.words()[0] for sentence in toy)
    found = predictions(toy, {"student": Tagged(tags)})
    right = sum(len(set(p.gold) & set(p.models["student"])) for p in found)
    both = sum(len(p.gold) + len(p.models["student"]) for p in found)
    assert 2 * right / both == measure_f1(lambda _: tags, toy).f1


def test_a_line_of_json_gives_it_back():
    one = prediction("[Anna PER] left [Rome LOC]", student="[Anna PER 0.75] left Rome", teacher="Anna [left ORG] Rome")
    assert Prediction.of_json(json.loads(json.dumps(one.json()))) == one
    assert one.json()["models"]["student"] == [[0, 4, "PER", 0.75]] and one.json()["gold"][1] == [10, 14, "LOC"]
