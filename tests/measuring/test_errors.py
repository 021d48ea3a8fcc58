from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from predicted import prediction

from kdner.measuring.errors import KINDS, compare, confusion, count_kinds, error_lines
from kdner.measuring.predictions import Span


def kinds(gold, predicted):
    one = prediction(gold, model=predicted)
    return [pair.kind for pair in compare(one.gold, one.models["model"])]


@pytest.mark.parametrize(
    ("gold", "predicted", "expected"),
    [  # the scenarios of nervaluate's README, in its order
        ("in [New York LOC] .", "in [New York LOC] .", ["correct"]),
        ("an Awful Headache in", "an [Awful Headache ORG] in", ["spurious"]),
        ("in [Palo Alto LOC] ,", "in Palo Alto ,", ["missed"]),
        ("in [Palo Alto LOC] ,", "in [Palo Alto ORG] ,", ["label"]),
        ("Unless [Karl Smith PER] resigns", "[Unless Karl Smith PER] resigns", ["boundaries"]),
        ("Unless [Karl Smith PER] resigns", "[Unless Karl Smith ORG] resigns", ["both"]),
        # two in one: the one with the label, else the one that is closest, has it; the other was missed
        ("[Rome LOC] [Lazio ORG]", "[Rome Lazio ORG]", ["boundaries", "missed"]),
        ("[New York City LOC] [Opera LOC]", "[New York City Opera LOC]", ["boundaries", "missed"]),
        # one in two
        ("[Hamilton D. Kaplan PER]", "[Hamilton D. PER] [Kaplan PER]", ["boundaries", "spurious"]),
        # the equal pair comes first, also where another one begins earlier
        ("[Bank of ORG] [Rome LOC]", "[Bank ORG] of [Rome LOC]", ["boundaries", "correct"]),
        ("", "", []),
    ],
)
def test_each_entity_has_its_kind(gold, predicted, expected):
    assert kinds(gold, predicted) == expected


def test_touching_entities_do_not_overlap():
    gold, predicted = [Span(0, 4, "PER")], [Span(4, 8, "PER")]
    assert count_kinds(compare(gold, predicted)) == {**dict.fromkeys(KINDS, 0), "missed": 1, "spurious": 1}


def entities(draw_labels=("A", "B")):
    cuts = st.lists(st.integers(0, 12), unique=True, max_size=8).map(sorted)
    return cuts.flatmap(
        lambda ends: st.lists(st.sampled_from(draw_labels), min_size=len(ends) // 2, max_size=len(ends) // 2).map(
            lambda labels: [Span(a, b, name) for a, b, name in zip(ends[::2], ends[1::2], labels, strict=False)]
        )
    )


@given(entities(), entities())
def test_every_entity_is_in_one_pair_and_the_order_does_not_matter(gold, predicted):
    pairs = compare(gold, predicted)
    assert sorted(pair.gold for pair in pairs if pair.gold) == sorted(gold)
    assert sorted(pair.predicted for pair in pairs if pair.predicted) == sorted(predicted)
    assert compare(gold[::-1], predicted[::-1]) == pairs
    counts = count_kinds(pairs)
    assert counts["correct"] == len(set(gold) & set(predicted))
    assert sum(counts.values()) == len(pairs) == len(gold) + counts["spurious"] == len(predicted) + counts["missed"]


def test_confusion_counts_by_label_and_with_what_is_none():
    one = prediction("[Rome LOC] [Lazio ORG] met [Anna PER] in", model="[Rome ORG] [Lazio ORG] met Anna [in LOC]")
    counts = confusion(compare(one.gold, one.models["model"]), ["LOC", "ORG", "PER"])
    assert list(counts) == list(counts["LOC"]) == ["LOC", "ORG", "PER", "O"]
    assert counts["LOC"] == {"LOC": 0, "ORG": 1, "PER": 0, "O": 0}
    assert counts["ORG"]["ORG"] == counts["PER"]["O"] == counts["O"]["LOC"] == 1
    assert sum(map(sum, (row.values() for row in counts.values()))) == 4


def test_a_line_for_each_error_in_its_context():
    words = " ".join(f"w{i}" for i in range(12))
    one = prediction(
        f"{words} [Anna PER] left [Rome LOC] today", student=f"{words} Anna left [Rome ORG 0.61] today", document=5
    )
    missed, label = error_lines([one], "student")
    assert (missed["model"], missed["kind"], missed["document"], missed["sentence"]) == (
        "student",
        "missed",
        5,
        "set:1",
    )
    assert missed["predicted"] is None and missed["gold"]["text"] == "Anna" and missed["text"] == one.text
    assert missed["before"] == "w4 w5 w6 w7 w8 w9 w10 w11" and missed["after"] == "left Rome today"
    assert label["kind"] == "label" and label["gold"]["label"] == "LOC"
    start = one.text.index("Rome")
    assert label["predicted"] == {"start": start, "end": start + 4, "label": "ORG", "text": "Rome", "score": 0.61}
