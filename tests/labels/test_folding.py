from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdner.errors import InputError
from kdner.labels.decoding import best_legal_ids, best_legal_tags
from kdner.labels.folding import Folding, check_label_map, read_label_map
from kdner.labels.tags import entities_of

IOB = ["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]
SCHEMES = {
    "BIOES": ["O", "B-PER", "I-PER", "E-PER", "S-PER", "S-LOC", "E-LOC", "B-LOC", "I-LOC"],
    "BILOU": ["B-PER", "I-PER", "L-PER", "U-PER", "O", "U-LOC", "B-LOC", "L-LOC"],
    "I- only": ["O", "I-PER", "I-LOC"],
    "bare types": ["LOC", "O", "PER"],
    "IOB1 of CoNLL-2003": ["O", "I-PER", "I-LOC", "B-LOC"],
    "IOE2": ["O", "I-PER", "E-PER", "I-LOC", "E-LOC"],
    "IOB1": IOB,
    "IOB2": IOB,
}
MAPS = {"none": {}, "joined": {"LOC": "PER"}, "renamed": {"LOC": "GPE"}, "dropped": {"LOC": ""}}


def sentences_of(lengths):
    return [["word"] * length for length in lengths]


@pytest.mark.parametrize("label_map", MAPS.values(), ids=MAPS)
@pytest.mark.parametrize("scheme", SCHEMES)
@settings(max_examples=15)
@given(seed=st.integers(0, 2**32 - 1), spread=st.sampled_from([0.1, 1.0, 5.0, 60.0]))
def test_the_best_iob2_tags_stand_for_the_entities_of_the_schemes_own_rule(scheme, label_map, seed, spread):
    draw = np.random.default_rng(seed)
    labels = SCHEMES[scheme]
    lengths = draw.integers(0, 9, 5)
    logits = (draw.normal(size=(lengths.sum(), len(labels))) * spread).astype(np.float32)
    folding = Folding(labels, "their model", label_map=label_map)
    folded = folding(logits, lengths, iob1=scheme == "IOB1")
    if scheme != "IOB2":
        folded = folded.astype(np.float16)
    own = [label if label == "O" or label[1] == "-" else f"I-{label}" for label in labels]
    ids = best_legal_ids(logits, lengths, labels) if scheme == "IOB2" else logits.argmax(axis=1)
    ids_of_sentences = np.split(ids, np.cumsum(lengths)[:-1])
    for tags, expected in zip(
        best_legal_tags(folded, sentences_of(lengths), folding.labels), ids_of_sentences, strict=True
    ):
        entities = entities_of([own[label] for label in expected])
        assert entities_of(tags) == [(a, b, label_map.get(t, t)) for a, b, t in entities if label_map.get(t, t)]


def test_labels_that_mean_the_same_are_added_as_probabilities():
    folding = Folding(["O", "B-PER", "I-PER", "E-PER", "S-PER"], "their model")
    probabilities = np.array([[0.05, 0.3, 0.1, 0.05, 0.5]], np.float32)
    folded = np.exp(folding(np.log(probabilities), np.array([1])))
    assert folding.labels == ["O", "B-PER", "I-PER"]
    np.testing.assert_allclose(folded / folded.sum(), [[0.05, 0.8, 0.15]], atol=1e-6)


def test_a_sum_does_not_overrule_the_likeliest_label_of_the_scheme():
    folding = Folding(["O", "B-PER", "S-PER"], "their model")
    folded = folding(np.log(np.array([[0.4, 0.3, 0.3]])), np.array([1]))
    assert folded.argmax() == 0 and folded[0, 1] > -0.01


def test_labels_of_iob2_in_the_order_of_label_lists_stay_as_they_are():
    labels = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
    logits = np.random.default_rng(1).normal(size=(4, 5)).astype(np.float32)
    assert Folding(labels, "a teacher")(logits, np.array([4])) is logits
    moved = Folding(IOB, "a teacher")(logits, np.array([4]))
    np.testing.assert_allclose(moved - moved[:, :1], (logits - logits[:, :1])[:, [0, 3, 4, 1, 2]], atol=1e-5)


def test_labels_of_no_word_are_left_out_and_white_space_around_names_goes():
    labels = ["[PAD]", "O", "B-PER ", " I-PER", "[CLS]", "X", "<pad>"]
    folding = Folding(labels, "their model")
    assert folding.labels == ["O", "B-PER", "I-PER"]
    logits = np.array([[90.0, 1, 2, 0, 80, 70, 60]], np.float32)
    np.testing.assert_allclose(folding(logits, np.array([1])), [[-1, 0, -2]])


def test_what_a_tagger_does_tells_iob1_from_iob2():
    folding = Folding(IOB, "their model")
    lengths = np.array([4, 2])
    begins_with_i = np.eye(5, dtype=np.float32)[[0, 2, 2, 1, 4, 3]]
    begins_with_b = np.eye(5, dtype=np.float32)[[0, 1, 2, 1, 3, 4]]
    nothing = np.eye(5, dtype=np.float32)[[0, 0, 0, 0, 0, 0]]
    assert folding.may_be_iob1 and not Folding(SCHEMES["BIOES"], "their model").may_be_iob1
    told = [folding.begins_with_i(logits, lengths) for logits in (begins_with_i, begins_with_b, nothing)]
    assert told == [True, False, False]


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["LABEL_0", "LABEL_1"], "its labels have no names: LABEL_0, LABEL_1"),
        (["NEGATIVE", "POSITIVE"], "not a tagger of entities. Its labels: NEGATIVE, POSITIVE"),
        (["O", "[CLS]"], "not a tagger of entities"),
        ([], "Its labels: none"),
        (["O", "B-PER", "LOC"], "its label 'LOC' has no prefix, while others have"),
        (["O", "PER", "Per"], "the label 'Per' differs from 'PER' .* only by case"),
        (["O", "B-PER\u200b", "I-PER"], "holds U\\+200B"),
    ],
)
def test_labels_that_are_no_taggers(labels, message):
    with pytest.raises(InputError, match=message) as refusal:
        Folding(labels, "their/model")
    assert str(refusal.value).startswith("their/model: ")


def test_a_label_map_is_read_and_checked():
    label_map = read_label_map(["PERSON=PER", "GPE=LOC", "LOC = LOC", "*="])
    assert label_map == {"PERSON": "PER", "GPE": "LOC", "LOC": "LOC", "*": ""}
    folding = Folding(["O", "B-PERSON", "I-PERSON", "B-GPE", "I-GPE", "B-DATE"], "their model", label_map=label_map)
    assert folding.labels == ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
    student = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]  # has the new names already
    assert Folding(student, "its student", label_map=label_map).labels == student
    for flags, message in ((["PERSON"], "expected FROM=TO"), (["A=B", "A=C"], "A is named twice: A=B and A=C")):
        with pytest.raises(InputError, match=message):
            read_label_map(flags)
    with pytest.raises(InputError, match=r"--label-map PERSN=: no model has this type\. They have ORG, PERSON"):
        check_label_map({"PERSN": "PER", "*": ""}, ["PERSON", "ORG"])
    with pytest.raises(InputError, match="--label-map drops all of its types"):
        Folding(["O", "PER"], "their model", label_map={"PER": "O"})


@pytest.mark.parametrize("new, message", [("B-PER", "'B-PER' is a tag"), ("Loc", "differs from 'LOC'")])
def test_new_names_are_those_of_types(new, message):
    with pytest.raises(InputError, match=f"their model with --label-map: the label .*{message}"):
        Folding(["O", "B-PER", "B-LOC"], "their model", label_map={"PER": new})
