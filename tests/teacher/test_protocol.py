from __future__ import annotations

import numpy as np
import pytest
import torch
from transformers import AutoConfig

from kdner.errors import InputError
from kdner.labels.tags import check_same_labels
from kdner.runs.schema import LOGITS, check
from kdner.teacher.by_name import joined_labels, load_model, may_be_iob1, model_labels
from kdner.teacher.model import SCHEME, Teacher
from kdner.teacher.score_documents import ScoreDocuments

SENTENCES = [["Mira", "Tuva", "met", "Bergen", "."], [], ["Oslo"]]
TAGS = [["B-PER", "I-PER", "O", "B-LOC", "O"], [], ["B-LOC"]]


def stored(name, text, make_corpus, **options):
    """The logits [W, L] of a text as precompute_logits stores them, or its error."""
    actor = ScoreDocuments([f"own_teachers:{name}"], **options)
    table = actor(make_corpus([text]))
    check(table, LOGITS, "logits")
    (row,) = table.to_pylist()
    return row["error"] or np.array(row["logits"], np.float16).reshape(len(row["words"]), -1)


@pytest.mark.parametrize("name", ["Iob1", "Iob2", "Bioes", "Types"])
def test_own_classes_of_any_scheme_have_the_tags_that_they_mean(name, make_corpus):
    source = f"own_teachers:{name}"
    labels = ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
    assert model_labels(source) == load_model(source).labels == labels
    assert load_model(source).tags(SENTENCES) == load_model(source, sample=SENTENCES).tags(SENTENCES) == TAGS
    logits = stored(name, "Mira Tuva met Bergen.", make_corpus, sample=SENTENCES)
    assert [labels[label] for label in logits.argmax(axis=1)] == TAGS[0]


def test_a_class_may_tell_its_scheme_and_else_sentences_tell():
    assert [may_be_iob1(f"own_teachers:{name}") for name in ("Iob1", "Iob2", "Told", "Bioes", "Types")] == [
        True,
        True,
        False,
        False,
        False,
    ]
    assert load_model("own_teachers:Told").tags([["Oslo"]]) == [["O"]]
    told_by_sample = load_model("own_teachers:Iob1", sample=SENTENCES)
    assert told_by_sample.tags([["met"], ["Oslo"]]) == [["O"], ["B-LOC"]]


@pytest.mark.parametrize("name", ["Masked", "Impossible", "Large", "Beyond"])
def test_logits_of_any_size_are_stored_with_the_same_softmax(name, make_corpus):
    logits = stored(name, "Mira met Tuva.", make_corpus)
    assert np.isfinite(logits).all()
    likely = np.exp(logits.astype(np.float64))
    likely /= likely.sum(axis=1, keepdims=True)
    expected = {"Large": [0.731, 0.269, 0], "Beyond": [1, 0, 0]}.get(name, [0.9, 0.1, 0])
    np.testing.assert_allclose(likely, np.tile(expected, (4, 1)), atol=1e-3)
    assert load_model(f"own_teachers:{name}").tags([["Mira"]]) == [["O"]]


@pytest.mark.parametrize("name", ["NotNumbers", "NoLabelPossible"])
def test_a_word_without_probabilities_is_an_error_of_its_document(name, make_corpus):
    error = stored(name, "Mira met Tuva.", make_corpus)
    assert f"own_teachers:{name}: the logits of word 0 are not finite numbers" in error


def test_label_lists_that_differ_are_joined_by_a_map(make_corpus):
    sources = ["own_teachers:Types", "own_teachers:Masked"]
    with pytest.raises(InputError, match=r"only .*Types has B-LOC, I-LOC.*--label-map"):
        check_same_labels(*map(model_labels, sources), *sources)
    assert joined_labels(sources, {"LOC": ""}) == {source: ["O", "B-PER", "I-PER"] for source in sources}
    table = ScoreDocuments(sources, label_map={"LOC": ""})(make_corpus(["Mira met Bergen."]))
    logits = np.array(table["logits"].to_pylist()[0]).reshape(4, 2, 3)
    assert logits[:, 0].argmax(axis=1).tolist() == [1, 0, 0, 0]
    with pytest.raises(InputError, match="--label-map GPE=: no model has this type"):
        joined_labels(sources, {"GPE": "LOC"})


def renamed(teacher_folder, tmp_path, labels, **more):
    """A copy of a teacher that a Trainer of transformers might have saved, with other names for its labels."""
    teacher = Teacher.load(teacher_folder, dtype=torch.float32)
    teacher.save(tmp_path / "renamed")
    config = AutoConfig.from_pretrained(tmp_path / "renamed")
    config.id2label = dict(enumerate(labels))
    config.label2id = {label: i for i, label in enumerate(labels)}
    delattr(config, SCHEME)
    config.save_pretrained(tmp_path / "renamed")
    return str(tmp_path / "renamed")


def test_a_classifier_of_transformers_with_labels_of_another_scheme(teacher_folder, tmp_path, toy, make_corpus):
    teacher = load_model(teacher_folder, dtype=torch.float32)
    assert isinstance(teacher, Teacher) and teacher.scheme == "IOB2"
    sentences = [sentence.words()[0] for sentence in toy]
    folder = renamed(teacher_folder, tmp_path, ["O", "S-LOC ", "E-LOC", "S-PER", "E-PER"])
    model = load_model(folder, dtype=torch.float32)
    assert model.labels == teacher.labels and not may_be_iob1(folder)
    assert model.parameters == teacher.parameters
    ends = [
        ["O", "S-LOC", "E-LOC", "S-PER", "E-PER"][label] for label in teacher.score_words([["Paris"]]).argmax(axis=1)
    ]
    assert ends == ["S-LOC"] and model.tags([["Paris"]]) == [["B-LOC"]]
    table = ScoreDocuments([folder], dtype=torch.float32)(make_corpus([sentence.text for sentence in toy[:4]]))
    assert table["error"].null_count == 4 and len(model.tags(sentences)) == len(sentences)


def test_a_classifier_of_iob2_is_scored_as_one_that_says_so(teacher_folder, tmp_path, labels, toy, make_corpus):
    folder = renamed(teacher_folder, tmp_path, labels)
    assert may_be_iob1(folder) and not may_be_iob1(teacher_folder)
    sample = [sentence.words()[0] for sentence in toy]
    assert isinstance(load_model(folder, sample=sample), Teacher)
    corpus = make_corpus([sentence.text for sentence in toy[:6]])
    told, found = (
        ScoreDocuments([source], dtype=torch.float32, sample=sample)(corpus) for source in (teacher_folder, folder)
    )
    assert told.equals(found)


def test_sentences_of_the_sample_on_which_a_model_fails_are_passed_over():
    sample = [["Kaboom"], ["Mira", "met", "Oslo"], ["Kaboom", "again"], ["Bergen"]]
    assert load_model("own_teachers:Stumbling", sample=sample).tags([["Oslo"]]) == [["B-LOC"]]
    with pytest.raises(InputError, match=r"Hopeless: fails on all 4 sentences .*KeyError: 'no weights'.*`scheme`"):
        load_model("own_teachers:Hopeless", sample=sample)
