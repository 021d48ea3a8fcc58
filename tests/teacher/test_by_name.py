from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from kdner.distillation.teachers import FEATURE_RECIPE, train_feature_tagger
from kdner.errors import InputError
from kdner.measuring.f1 import measure_f1
from kdner.progress import Progress
from kdner.runs.fingerprint import differences
from kdner.runs.schema import LOGITS, check
from kdner.student.config import StudentConfig
from kdner.student.network import Network
from kdner.student.saved import GENERAL, MODEL_FILES
from kdner.student.tagger import Tagger
from kdner.student.vocabulary import Vocabulary
from kdner.teacher.by_name import (
    check_model,
    encoder_folder,
    largest_vocabulary,
    load_model,
    model_fingerprint,
    model_labels,
    pinned_model,
    teacher_names,
)
from kdner.teacher.feature_tagger import FeatureTagger
from kdner.teacher.model import Teacher
from kdner.teacher.score_documents import ScoreDocuments
from kdner.teacher.tokenizers import check_encoder
from kdner.teacher.word_shapes import SHAPES

CLASSES = '''
import numpy as np

class Capitals:
    """Calls every capitalized word a person."""
    labels = ["O", "B-PER", "I-PER"]

    def __init__(self, margin="1"):
        self.margin = float(margin)

    def score_words(self, sentences):
        words = [word for words in sentences for word in words]
        return [[0, self.margin if word[0].isupper() else -self.margin, -9] for word in words]

class NoLabels:
    def score_words(self, sentences):
        return []

class Short(Capitals):
    def score_words(self, sentences):
        return super().score_words(sentences)[1:]

class NotNumbers(Capitals):
    margin = 0
    def score_words(self, sentences):
        return np.full((sum(map(len, sentences)), 3), np.nan)
'''


@pytest.fixture(scope="module")
def student_folder(make_student, tmp_path_factory):
    folder = tmp_path_factory.mktemp("student")
    make_student("crf", seed=3).save(folder)
    return str(folder)


@pytest.fixture(scope="module")
def feature_folder(bert_base, toy, labels, tmp_path_factory):
    shape = StudentConfig(word_dim=16, character_dim=4, character_filters=6, hidden=12, dropout=0.1)
    tagger = train_feature_tagger(
        bert_base,
        toy,
        labels,
        shape,
        seed=1,
        progress=Progress("train", "step"),
        recipe=replace(FEATURE_RECIPE, epochs=5, min_steps=1),
    )
    folder = tmp_path_factory.mktemp("features")
    tagger.save(folder)
    return str(folder)


@pytest.fixture
def own_class(tmp_path, monkeypatch):
    (tmp_path / "their_models.py").write_text(CLASSES)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.delitem(sys.modules, "their_models", raising=False)
    return "their_models:Capitals"


def test_a_directory_tells_what_it_holds(teacher_folder, student_folder, feature_folder, labels):
    for folder, kind in ((teacher_folder, Teacher), (student_folder, Tagger), (feature_folder, FeatureTagger)):
        model = load_model(folder)
        assert isinstance(model, kind)
        assert model.labels == model_labels(folder) == labels


@pytest.fixture
def student_of_hub(student_folder, tmp_path, monkeypatch):
    """A student in the cache of this machine, which reaches no hub: its name, and its revision there."""
    revision = "3" * 40
    shutil.copytree(student_folder, tmp_path / "models--org--news/snapshots" / revision)
    (tmp_path / "models--org--news/refs").mkdir()
    (tmp_path / "models--org--news/refs/main").write_text(revision)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    return "org/news", revision


def test_a_student_of_the_hub_is_a_model_as_any_other(student_of_hub, student_folder, toy):
    name, revision = student_of_hub
    sentences = [sentence.words()[0] for sentence in toy]
    check_model(name)
    assert load_model(name).tags(sentences) == load_model(student_folder).tags(sentences)
    assert model_fingerprint(name) == {"name": name, "revision": revision}
    assert pinned_model(name) == f"{name}@{revision}"
    assert largest_vocabulary([name]) == largest_vocabulary([student_folder])
    assert encoder_folder(name) is None


def test_the_student_that_comes_with_the_package_is_a_model_as_any_other(monkeypatch):
    monkeypatch.setattr("huggingface_hub.snapshot_download", None)
    check_model(GENERAL)
    model = load_model(GENERAL)
    sentence = ["Angela", "Merkel", "flew", "to", "Paris", "."]
    assert model.tags([sentence]) == [["B-PER", "I-PER", "O", "O", "B-LOC", "O"]]
    assert set(model_fingerprint(GENERAL)) == set(MODEL_FILES)
    assert pinned_model(GENERAL) == GENERAL
    assert largest_vocabulary([GENERAL]).knows("Paris")


def test_a_finished_model_is_no_encoder_to_train(student_folder, feature_folder):
    for name in (student_folder, feature_folder, GENERAL):
        with pytest.raises(InputError, match=f"^{name}: is a finished model of kdner, not an encoder to train"):
            check_encoder(name)


def test_folders_that_hold_no_model(tmp_path, bert_base):
    with pytest.raises(InputError, match=r"not a model directory: it has no config\.json"):
        load_model(tmp_path)
    with pytest.raises(InputError, match="not a tagger"):
        load_model(bert_base)


def test_all_models_score_and_tag_words_in_order(teacher_folder, student_folder, feature_folder, own_class, toy):
    sentences = [sentence.words()[0] for sentence in toy]
    sentences[3:3] = [[], ["x"] * 90]
    for source in (teacher_folder, student_folder, feature_folder, own_class):
        model = load_model(source, dtype=torch.float32)
        logits = model.score_words(sentences)
        assert logits.shape == (sum(map(len, sentences)), len(model.labels)) and np.isfinite(logits).all()
        tags = model.tags(sentences)
        assert [len(labels) for labels in tags] == [len(words) for words in sentences]
        alone = np.concatenate([model.score_words([words]) for words in sentences])
        np.testing.assert_allclose(logits, alone, atol=1e-4)
        if source != student_folder:  # which decodes with its CRF
            assert [model.labels[k] for k in logits.argmax(axis=1)] == [tag for labels in tags for tag in labels]


def test_all_models_read_sentences_of_any_kind_and_refuse_texts(
    teacher_folder, student_folder, feature_folder, own_class
):
    sentences = [["Anna", "flew"], [], ["Rome"]]
    for source in (teacher_folder, student_folder, feature_folder, own_class):
        model = load_model(source, dtype=torch.float32)
        for function in (model.score_words, model.tags):
            generated = function((word for word in words) for words in sentences)
            assert len(generated) == 3 and np.array_equal(np.hstack(generated), np.hstack(function(sentences)))
            with pytest.raises(InputError, match=r"sentences\[1\] is a str \('Anna flew'\)"):
                function([["Rome"], "Anna flew"])


def test_the_logits_of_a_student_give_its_probabilities(student_folder, toy):
    tagger = load_model(student_folder, dtype=torch.float32)
    sentences = [sentence.words()[0] for sentence in toy]
    logits = tagger.score_words(sentences)
    likely = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    decoded = tagger.decode(sentences)
    labels = np.concatenate([labels for labels, _ in decoded])
    expected = np.concatenate([probabilities for _, probabilities in decoded])
    np.testing.assert_allclose(likely[np.arange(len(labels)), labels], expected, atol=1e-4)


def test_a_feature_based_tagger_sees_capitals_where_the_vectors_are_the_same(feature_folder):
    tagger = load_model(feature_folder, dtype=torch.float32)
    tagger.contextual_vectors = lambda sentences: np.zeros((len(sentences), tagger.encoder.width), np.float32)
    lower, title = tagger.score_words([["anna"], ["Anna"]])
    assert np.abs(lower - title).max() > 0.1


def test_one_of_before_it_knew_shapes_is_to_be_trained_again(feature_folder, tmp_path):
    old = tmp_path / "old"
    shutil.copytree(feature_folder, old)
    weights = load_file(old / "model.safetensors")
    weights["words.weight"] = weights["words.weight"][:, : -len(SHAPES)].contiguous()
    save_file(weights, old / "model.safetensors")
    with pytest.raises(InputError, match=r"not the weights that config\.json .* train it again"):
        load_model(old)


def test_a_feature_based_tagger_learns_from_frozen_vectors(feature_folder, bert_base, toy, labels):
    tagger = load_model(feature_folder, dtype=torch.float32)
    assert measure_f1(tagger.tags, toy).f1 > 0.9
    frozen = Teacher.untrained(bert_base, labels)
    words = [sentence.words()[0] for sentence in toy]
    frozen.model.eval()
    np.testing.assert_allclose(frozen.contextual_vectors(words), tagger.encoder.contextual_vectors(words), atol=1e-5)
    assert tagger.parameters > tagger.encoder.parameters


def test_a_feature_based_tagger_is_the_same_for_the_same_seed(bert_base, toy, labels):
    short = replace(FEATURE_RECIPE, epochs=1, min_steps=1)
    shape = StudentConfig(word_dim=4, character_dim=2, character_filters=2, hidden=4)
    words = [sentence.words()[0] for sentence in toy[:6]]
    first, again, another = (
        train_feature_tagger(bert_base, toy[:8], labels, shape, seed=seed, progress=Progress("t", "step"), recipe=short)
        for seed in (1, 1, 2)
    )
    assert (first.score_words(words) == again.score_words(words)).all()
    assert (first.score_words(words) != another.score_words(words)).any()


def test_the_encoder_of_a_model(teacher_folder, student_folder, feature_folder, own_class):
    inside = str(Path(feature_folder) / "encoder")
    encoders = [encoder_folder(str(source)) for source in (teacher_folder, feature_folder, student_folder, own_class)]
    assert encoders == [str(teacher_folder), inside, None, None]
    assert Teacher.load(inside).piece_embeddings.any()


def test_logits_of_teachers_of_several_kinds_lie_side_by_side(
    teacher_folder, student_folder, feature_folder, make_corpus, toy_texts
):
    corpus = make_corpus([*toy_texts[:5], None])
    sources = [teacher_folder, student_folder, feature_folder]
    table = ScoreDocuments(sources, dtype=torch.float32)(corpus)
    check(table, LOGITS, "logits")
    alone = [ScoreDocuments([source], dtype=torch.float32)(corpus)["logits"].to_pylist() for source in sources]
    for row, (first, *_) in zip(table.to_pylist()[:5], zip(*alone, strict=True), strict=False):
        both = np.array(row["logits"]).reshape(len(row["words"]), 3, -1)
        assert both[:, 0].ravel().tolist() == first


def test_a_class_of_ones_own(own_class):
    assert load_model(own_class).tags([["Anna", "flew"], [], ["Rome"]]) == [["B-PER", "O"], [], ["B-PER"]]
    assert load_model(f"{own_class}=3").score_words([["Anna"]]).tolist() == [[0, 3, -9]]
    assert load_model(own_class).parameters == 0
    assert model_labels(own_class) == ["O", "B-PER", "I-PER"]


def test_the_fingerprint_of_ones_own_class_is_its_source(own_class, tmp_path):
    before = model_fingerprint(own_class)
    assert not differences(before, model_fingerprint(own_class))
    assert differences(before, model_fingerprint(f"{own_class}=3"))
    (tmp_path / "their_models.py").write_text(f"# Ours.\n{CLASSES}\n")
    assert not differences(before, model_fingerprint(own_class))
    (tmp_path / "their_models.py").write_text(f"{CLASSES}\nCHANGED = True\n")
    assert differences(before, model_fingerprint(own_class))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("their_models:Missing", "has no attribute 'Missing'"),
        ("no_such_module:Class", "No module named 'no_such_module'"),
        ("their_models:NoLabels", "needs `labels`"),
    ],
)
def test_a_class_that_cannot_be_used_is_an_input_error(own_class, name, message):
    with pytest.raises(InputError, match=message):
        load_model(name)


@pytest.mark.parametrize(("name", "message"), [("Short", "returned shape"), ("NotNumbers", "not finite numbers")])
def test_wrong_logits_of_ones_own_class_are_an_error_of_the_document(own_class, name, message, make_corpus):
    model = load_model(f"their_models:{name}")
    with pytest.raises(ValueError, match=message):
        model.score_words([["Anna", "flew"]])
    (error,) = ScoreDocuments([f"their_models:{name}"])(make_corpus(["Anna flew."]))["error"].to_pylist()
    assert message in error


def test_the_names_of_several_teachers():
    assert teacher_names(3) == ["teacher", "teacher-2", "teacher-3"]
    assert teacher_names(1) == ["teacher"] and teacher_names(0) == []


def test_of_several_students_the_largest_vocabulary_tells_which_words_are_known(make_student, teacher_folder, tmp_path):
    large = make_student()
    vocabulary = Vocabulary(large.vocabulary.words[:3], large.vocabulary.characters)
    small = Network(large.config, vocabulary, large.labels).saved()
    for student, name in ((large, "student"), (small, "baseline")):
        (tmp_path / name).mkdir()
        student.save(tmp_path / name)
    models = [teacher_folder, str(tmp_path / "student"), str(tmp_path / "baseline")]
    assert largest_vocabulary(models) == largest_vocabulary(models[::-1]) == large.vocabulary
    assert largest_vocabulary(models[:1]) is None
