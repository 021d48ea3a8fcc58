from __future__ import annotations

import time

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kdner.errors import InputError
from kdner.student.model import Student
from kdner.student.tagger import Tagger
from kdner.text.words import split

PARTS = [
    "Anna ",
    "Paris",
    "U.S. ",
    ". ",
    "\n",
    "\n\n",
    "1996",
    "東京",
    "e\u0301",
    "👩\u200d🚀 ",
    "\u200b",
    "שלום ",
    "\x00",
]
TEXT = st.one_of(st.text(), st.lists(st.sampled_from(PARTS), max_size=30).map("".join))
TEXTS = ["Anna flew to Paris. Tom won.", "", "  \n", "Mary, of Rome\n\nRAIN IN BERLIN", "x " * 300, "\u200b"]


@pytest.fixture(scope="module")
def tagger(make_student):
    return Tagger(make_student(seed=3), dtype=torch.float32)


def key(entity):
    return entity.start, entity.end, entity.label, entity.text


def assert_alike(found, expected):
    """Equal entities, with scores that are equal but for rounding."""
    assert [[key(entity) for entity in entities] for entities in found] == [
        [key(entity) for entity in entities] for entities in expected
    ]
    for entities, others in zip(found, expected, strict=True):
        assert [e.score for e in entities] == pytest.approx([e.score for e in others], abs=1e-5)


@settings(max_examples=150)
@given(st.lists(TEXT, max_size=4))
def test_offsets_are_those_of_the_text(tagger, texts):
    found = tagger.tag(texts)
    assert len(found) == len(texts)
    for text, entities in zip(texts, found, strict=True):
        end = 0
        for entity in entities:
            assert text[entity.start : entity.end] == entity.text != ""
            assert entity.start >= end
            assert entity.label in ("PER", "LOC") and 0 <= entity.score <= 1
            end = entity.end


def test_a_text_alone_is_tagged_as_among_many(tagger):
    together = tagger.tag(TEXTS * 3)
    assert any(together)
    for text, entities in zip(TEXTS * 3, together, strict=True):
        (alone,) = tagger.tag([text])
        assert [key(entity) for entity in entities] == [key(entity) for entity in alone]
        assert [e.score for e in entities] == pytest.approx([e.score for e in alone], abs=1e-5)


def test_entities_are_those_of_the_tags(tagger):
    text = "Anna flew to Paris, said Tom Brown of Berlin"
    (sentence,) = split(text)
    (tags,) = tagger.tags([sentence.words])
    assert len(tags) == len(sentence.words)
    inside = {i for i, tag in enumerate(tags) if tag != "O"}
    (entities,) = tagger.tag([text])
    covered = {
        i
        for i, (start, end) in enumerate(zip(sentence.starts, sentence.ends, strict=True))
        if any(e.start <= start and end <= e.end for e in entities)
    }
    assert inside == covered


def test_the_score_is_the_mean_probability_of_the_words(tagger):
    text = "Anna flew to Paris, said Tom Brown of Berlin"
    (sentence,) = split(text)
    ((_, probabilities),) = tagger.decode([sentence.words])
    for entity in tagger.tag([text])[0]:
        own = [p for p, start in zip(probabilities, sentence.starts, strict=True) if entity.start <= start < entity.end]
        assert entity.score == pytest.approx(sum(own) / len(own), abs=1e-6)


def test_no_text_and_no_words(tagger):
    assert tagger.tag([]) == []
    assert tagger.tag(["", " \n", "\u200b"]) == [[], [], []]
    assert tagger.tags([]) == []
    assert tagger.tags([[], ["Anna"], []])[::2] == [[], []]


def test_a_crf_student_decodes_with_its_crf(make_student):
    student = make_student("crf", seed=3)
    sentences = [text.words for t in TEXTS for text in split(t)]
    before = Tagger(student).tags(sentences)
    label = next(tag for tags in before for tag in tags)
    forbidden = student.labels.index(label)
    with torch.no_grad():
        student.crf.transitions[:, forbidden] = -1000
        student.crf.start_transitions[forbidden] = -1000
    after = Tagger(student).tags(sentences)
    assert any(label in tags for tags in before) and not any(label in tags for tags in after)


@pytest.mark.parametrize("head", ["softmax", "crf"])
def test_the_place_of_o_in_the_label_list_is_no_matter(make_student, labels, head):
    student, other = make_student(head, seed=3), make_student(head, seed=3, labels=labels[::-1])
    state = student.state_dict()
    for name in ("output.weight", "output.bias", "crf.start_transitions", "crf.end_transitions"):
        if name in state:
            state[name] = state[name].flip(0)
    if head == "crf":
        state["crf.transitions"] = state["crf.transitions"].flip(0, 1)
    other.load_state_dict(state)
    assert other.labels[0] != "O"
    first, second = Tagger(student).tag(TEXTS), Tagger(other).tag(TEXTS)
    assert any(first)
    assert [[key(e) for e in entities] for entities in first] == [[key(e) for e in entities] for entities in second]


def test_words_are_forgotten_before_they_are_too_many(make_student, monkeypatch):
    student = make_student(seed=3)
    expected = [student.tag(text) for text in TEXTS]
    monkeypatch.setattr("kdner.student.tagger.MAX_TYPES", 4)
    tagger = Tagger(student)
    for _ in range(2):
        assert [tagger.tag(text) for text in TEXTS] == expected
        assert tagger.inference.types <= 12


def test_a_word_that_fails_does_not_harm_the_next_text(make_student, monkeypatch):
    student = make_student(seed=3)
    expected = student.tag(TEXTS)
    tagger, features = Tagger(student), student.vocabulary.features

    def fails(types):
        if "Kaboom" in types:
            raise MemoryError
        return features(types)

    monkeypatch.setattr(type(student.vocabulary), "features", lambda self, types: fails(types))
    for call in (lambda: tagger.tag("Anna Kaboom"), lambda: tagger.tags([["Anna", "Kaboom"]])):
        with pytest.raises(MemoryError):
            call()
        assert tagger.tag(TEXTS) == expected


def test_portions_do_not_matter(make_student, monkeypatch):
    student = make_student(seed=3)
    expected = Tagger(student, dtype=torch.float32).tag(TEXTS * 5)
    for characters in (1, 10, 50):
        monkeypatch.setattr("kdner.student.tagger.CHARACTERS_AT_ONCE", characters)
        assert_alike(Tagger(student, dtype=torch.float32).tag(TEXTS * 5), expected)
    assert Tagger(student).tag([]) == []


def test_tagging_leaves_a_student_in_training_as_it_was(make_student):
    student = make_student(dropout=0.5).train()
    once, again = (Tagger(student).tag(TEXTS) for _ in range(2))
    assert once == again and student.training


def test_a_loaded_student_tags_the_same(make_student, tmp_path):
    student = make_student("crf", seed=3)
    student.save(tmp_path)
    loaded = Student.from_pretrained(tmp_path)
    assert loaded.tag(TEXTS) == Tagger(student).tag(TEXTS)
    assert_alike(
        [Tagger(loaded, dtype=torch.float32).tag(TEXTS[0])], [Tagger(student, dtype=torch.float32).tag(TEXTS)[0]]
    )
    with pytest.raises(InputError, match="not a student"):
        Student.from_pretrained(tmp_path / "none")


@pytest.mark.parametrize("head", ["softmax", "crf"])
def test_its_steps_are_timed(make_student, head, monkeypatch):
    tagger = Tagger(make_student(head, seed=3))
    assert not tagger.times.seconds
    monkeypatch.setattr("kdner.student.tagger.MAX_TYPES", 4)  # the clocks outlive what is forgotten
    started = time.perf_counter()
    for _ in range(3):
        tagger.tag(TEXTS)
    elapsed = time.perf_counter() - started
    assert set(tagger.times.seconds) == {"split", "look up", "LSTM", "decode"}
    assert all(seconds > 0 for seconds in tagger.times.seconds.values())
    assert sum(tagger.times.seconds.values()) < elapsed
    assert tagger.inference.times is tagger.times


def test_time_is_taken_by_batch_and_not_by_word(make_student, monkeypatch):
    tagger, names = Tagger(make_student(seed=3)), []
    step = tagger.times.step
    monkeypatch.setattr(tagger.times, "step", lambda name: names.append(name) or step(name))
    tagger.tag(["Anna flew to Paris. " * 300])
    assert names == ["split", "look up", "LSTM", "decode", "decode"]
