from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from threading import Event

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


def test_words_are_kept_as_the_teacher_reads_them(teacher_folder, make_corpus):
    actor = ScoreDocuments([teacher_folder], dtype=torch.float32)
    plain, dressed = actor(make_corpus(["Anna flew to Paris.", "An\u00adna flew\ufeff to Pa\u2060ris."])).to_pylist()
    assert plain["words"] == dressed["words"] == ["Anna", "flew", "to", "Paris", "."]
    assert plain["logits"] == dressed["logits"]


def test_documents_are_split_by_their_language_and_their_lines(teacher_folder, make_corpus):
    corpus = make_corpus(["Am 3. Oktober flog Anna\nLee."])
    lengths = [
        ScoreDocuments([teacher_folder], language=language, hard_wrapped=wrapped)(corpus)["sentence_words"].to_pylist()
        for language, wrapped in (("en", False), ("de", False), ("de", True))
    ]
    assert lengths == [[[3, 3, 2]], [[6, 2]], [[8]]]


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


def test_threads_that_share_an_actor_get_what_each_gets_alone(teacher_folder, toy_texts, make_corpus):
    corpora = [make_corpus([f"{text} {k}{i}." for i, text in enumerate(toy_texts[k::8])]) for k in range(8)]
    alone = [ScoreDocuments([teacher_folder], dtype=torch.float32)(corpus) for corpus in corpora]
    shared = ScoreDocuments([teacher_folder], dtype=torch.float32)
    with ThreadPoolExecutor(8) as threads:
        for _ in range(3):
            assert all(a.equals(b) for a, b in zip(threads.map(shared, corpora), alone, strict=True))


def test_the_next_shard_is_prepared_while_this_one_is_computed(teacher_folder, make_corpus):
    actor = ScoreDocuments([teacher_folder], dtype=torch.float32)
    (teacher,) = actor.teachers
    prepared, computed, order = Event(), teacher.engine, []

    def card(windows, *arguments, **options):
        """A card that is not done with the first shard before the second is prepared."""
        if not order:
            order.append("first")
            assert prepared.wait(60)
        return computed(windows, *arguments, **options)

    cut = teacher.pieces.windows

    def windows(sentences):
        result = cut(sentences)
        if order:
            prepared.set()
        return result

    teacher.engine, teacher.pieces.windows = card, windows
    with ThreadPoolExecutor(1) as threads:
        first = threads.submit(actor, make_corpus(["Anna flew to Paris."]))
        while not order and not first.done():
            pass
        second = actor(make_corpus(["Tom won."]))
        assert first.result()["error"].null_count == second["error"].null_count == 1
