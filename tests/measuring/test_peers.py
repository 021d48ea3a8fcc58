from __future__ import annotations

import importlib.util

import pytest
import torch

from kdner.errors import InputError
from kdner.measuring.peers import SpacyPeer, TransformersPeer, check_peers
from kdner.student.tagger import Entity


def test_a_peer_that_is_not_installed_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    check_peers(["transformers"])
    with pytest.raises(InputError, match=r"kdner\[peers\]"):
        check_peers(["transformers", "spacy"])


def test_transformers_pipeline(teacher_folder, toy_texts):
    peer = TransformersPeer(teacher_folder, torch.float32, device=torch.device("cpu"), threads=1)
    assert peer.words_per_second(toy_texts[:8]) > 0


def test_spacy_learns_what_the_student_tagged():
    pytest.importorskip("spacy")
    texts = ["Anna flew to Paris.", "Tom met Mary in Rome."]
    entities = [
        [Entity(0, 4, "PER", "Anna", 1.0), Entity(13, 18, "LOC", "Paris", 1.0)],
        [Entity(0, 3, "PER", "Tom", 1.0), Entity(8, 12, "PER", "Mary", 1.0), Entity(16, 20, "LOC", "Rome", 1.0)],
    ]
    peer = SpacyPeer(texts * 8, entities * 8, processes=1)
    tagged = [[(e.start_char, e.end_char, e.label_) for e in document.ents] for document in peer._nlp.pipe(texts)]
    assert tagged == [[(e.start, e.end, e.label) for e in gold] for gold in entities]
    assert peer.words_per_second(texts) > 0
