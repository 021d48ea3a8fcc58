from __future__ import annotations

import asyncio
import signal
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pyarrow as pa
import pytest
import torch

from kdner.runs.schema import CORPUS, ENTITIES, LOGITS, check
from kdner.student.engine import fastest_type
from kdner.student.model import Student
from kdner.student.tag_documents import TagDocuments
from kdner.teacher.model import Teacher
from kdner.teacher.score_documents import ScoreDocuments
from kdner.text.documents import EMPTY, NO_TEXT, in_parts
from kdner.text.words import count_words, split

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
    return ScoreDocuments([teacher_folder], dtype=torch.float32)


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
        assert errors == [None, *(NO_TEXT if text is None else EMPTY for text in TEXTS[1:4]), None, None, None]
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
            logits = np.concatenate(score.teachers[0].score([sentence.words for sentence in sentences]))
            np.testing.assert_allclose(stored, logits, rtol=2e-3, atol=2e-3)
            top = np.sort(logits, axis=1)
            clear = top[:, -1] - top[:, -2] > 0.01
            assert clear.any() and (stored.argmax(axis=1) == logits.argmax(axis=1))[clear].all()


def test_entities_are_the_taggers(tag, student_folder, make_corpus):
    table = tag(make_corpus(TEXTS))
    expected = Student.from_pretrained(student_folder).tag([text or "" for text in TEXTS])
    assert any(expected)
    for text, entities, row in zip(TEXTS, expected, table.to_pylist(), strict=True):
        assert row["words"] == count_words(text or "")
        if row["error"] is None:
            keys = [(e["start"], e["end"], e["label"], e["text"]) for e in row["entities"]]
            assert keys == [(e.start, e.end, e.label, e.text) for e in entities]
            assert all(text[start:end] == own for start, end, _, own in keys)
            assert [e["score"] for e in row["entities"]] == pytest.approx([e.score for e in entities], abs=1e-5)


def test_a_tagger_counts_words_and_entities(tag, make_corpus):
    corpus = make_corpus(TEXTS)
    rows = tag(corpus).to_pylist()
    entities = sum(len(row["entities"] or []) for row in rows)
    assert entities > 0 and any(row["entities"] is None for row in rows)
    words = sum(count_words(text or "") for text in TEXTS)
    assert tag.counts(corpus, tag(corpus)) == {"words": words, "entities": entities}
    for texts in ([], [None]):
        assert tag.counts(make_corpus(texts), tag(make_corpus(texts))) == {"words": 0, "entities": 0}


def test_a_tagger_names_its_schema():
    assert TagDocuments.schema.equals(ENTITIES, check_metadata=True)


def test_a_tagger_computes_in_the_type_that_it_is_told(student_folder):
    assert TagDocuments(student_folder, "bfloat16").tagger.dtype == "bfloat16"
    assert TagDocuments(student_folder).tagger.dtype == fastest_type()


@pytest.mark.parametrize("bad", ["Tom", "Rome", "everything"])
def test_a_document_that_fails_keeps_its_row_and_harms_no_other(score, tag, make_corpus, monkeypatch, bad):
    texts = ["Anna flew.", "Tom won.", "Rain in Rome.", "Mary said so."]
    if bad == "everything":
        texts = [f"{bad} {text}" for text in texts]
    corpus = make_corpus(texts)
    good = [bad not in text for text in texts]
    before = {actor: actor(corpus).to_pylist() for actor in (score, tag)}
    (teacher,) = score.teachers
    monkeypatch.setattr(teacher, "score_words", sensitive(teacher.score_words, bad))
    monkeypatch.setattr(tag.tagger, "entity_table", sensitive(tag.tagger.entity_table, bad))
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
        assert table["error"].to_pylist() == [NO_TEXT if text is None else EMPTY for text in texts]


def test_chunks_of_the_input_do_not_matter(score, tag, make_corpus):
    whole = make_corpus(TEXTS)
    chunked = pa.concat_tables([whole.slice(0, 2), whole.slice(2, 1), whole.slice(3)])
    assert chunked["id"].num_chunks == 3 and chunked.schema == CORPUS
    assert score(chunked).equals(score(whole)) and tag(chunked).equals(tag(whole))


def test_several_teachers_lie_side_by_side(teacher_folder, tmp_path, teacher, labels, make_corpus):
    torch.manual_seed(5)
    other = Teacher.untrained(teacher_folder, labels)
    torch.nn.init.normal_(other.model.classifier.weight)
    other.save(tmp_path)
    corpus = make_corpus(TEXTS)
    single = [ScoreDocuments([folder], dtype=torch.float32)(corpus) for folder in (teacher_folder, str(tmp_path))]
    both = ScoreDocuments([teacher_folder, str(tmp_path)], dtype=torch.float32)(corpus)
    for first, second, row in zip(*(table.to_pylist() for table in (*single, both)), strict=True):
        assert (row["words"], row["sentence_words"]) == (first["words"], first["sentence_words"])
        if row["logits"] is not None:
            logits_wtl = np.array(row["logits"]).reshape(-1, 2, len(labels))
            np.testing.assert_array_equal(logits_wtl[:, 0].ravel(), first["logits"])
            np.testing.assert_array_equal(logits_wtl[:, 1].ravel(), second["logits"])
    assert single[0]["logits"] != single[1]["logits"]


def words_of(toy, count):
    return [sentence.words()[0] for sentence in (toy * (count // len(toy) + 1))[:count]]


def test_stored_logits_are_the_live_ones_in_float32(score, teacher, toy, make_corpus):
    """Alone or among 64, the same to 1e-4; on disk rounded to float16, whose relative step is 2^-10."""
    sentences = words_of(toy, 64)
    alone = [teacher.score([words])[0] for words in sentences]
    for a, b in zip(alone, teacher.score(sentences), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4, rtol=0)
    texts = [sentence.text for sentence in toy]
    for text, row in zip(texts, score(make_corpus(texts)).to_pylist(), strict=True):
        live = np.concatenate([teacher.score([sentence.words])[0] for sentence in split(text)])
        stored = np.array(row["logits"], np.float32).reshape(live.shape)
        assert (np.abs(stored - live) <= 1e-4 + np.abs(live) * 2**-11).all()


def test_stored_logits_are_the_live_ones_in_bfloat16(teacher_folder, toy, make_corpus):
    half = Teacher.load(teacher_folder, device=torch.device("cpu"), dtype=torch.bfloat16)
    texts = [sentence.text for sentence in toy]
    alone = [np.concatenate([half.score([s.words])[0] for s in split(text)]) for text in texts]
    stored = [
        np.array(row["logits"], np.float32).reshape(live.shape)
        for live, row in zip(
            alone, ScoreDocuments([teacher_folder], torch.bfloat16)(make_corpus(texts)).to_pylist(), strict=True
        )
    ]
    a, b = np.concatenate(alone), np.concatenate(stored)
    assert np.abs(a - b).max() <= 2**-6 * np.abs(a).max()
    assert (a.argmax(axis=1) == b.argmax(axis=1)).mean() >= 0.999


class Speechless(ValueError):
    def __str__(self):
        raise RuntimeError("no words")


class Panic(BaseException):
    """What the bindings of Rust raise is no `Exception` either."""


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (ValueError("half \ud83d, nul \0"), "ValueError: half \ufffd, nul \ufffd"),
        (Speechless(), "Speechless: (its message cannot be shown)"),
        (Panic("out of range"), "Panic: out of range"),
        (asyncio.CancelledError(), "CancelledError: "),
        (ValueError("x" * 10_000), f"ValueError: {'x' * 488}"),
    ],
    ids=["half", "speechless", "panic", "cancelled", "long"],
)
def test_whatever_a_document_raises_becomes_its_reason(score, tag, make_corpus, monkeypatch, error, reason):
    def fails(function):
        def failing(items, *rest, **options):
            if any("Rome" in item for item in items):
                raise error
            return function(items, *rest, **options)

        return failing

    (teacher,) = score.teachers
    monkeypatch.setattr(teacher, "score_words", fails(teacher.score_words))
    monkeypatch.setattr(tag.tagger, "entity_table", fails(tag.tagger.entity_table))
    for actor in (score, tag):
        assert actor(make_corpus(["Anna flew.", "Rain in Rome."]))["error"].to_pylist() == [None, reason]


def interrupted(texts):
    if "bad" in texts:
        raise KeyboardInterrupt
    return texts


def test_an_interrupt_is_a_documents_error_where_no_user_can_have_sent_it():
    with pytest.raises(KeyboardInterrupt):
        in_parts(["good", "bad"], interrupted)
    with ThreadPoolExecutor(1) as thread:
        parts, errors = thread.submit(in_parts, ["good", "bad"], interrupted).result()
    assert parts == [([0], ["good"])] and errors == [None, "KeyboardInterrupt: "]
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # as in a worker of Ray
    try:
        assert in_parts(["good", "bad"], interrupted) == (parts, errors)
    finally:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})


def test_a_document_that_wants_its_process_to_exit_is_none_of_them():
    with pytest.raises(SystemExit):
        in_parts(["good"], lambda _: sys.exit(3))


def test_a_failure_costs_two_more_passes_at_most(score, make_corpus, monkeypatch):
    (teacher,) = score.teachers
    texts = [f"Anna flew to Paris {i}." for i in range(64)]
    texts[17] = "everything Tom"
    passed = []
    original = teacher.score_words

    def counted(sentences, **options):
        passed.append(len(sentences))
        return sensitive(original, "everything")(sentences, **options)

    monkeypatch.setattr(teacher, "score_words", counted)
    errors = score(make_corpus(texts))["error"].to_pylist()
    assert [i for i, error in enumerate(errors) if error] == [17]
    assert sum(passed) <= 3 * len(texts)


HARD = {
    "surrogates": "Anna \ud83d flew to \udc00Paris.",
    "controls": "\x00Anna\x1b[31m flew\x85 to\u2028 Paris.\ufeff",
    "one word": "a" * 5_000_000,
    "no letters": "." * 1_000_000,
    "spaces": " " * 5_000_000 + "Rome",
}


@pytest.mark.parametrize("name", HARD)
def test_a_hard_text_ends_in_a_row(tag, name):
    """Only tagging: a tiny teacher's attention would take minutes for a text of 5 MB, as for any of its length."""
    corpus = pa.table(
        [["a", "b"], [HARD[name].encode("utf-8", "replace").decode(), "Anna flew to Paris."]], schema=CORPUS
    )
    table = tag(corpus)
    check(table, ENTITIES, "test")
    assert table["error"].to_pylist() == [None, None]


def test_the_last_digits_do_not_depend_on_the_threads_of_the_process(make_student, toy_texts, make_corpus, tmp_path):
    make_student(seed=3, hidden=96).save(tmp_path)
    documents = make_corpus([" ".join(toy_texts[k % 40 : k % 40 + 5]) for k in range(400)])
    expected = TagDocuments(str(tmp_path))(documents)
    torch.set_num_threads(2)
    try:
        assert TagDocuments(str(tmp_path))(documents).equals(expected)
    finally:
        torch.set_num_threads(1)
