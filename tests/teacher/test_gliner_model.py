from __future__ import annotations

import numpy as np
import pytest
import torch

from kdner.errors import InputError
from kdner.labels.tags import entities_of
from kdner.teacher.by_name import load_model, model_fingerprint
from kdner.teacher.gliner_model import GlinerModel

SENTENCES = [["Anna", "Schmidt", "flew", "to", "New", "York", "."], [], ["Rome"], ["U.S.-based", "Tom", "won"]]
TYPES = ["person", "city"]


@pytest.fixture(scope="module")
def random_gliner(bert_base, tmp_path_factory):
    """The folder of a tiny GLiNER with random weights, which finds something in any text."""
    gliner = pytest.importorskip("gliner")
    torch.manual_seed(3)
    shape = {"hidden_size": 32, "max_width": 3, "max_len": 64, "dropout": 0.0, "num_layers_rnn": 0}
    model = gliner.GLiNER.from_config(gliner.GLiNERConfig(model_name=bert_base, max_types=5, **shape))
    folder = tmp_path_factory.mktemp("gliner")
    model.save_pretrained(str(folder))
    return str(folder)


def test_tags_are_those_of_the_entities_that_the_model_finds_in_the_text(random_gliner):
    name = f"gliner:{random_gliner}={','.join(TYPES)}"
    model = load_model(name)
    assert model.labels == ["O", "B-city", "I-city", "B-person", "I-person"]
    gliner = pytest.importorskip("gliner").GLiNER.from_pretrained(random_gliner)
    found = 0
    for words, tags in zip(SENTENCES, model.tags(SENTENCES), strict=True):
        starts = np.cumsum([0, *(len(word) + 1 for word in words)])
        expected = []
        for entity in gliner.predict_entities(" ".join(words), TYPES) if words else []:
            first, last = np.searchsorted(starts, [entity["start"], entity["end"]])
            expected += [(first, last, entity["label"])] if first < last else []
        assert entities_of(tags) == sorted(expected)
        found += len(expected)
    assert found
    assert "pytorch_model.bin" in model_fingerprint(name) or "model.safetensors" in model_fingerprint(name)


class StandIn:
    """Finds what it is told to, as `GLiNER.inference` returns it."""

    def inference(self, texts, labels, *, batch_size):
        spans = {"Anna": "person", "New York": "city", "S.": "city"}
        return [
            [
                {
                    "start": text.index(name),
                    "end": text.index(name) + len(name),
                    "text": name,
                    "label": kind,
                    "score": 0.8,
                }
                for name, kind in spans.items()
                if name in text
            ]
            for text in texts
        ]


def test_scores_are_probabilities_and_spans_within_a_word_are_none_of_its():
    model = GlinerModel.__new__(GlinerModel)
    model.types, model.labels, model._model = TYPES, ["O", "B-city", "I-city", "B-person", "I-person"], StandIn()
    likely = np.exp(model.score_words(SENTENCES))
    assert likely.argmax(axis=1).tolist() == [3, 0, 0, 0, 1, 2, 0, 0, 0, 0, 0]
    np.testing.assert_allclose(likely.max(axis=1)[[0, 1, 4]], [0.8, 0.95, 0.8], atol=1e-5)
    assert model.score_words([[]]).shape == (0, 5)


def test_a_name_without_types_and_a_missing_package(monkeypatch):
    with pytest.raises(InputError, match="gliner:org/name: names no types"):
        load_model("gliner:org/name")
    monkeypatch.setitem(__import__("sys").modules, "gliner", None)
    with pytest.raises(InputError, match="pip install --no-deps gliner"):
        load_model("gliner:org/name=person")
