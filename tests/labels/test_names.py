from __future__ import annotations

import pytest

from kdner.errors import InputError
from kdner.labels.names import TypeNames


def named(*names):
    types = TypeNames()
    for place, name in enumerate(names, 1):
        types.add(name, f"set:{place}")
    types.check()
    return list(types.places)


def test_white_space_around_goes_and_names_of_any_script_are_right():
    assert named(" PER\xa0", "WORK OF ART", "Straße", "人名", "GPE-city", "x") == [
        "PER", "WORK OF ART", "Straße", "人名", "GPE-city", "x",
    ]  # fmt: skip


def test_tags_are_stripped_and_their_types_noted_once():
    types = TypeNames()
    assert [types.add_tag(tag, "set:1") for tag in ["B-PER\xa0", " O ", "I- PER", "M-LOC"]] == [
        "B-PER",
        "O",
        "I-PER",
        "M-LOC",
    ]
    assert types.add_tag("B-PER", "set:2") == "B-PER" and types.places == {"PER": "set:1", "LOC": "set:1"}
    with pytest.raises(InputError, match=r"^set:3: tag 'PER' belongs to no known scheme"):
        types.add_tag("PER", "set:3")


@pytest.mark.parametrize(
    "names, message",
    [
        (["PER", " "], "set:2: the label is empty"),
        (["P\xadER"], r"set:1: the label 'P\\xadER' holds U\+00AD \(SOFT HYPHEN\)"),
        (["P\u2060ER"], "WORD JOINER"),
        (["P\tER"], r"U\+0009 \(a control character\)"),
        (["P\xa0ER"], "NO-BREAK SPACE"),
        (["P\ufffdER"], "REPLACEMENT CHARACTER"),
        (["PER", "LOC", "Per"], "set:3: the label 'Per' differs from 'PER' \\(set:1\\)"),
        (["WORK OF ART", "WORK  OF ART"], "only by case, white space"),
        (["Stra\xdfe", "STRASSE"], "differs from"),
        (["caf\xe9", "cafe\u0301"], "the way a character is encoded"),
        (["B-PER"], "'B-PER' is a tag"),
        (["I-95"], "'I-95' is a tag"),
        (["S-PER", "E-PER"], "'S-PER' is a tag"),
        (["PER", "U-PER"], "'U-PER' is a tag"),
        (["O"], "set:1: the label 'O' is a tag, that of words outside entities. Give the type another name"),
    ],
)
def test_names_that_cannot_be_told_apart_or_are_tags_are_refused(names, message):
    with pytest.raises(InputError, match=message):
        named(*names)


def test_types_may_be_called_as_averages_are():
    assert named("micro", "all", "macro avg") == ["micro", "all", "macro avg"]


def test_a_type_may_begin_as_some_tags_do():
    assert named("E-MAIL", "S-Bahn", "U-BOAT", "M-DWARF", "B", "B-") == [
        "E-MAIL",
        "S-Bahn",
        "U-BOAT",
        "M-DWARF",
        "B",
        "B-",
    ]
