from __future__ import annotations

import numpy as np
import pyarrow as pa
import pytest

from kdner.documents import NO_TEXT, ScoreDocuments, TagDocuments
from kdner.schema import CORPUS, ENTITIES, LOGITS, check
from kdner.tagger import Tagger
from kdner.text import count_words, split

TEXTS = [
    "Anna flew to Paris.\n\nTom won.",
    None,
    "",
    " \n\t",
    "\u200b\x00",
    "In Rome, Mary met Omar in 1996.",
    "東京 🙂 e\u0301",
]


@pytest.fixture(scope="module")
def student_folder(make_student, tmp_path_factory):
    folder = tmp_path_factory.mktemp("student")
    make_student(seed=3).save(folder)
    return str(folder)


@pytest.fixture
def score(teacher_folder):
    return ScoreDocuments(teacher_folder)


@pytest.fixture
def tag(student_folder):
    return TagDocuments(student_folder)


def sensitive(function, word):
    """Make a function of many texts or sentences fail where one of them holds a word."""

    def fails(items, *rest, **options):
        if any(word in item for item in items):
            raise RuntimeError(f"cannot bear {word}")
        return function(items, *rest, **options)

    return fails


def test_every_row_comes_back_in_order_with_its_id(score, tag, make_corpus):
    corpus = make_corpus(TEXTS)
    for actor, schema in ((score, LOGITS), (tag, ENTITIES)):
        table = actor(corpus)
        check(table, schema, "test")
        assert table.schema.equals(schema, check_metadata=True)
        assert table["id"].to_pylist() == corpus["id"].to_pylist()
        errors = table["error"].to_pylist()
        assert errors == [None, NO_TEXT, NO_TEXT, NO_TEXT, None, None, None]
        for name in set(schema.names) - {"id", "words", "error"}:
            assert [value is None for value in table[name].to_pylist()] == [error is not None for error in errors]


def test_logits_are_the_teachers_for_the_words_of_the_splitter(score, teacher, make_corpus):
    for text, row in zip(TEXTS, score(make_corpus(TEXTS)).to_pylist(), strict=True):
        if row["error"]:
            assert row["words"] is None and row["sentence_words"] is None
            continue
        sentences = split(text)
        assert row["words"] == [word for sentence in sentences for word in sentence.words]
        assert row["sentence_words"] == [len(sentence.words) for sentence in sentences]
        stored = np.array(row["logits"], dtype=np.float32).reshape(-1, len(teacher.labels))
        assert len(stored) == len(row["words"])
        if len(stored):
            logits = np.concatenate(score.teacher.score([sentence.words for sentence in sentences]))
            np.testing.assert_allclose(stored, logits, rtol=2e-3, atol=2e-3)
            top = np.sort(logits, axis=1)
            clear = top[:, -1] - top[:, -2] > 0.01
            assert clear.any() and (stored.argmax(axis=1) == logits.argmax(axis=1))[clear].all()


def test_entities_are_the_taggers(tag, student_folder, make_corpus):
    table = tag(make_corpus(TEXTS))
    expected = Tagger.load(student_folder).tag([text or "" for text in TEXTS])
    assert any(expected)
    for text, entities, row in zip(TEXTS, expected, table.to_pylist(), strict=True):
        assert row["words"] == count_words(text or "")
        if row["error"] is None:
            keys = [(e["start"], e["end"], e["label"], e["text"]) for e in row["entities"]]
            assert keys == [(e.start, e.end, e.label, e.text) for e in entities]
            assert all(text[start:end] == own for start, end, _, own in keys)
            assert [e["score"] for e in row["entities"]] == pytest.approx([e.score for e in entities], abs=1e-5)


@pytest.mark.parametrize("bad", ["Tom", "Rome", "everything"])
def test_a_document_that_fails_keeps_its_row_and_harms_no_other(score, tag, make_corpus, monkeypatch, bad):
    texts = ["Anna flew.", "Tom won.", "Rain in Rome.", "Mary said so."]
    if bad == "everything":
        texts = [f"{bad} {text}" for text in texts]
    corpus = make_corpus(texts)
    good = [bad not in text for text in texts]
    before = {actor: actor(corpus).to_pylist() for actor in (score, tag)}
    monkeypatch.setattr(score.teacher, "score", sensitive(score.teacher.score, bad))
    monkeypatch.setattr(tag.tagger, "tag", sensitive(tag.tagger.tag, bad))
    for actor, column, schema in ((score, "logits", LOGITS), (tag, "entities", ENTITIES)):
        table = actor(corpus)
        check(table, schema, "test")
        for row, old, fine in zip(table.to_pylist(), before[actor], good, strict=True):
            assert row["id"] == old["id"]
            if fine:
                assert row["error"] is None and row["words"] == old["words"] and len(row[column]) == len(old[column])
            else:
                assert row["error"] == f"RuntimeError: cannot bear {bad}" and row[column] is None


@pytest.mark.parametrize("texts", [[], [None], ["", None]])
def test_tables_without_any_text(score, tag, make_corpus, texts):
    for actor, schema in ((score, LOGITS), (tag, ENTITIES)):
        table = actor(make_corpus(texts))
        check(table, schema, "test")
        assert table["error"].to_pylist() == [NO_TEXT] * len(texts)


def test_chunks_of_the_input_do_not_matter(score, tag, make_corpus):
    whole = make_corpus(TEXTS)
    chunked = pa.concat_tables([whole.slice(0, 2), whole.slice(2, 1), whole.slice(3)])
    assert chunked["id"].num_chunks == 3 and chunked.schema == CORPUS
    assert score(chunked).equals(score(whole)) and tag(chunked).equals(tag(whole))
