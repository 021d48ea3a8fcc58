from __future__ import annotations

import numpy as np
import torch

from kdner.runs.schema import LOGITS
from kdner.teacher.by_name import load_model
from kdner.teacher.score_documents import ScoreDocuments


def test_it_names_its_schema_and_counts_the_words_of_all_documents(teacher_folder, make_corpus):
    corpus = make_corpus(["Anna flew to Paris.\n\nTom won.", None, "", " \n", "In Rome, Mary met Omar."])
    actor = ScoreDocuments([teacher_folder], dtype=torch.float32)
    mapped = actor(corpus)
    assert actor.schema is ScoreDocuments.schema is LOGITS and mapped.schema.equals(LOGITS)
    assert actor.counts(corpus, mapped) == {"words": 4 + 2 + 5}
    assert actor.counts(corpus.slice(0, 0), mapped.slice(0, 0)) == {"words": 0}


def test_words_of_a_document_that_cannot_be_processed_count_too(teacher_folder, make_corpus, monkeypatch):
    actor = ScoreDocuments([teacher_folder])
    monkeypatch.setattr(actor.teachers[0], "score_words", None)
    corpus = make_corpus(["Anna flew.", "Tom won"])
    mapped = actor(corpus)
    assert mapped["error"].null_count == 0
    assert actor.counts(corpus, mapped) == {"words": 4}


def test_teachers_compute_in_the_numeric_type_that_is_given(teacher_folder, make_corpus):
    words = [["Anna", "flew"]]
    for dtype in (torch.float32, torch.bfloat16):
        actor = ScoreDocuments([teacher_folder], dtype=dtype)
        assert actor.teachers[0].model.dtype is dtype
        (row,) = actor(make_corpus(["Anna flew"])).to_pylist()
        expected = load_model(teacher_folder, dtype=dtype).score_words(words).astype(np.float16)
        assert row["logits"] == expected.ravel().tolist()
