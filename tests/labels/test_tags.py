from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdner.errors import InputError
from kdner.labels.tags import check_tag, entities_of, entities_of_few_words, entities_of_words, label_list, repair

TAGS = st.lists(st.sampled_from(["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]))


@pytest.mark.parametrize(
    "scheme, tags",
    [
        ("IOB1", "I-PER I-PER B-PER O I-LOC I-ORG O"),
        ("IOB2", "B-PER I-PER B-PER O B-LOC B-ORG O"),
        ("BIOES", "B-PER E-PER S-PER O S-LOC S-ORG O"),
        ("BMES", "B-PER E-PER S-PER O S-LOC S-ORG O"),
        ("BILOU", "B-PER L-PER U-PER O U-LOC U-ORG O"),
    ],
)
def test_every_scheme_reads_as_the_same_entities(scheme, tags):
    assert entities_of(tags.split()) == [(0, 2, "PER"), (2, 3, "PER"), (4, 5, "LOC"), (5, 6, "ORG")]
    assert repair(tags.split()) == ["B-PER", "I-PER", "B-PER", "O", "B-LOC", "B-ORG", "O"]


def test_i_only_joins_touching_words_of_one_type():
    assert repair(["I-PER", "I-PER", "I-ORG", "O", "I-ORG"]) == ["B-PER", "I-PER", "B-ORG", "O", "B-ORG"]


def test_three_word_entities_of_bioes_bmes_and_bilou():
    assert repair(["B-ORG", "I-ORG", "E-ORG", "S-ORG"]) == ["B-ORG", "I-ORG", "I-ORG", "B-ORG"]
    assert repair(["B-ORG", "M-ORG", "E-ORG", "M-ORG"]) == ["B-ORG", "I-ORG", "I-ORG", "B-ORG"]
    assert repair(["B-ORG", "I-ORG", "L-ORG", "U-ORG"]) == ["B-ORG", "I-ORG", "I-ORG", "B-ORG"]


def test_an_i_tag_that_continues_nothing_opens_an_entity():
    assert repair(["O", "I-PER", "I-PER", "I-LOC", "B-LOC"]) == ["O", "B-PER", "I-PER", "B-LOC", "B-LOC"]
    assert entities_of(["I-LOC"]) == [(0, 1, "LOC")]


def test_no_words_and_no_entities():
    assert entities_of([]) == [] and repair([]) == []
    assert entities_of(["O", "O"]) == [] and repair(["O", "O"]) == ["O", "O"]


@given(TAGS)
def test_repair_is_legal_keeps_the_entities_and_is_stable(tags):
    repaired = repair(tags)
    for before, tag in zip(["O", *repaired], repaired, strict=False):
        assert not tag.startswith("I-") or before in (tag, "B" + tag[1:])
    assert entities_of(repaired) == entities_of(tags)
    assert repair(repaired) == repaired
    assert [tag == "O" for tag in repaired] == [tag == "O" for tag in tags]


def test_a_type_may_hold_hyphens_and_one_letter():
    assert entities_of(["B-GPE-city", "I-GPE-city", "B-X"]) == [(0, 2, "GPE-city"), (2, 3, "X")]


@pytest.mark.parametrize("tag", ["PER", "B", "B-", "B_PER", "b-PER", "Q-PER", "o", "", "-PER", "O-PER"])
def test_an_unknown_tag_is_named_with_the_known_schemes(tag):
    with pytest.raises(InputError) as caught:
        entities_of(["O", tag])
    for part in (repr(tag), "IOB1", "IOB2", "I- only", "BIOES", "BMES", "BILOU"):
        assert part in str(caught.value)
    with pytest.raises(InputError, match=r"^train.txt:7: tag"):
        check_tag(tag, "train.txt:7")


def test_label_list_is_sorted_and_closed_under_iob2():
    assert label_list(["I-PER", "O", "B-LOC", "O"]) == ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
    assert label_list([]) == ["O"]


SCHEMES = ["O", *(f"{prefix}-{name}" for prefix in "BIMESLU" for name in ("PER", "LOC"))]


@given(st.lists(st.lists(st.sampled_from(SCHEMES), min_size=1, max_size=8), max_size=6))
def test_many_sentences_at_once_give_the_same_entities(sentences):
    words = [tag for tags in sentences for tag in tags]
    label_ids, lengths = [SCHEMES.index(tag) for tag in words], [len(tags) for tags in sentences]
    found = entities_of_words(np.array(label_ids, np.int64), np.array(lengths, np.int64), SCHEMES)
    expected, before = [], 0
    for tags in sentences:
        expected += [(before + first, before + last, name) for first, last, name in entities_of(tags)]
        before += len(tags)
    assert list(zip(found.firsts.tolist(), found.lasts.tolist(), found.names, strict=True)) == expected
    assert entities_of_few_words(label_ids, lengths, tuple(SCHEMES)) == expected
