from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdner.errors import InputError
from kdner.flags import HeldOut, LabeledSet
from kdner.labeled.held_out import hold_out
from kdner.labeled.sentence import LabeledSentence
from kdner.labeled.sets import read_drawn, read_test


def sentences_of(*sizes):
    """A set with documents of these sizes."""
    return [
        LabeledSentence.of_gold_words(f"{document}:{i}", document, ["Anna", "left"], ["B-PER", "O"])
        for document, size in enumerate(sizes)
        for i in range(size)
    ]


@given(
    st.lists(st.integers(1, 30), min_size=1, max_size=20).filter(lambda sizes: sum(sizes) > 1),
    st.floats(0.05, 0.95),
)
def test_every_sentence_is_in_one_part_and_fitting_documents_in_one(sizes, share):
    sentences = sentences_of(*sizes)
    wanted = round(share * len(sentences))
    if not 0 < wanted < len(sentences):
        return
    kept, held_out = hold_out(sentences, HeldOut(test_share=share), "set")
    order = {sentence.id: i for i, sentence in enumerate(sentences)}
    for part in (kept, held_out):
        assert part and [order[s.id] for s in part] == sorted(order[s.id] for s in part)
    assert sorted(order[s.id] for s in kept + held_out) == list(range(len(sentences)))
    assert len(held_out) <= wanted
    shared = {s.document for s in kept} & {s.document for s in held_out}
    if len(sizes) > 1 and min(sizes) <= wanted:
        assert not shared
        assert all(size > wanted - len(held_out) for d, size in enumerate(sizes) if d in {s.document for s in kept})
    else:
        assert len(held_out) == wanted


def test_a_set_without_documents_gives_the_very_number():
    _, held_out = hold_out(sentences_of(*[1] * 100), HeldOut(test_sentences=17), "set")
    assert len(held_out) == 17


def test_trainings_of_any_seed_read_nothing_that_is_measured_on(train_file):
    whole = {s.id for s in read_test(train_file)}
    tested = {s.id for s in read_test(train_file, held_out=HeldOut(test_share=0.25))}
    assert len(tested) == round(0.25 * len(whole))
    for seed in (1, 2):
        flags = LabeledSet(labeled=train_file, labeled_size=10, seed=seed, test_share=0.25)
        drawn, rest, labels = read_drawn(flags)
        assert len(drawn) == 10
        assert {s.id for s in drawn + rest} == whole - tested
        assert labels == read_drawn(LabeledSet(labeled=train_file))[2]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"test_share": 0.0}, "--test-share 0.0: must be over 0"),
        ({"test_share": 1.0}, "--test-share 1.0: must be over 0 and under 1"),
        ({"test_share": 0.01}, "--test-share 0.01: news.conll has 20 sentences"),
        ({"test_sentences": 20}, "--test-sentences 20: news.conll has 20 sentences, of which at least one"),
        ({"test_sentences": 0}, "--test-sentences 0"),
        ({"test_sentences": 5, "test_share": 0.2}, "give one of them"),
    ],
)
def test_what_cannot_be_held_out_is_refused(flags, message):
    with pytest.raises(InputError, match=message):
        hold_out(sentences_of(12, 8), HeldOut(**flags), "news.conll")
