from __future__ import annotations

import numpy as np
import pytest

from kdner.errors import InputError
from kdner.student.tagger import Tagger
from kdner.student.thresholds import parse_thresholds, thresholds_by_label

LABELS = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
TEXTS = ["Anna flew to Paris .", "In Rome , Tom met Mary in 1996 .", "", "New York won 2-1 , said Omar ."] * 3


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["0.5"], {"LOC": 0.5, "PER": 0.5}),
        (["PER=0.7"], {"LOC": 0.0, "PER": 0.7}),
        (["0.5", "PER=0.7"], {"LOC": 0.5, "PER": 0.7}),
        (["PER=1", "0.25"], {"LOC": 0.25, "PER": 1.0}),
    ],
)
def test_flags(values, expected):
    assert parse_thresholds(values, LABELS) == expected


@pytest.mark.parametrize(
    ("values", "named"),
    [
        (["half"], "half"),
        (["PER="], "PER="),
        (["PER=0.5", "PER=0.6"], "PER is there twice"),
        (["0.5", "0.6"], "all labels is there twice"),
        (["PERS=0.5"], "'PERS'"),
        (["1.5"], "1.5"),
        (["PER=-0.1"], "-0.1"),
        (["nan"], "nan"),
    ],
)
def test_wrong_flags(values, named):
    with pytest.raises(InputError, match=named):
        parse_thresholds(values, LABELS)


def test_a_label_of_another_student_is_named_with_those_that_there_are():
    with pytest.raises(InputError, match=r"'MISC' is no label of this student; it has LOC, PER"):
        thresholds_by_label({"MISC": 0.5}, LABELS)
    with pytest.raises(InputError, match="True"):
        thresholds_by_label({"PER": True}, LABELS)
    assert thresholds_by_label(np.float32(0.5), LABELS) == {"LOC": 0.5, "PER": 0.5}


def test_entities_below_it_are_left_out(make_student):
    student = make_student(seed=4)
    every = student.tag(TEXTS)
    scores = sorted(entity.score for entities in every for entity in entities)
    middle = scores[len(scores) // 2]
    assert scores[0] < middle < scores[-1]
    assert student.tag(TEXTS, score=middle) == [[e for e in own if e.score >= middle] for own in every]
    assert student.tag(TEXTS, score={"PER": middle}) == [
        [e for e in own if e.label != "PER" or e.score >= middle] for own in every
    ]
    assert student.tag(TEXTS, score=0) == student.tag(TEXTS) == every
    assert student.tag(TEXTS[0], score=middle) == student.tag(TEXTS, score=middle)[0]
    assert student.tag([], score=middle) == []


def test_columns_fit_together_also_where_none_is_left(make_student):
    tagger = Tagger(make_student(seed=4))
    table = tagger.entity_table(TEXTS, score=1.0)
    assert table.documents.tolist() == [0] * len(TEXTS) and table.texts == table.labels == []
    assert table.words.tolist() == tagger.entity_table(TEXTS).words.tolist()
