"""kdner in a pipeline of spaCy."""

from __future__ import annotations

import importlib.metadata

import pytest

from kdner.errors import InputError
from kdner.student.model import Student

spacy = pytest.importorskip("spacy")
from spacy.tokens import Doc, DocBin, Span  # noqa: E402
from spacy.training import Example  # noqa: E402

from kdner.integrations.spacy_pipe import KdnerPipe, make_kdner_pipe  # noqa: E402

TEXTS = ["Anna Schmidt flew to Paris.", "", "Rain in New York 🤖, said Tom.\n\nMary left Rome."]


@pytest.fixture
def nlp(taught_folder):
    nlp = spacy.blank("en")
    nlp.add_pipe("kdner", config={"model": taught_folder})
    return nlp


def found(doc):
    return [(entity.start_char, entity.end_char, entity.label_) for entity in doc.ents]


def expected(student, text):
    return [(entity.start, entity.end, entity.label) for entity in student.tag(text)]


def test_it_sets_the_entities_that_the_student_finds_with_their_scores(nlp, taught):
    doc = nlp(TEXTS[2])
    assert found(doc) == expected(taught, TEXTS[2]) and len(doc.ents) >= 3
    scores = [entity.score for entity in taught.tag(TEXTS[2])]
    assert [entity._.kdner_score for entity in doc.ents] == pytest.approx(scores)
    assert nlp.get_pipe("kdner").labels == ("LOC", "PER")


def test_many_documents_are_tagged_at_once(nlp, taught):
    docs = list(nlp.pipe(TEXTS * 50, batch_size=40))
    assert [doc.text for doc in docs] == TEXTS * 50
    assert [found(doc) for doc in docs] == [expected(taught, text) for text in TEXTS * 50]
    assert found(list(nlp.pipe(TEXTS * 2, n_process=2))[2]) == expected(taught, TEXTS[2])


def test_the_student_is_asked_once_for_each_batch(nlp, monkeypatch):
    student, asked = nlp.get_pipe("kdner").student, []
    tag = student.tag
    monkeypatch.setattr(student, "tag", lambda texts: asked.append(len(texts)) or tag(texts))
    assert len(list(nlp.pipe(TEXTS[:1] * 100, batch_size=40))) == 100
    assert asked == [40, 40, 20]


def test_a_group_of_spans_has_them_with_scores(taught_folder, taught):
    nlp = spacy.blank("en")
    nlp.add_pipe("kdner", name="news", config={"model": taught_folder, "spans_key": "kdner"})
    doc = nlp(TEXTS[0])
    assert doc.ents == () and [(s.start_char, s.end_char, s.label_) for s in doc.spans["kdner"]] == expected(
        taught, TEXTS[0]
    )
    assert doc.spans["kdner"].attrs["scores"] == pytest.approx([entity.score for entity in taught.tag(TEXTS[0])])


@pytest.mark.parametrize(
    ("mode", "texts"), [("expand", ["Tom-Paris", "Rome"]), ("contract", ["Rome"]), ("strict", ["Rome"])]
)
def test_an_entity_inside_a_token_of_spacys(taught_folder, mode, texts, monkeypatch):
    nlp = spacy.blank("en")
    component = nlp.add_pipe("kdner", config={"model": taught_folder, "alignment_mode": mode})
    doc = Doc(nlp.vocab, words=["Tom-Paris", "left", "Rome", "."], spaces=[True, True, False, False])
    entities = [("PER", 0, 3), ("LOC", 4, 9), ("LOC", 15, 19)]
    monkeypatch.setattr(
        Student,
        "tag",
        lambda self, text: [type("E", (), dict(label=n, start=a, end=b, score=0.5)) for n, a, b in entities],
    )
    assert [entity.text for entity in component(doc).ents] == texts


@pytest.mark.parametrize(("overwrite", "label"), [(False, "CITY"), (True, "LOC")])
def test_entities_that_are_there_already(taught_folder, overwrite, label):
    nlp = spacy.blank("en")
    ruler = nlp.add_pipe("entity_ruler")
    ruler.add_patterns([{"label": "CITY", "pattern": "Paris"}, {"label": "VERB", "pattern": "flew"}])
    nlp.add_pipe("kdner", config={"model": taught_folder, "overwrite_ents": overwrite})
    doc = nlp("Anna Schmidt flew to Paris .")
    assert [(entity.text, entity.label_) for entity in doc.ents] == [
        ("Anna Schmidt", "PER"),
        ("flew", "VERB"),
        ("Paris", label),
    ]


def test_a_saved_pipeline_needs_the_students_folder_no_more(nlp, taught, tmp_path):
    nlp.to_disk(tmp_path / "pipeline")
    config = (tmp_path / "pipeline" / "config.cfg").read_text()
    (tmp_path / "pipeline" / "config.cfg").write_text(config.replace(nlp.get_pipe("kdner").model, "/gone"))
    again = spacy.load(tmp_path / "pipeline")
    assert found(again(TEXTS[0])) == expected(taught, TEXTS[0])
    copy = spacy.blank("en")
    copy.add_pipe("kdner", config={"model": "/gone"})
    assert found(copy.from_bytes(nlp.to_bytes())(TEXTS[0])) == expected(taught, TEXTS[0])


def test_a_model_that_is_not_there_is_one_message(tmp_path):
    nlp = spacy.blank("en")
    nlp.add_pipe("kdner", config={"model": str(tmp_path / "gone")})
    with pytest.raises(InputError, match="no such folder"):
        nlp("Anna left.")
    with pytest.raises(InputError, match="no such folder"):
        list(nlp.pipe(["Anna left."]))
    with pytest.raises(InputError, match="has no model; give one"):
        KdnerPipe("kdner", "")(nlp.make_doc("Anna left."))


def test_spacys_own_measure_and_docbin_take_what_it_finds(nlp):
    doc = nlp(TEXTS[0])
    gold = nlp.make_doc(TEXTS[0])
    gold.ents = [Span(gold, entity.start, entity.end, entity.label_) for entity in doc.ents]
    assert nlp.evaluate([Example(nlp.make_doc(TEXTS[0]), gold)])["ents_f"] == 1.0
    content = DocBin(store_user_data=True, docs=[doc]).to_bytes()
    (again,) = DocBin().from_bytes(content).get_docs(nlp.vocab)
    assert found(again) == found(doc) and again.ents[0]._.kdner_score == doc.ents[0]._.kdner_score


def test_what_fails_goes_to_spacys_error_handler(nlp, monkeypatch):
    monkeypatch.setattr(Student, "tag", lambda self, texts: 1 / 0)
    failed = []
    nlp.set_error_handler(lambda name, proc, docs, error: failed.append((name, len(docs), type(error))))
    assert list(nlp.pipe(TEXTS)) == [] and failed == [("kdner", 3, ZeroDivisionError)]


def test_spacy_finds_it_by_the_packages_entry_point():
    (point,) = (e for e in importlib.metadata.entry_points(group="spacy_factories") if e.name == "kdner")
    assert point.load() is make_kdner_pipe
