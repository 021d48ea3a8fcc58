from __future__ import annotations

import copy
import multiprocessing
import os
import pickle
import subprocess
import sys
import time
import unicodedata
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from kdner.data.quickstart import write_quickstart
from kdner.errors import InputError
from kdner.student.config import StudentConfig
from kdner.student.model import Student
from kdner.student.network import Network
from kdner.student.tagger import Tagger
from kdner.student.vocabulary import Vocabulary
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
    return Tagger(make_student(seed=3), dtype="float32")


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


@pytest.mark.parametrize("hidden", ["\u00ad", "\u2060", "\ufeff", "\u200e", "\ufe0f"])
def test_what_is_never_seen_changes_nothing_but_offsets(tagger, hidden):
    text = "Anna flew to Paris, said Tom Brown of Berlin"
    dressed = hidden.join(["", *text, ""]).replace(f"{hidden} {hidden}", " ")
    plain, found = tagger.tag([text, dressed])
    assert plain
    assert [(e.label, e.text.replace(hidden, ""), e.score) for e in found] == [
        (e.label, e.text, e.score) for e in plain
    ]
    for entity in found:
        assert dressed[entity.start : entity.end] == entity.text
        assert entity.text.strip(hidden) == entity.text and hidden in entity.text


def test_a_name_in_nfd_is_the_same_as_in_nfc():
    vocabulary = Vocabulary.build(Counter(["Jos\xe9", "left"]), max_words=9)
    student = Network(StudentConfig(), vocabulary, ["O", "B-PER", "I-PER"]).saved()
    tagger, nfd = Tagger(student), unicodedata.normalize("NFD", "Jos\xe9 left")
    assert student.vocabulary.knows("Jose\u0301")
    composed, decomposed = tagger.score_words([["Jos\xe9", "left"]]), tagger.score_words([nfd.split()])
    assert (composed == decomposed).all()


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


def test_a_crf_student_decodes_with_its_crf(make_network):
    network = make_network("crf", seed=3)
    sentences = [text.words for t in TEXTS for text in split(t)]
    before = Tagger(network).tags(sentences)
    label = next(tag for tags in before for tag in tags)
    forbidden = network.labels.index(label)
    with torch.no_grad():
        network.crf.transitions[:, forbidden] = -1000
        network.crf.start_transitions[forbidden] = -1000
    after = Tagger(network).tags(sentences)
    assert any(label in tags for tags in before) and not any(label in tags for tags in after)


def test_the_probabilities_of_a_crf_are_those_among_legal_sequences(make_network):
    network = make_network("crf", seed=3)
    with torch.no_grad():
        network.output.weight.mul_(5)
    sentences = [["Ada", "went"], ["Paris"]]
    logits = Tagger(network).score_words(sentences)
    inside = [label.startswith("I-") for label in network.labels]
    first_words = np.exp(logits[[0, 2]])
    np.testing.assert_allclose(first_words.sum(axis=1), 1, atol=1e-4)
    assert (first_words[:, inside] < 1e-8).all()  # nothing can begin with I-


@pytest.mark.parametrize("head", ["softmax", "crf"])
def test_the_place_of_o_in_the_label_list_is_no_matter(make_network, labels, head):
    network, other = make_network(head, seed=3), make_network(head, seed=3, labels=labels[::-1])
    state = network.state_dict()
    for name in ("output.weight", "output.bias", "crf.start_transitions", "crf.end_transitions"):
        if name in state:
            state[name] = state[name].flip(0)
    if head == "crf":
        state["crf.transitions"] = state["crf.transitions"].flip(0, 1)
    other.load_state_dict(state)
    assert other.labels[0] != "O"
    first, second = Tagger(network).tag(TEXTS), Tagger(other).tag(TEXTS)
    assert any(first)
    assert [[key(e) for e in entities] for entities in first] == [[key(e) for e in entities] for entities in second]


@pytest.mark.parametrize("dtype", ["int16", "float32"])
def test_rare_words_are_forgotten_before_they_are_too_many(make_student, monkeypatch, dtype):
    student = make_student(seed=3)
    expected = [Tagger(student, dtype=dtype).tag(text) for text in TEXTS]
    monkeypatch.setattr("kdner.student.tagger.MAX_TYPES", 4)
    monkeypatch.setattr("kdner.student.tagger.FEW_WORDS", 0)
    tagger = Tagger(student, dtype=dtype)
    for _ in range(3):
        tagged = [tagger.tag(text) for text in TEXTS]
        assert (
            tagged == expected
            if dtype == "int16"
            else [list(map(key, one)) for one in tagged] == [list(map(key, one)) for one in expected]
        )
        assert tagger.engine.types <= 12
    tagger.tag("rare words here . of of of of of of")
    tagger.tag("Paris")
    assert "of" in tagger.splitter.types.words and "rare" not in tagger.splitter.types.words


def test_words_that_short_texts_have_again_and_again_are_not_forgotten(make_student, monkeypatch):
    monkeypatch.setattr("kdner.student.tagger.MAX_TYPES", 40)
    tagger = Tagger(make_student(seed=3))
    tagger.tag(" ".join(f"rare{k}" for k in range(30)))
    for _ in range(5):
        tagger.tag("Anna flew to Paris")
    for first in range(0, 60, 5):
        tagger.tag(" ".join(f"later{k}" for k in range(first, first + 5)))
    kept = set(tagger.splitter.types.words)
    assert {"Anna", "Paris"} <= kept and "later59" in kept and "rare3" not in kept


@pytest.mark.parametrize("within", [lambda tagger, text: tagger.tag(text), lambda tagger, text: os.fork()])
def test_a_signal_in_the_middle_of_tagging_may_tag_or_fork(make_student, monkeypatch, within):
    tagger = Tagger(make_student(seed=3))
    expected = [tagger.tag(text) for text in TEXTS]
    tagger, found = Tagger(make_student(seed=3)), []
    monkeypatch.setattr(tagger.engine, "extend", interrupted_by(tagger.engine.extend, lambda: found.append(take())))

    def take():
        if within(tagger, TEXTS[0]) == 0:
            os._exit(0)  # the fork
        return tagger.tag(TEXTS[3])

    assert [tagger.tag(text) for text in TEXTS] == expected
    assert found and all(entities == expected[3] for entities in found)


def interrupted_by(function, handler):
    """A function in the middle of which a handler runs, as that of a signal may."""

    def interrupted(*arguments):
        handler()
        return function(*arguments)

    return interrupted


@pytest.mark.parametrize("failure", [MemoryError, KeyboardInterrupt])
def test_a_word_that_fails_does_not_harm_the_next_text(make_student, monkeypatch, failure):
    student = make_student(seed=3)
    expected = student.tag(TEXTS)
    tagger, characters_of = Tagger(student), student.vocabulary.characters_of

    def fails(types):
        if "Kaboom" in types:
            raise failure
        return characters_of(types)

    monkeypatch.setattr(type(student.vocabulary), "characters_of", lambda self, types: fails(types))
    for call in (lambda: tagger.tag("Anna Kaboom"), lambda: tagger.tags([["Anna", "Kaboom"]])):
        with pytest.raises(failure):
            call()
        assert tagger.tag(TEXTS) == expected


def test_nor_does_one_after_which_there_is_no_room_to_begin_anew(make_student, monkeypatch):
    student = make_student(seed=3)
    expected = student.tag(TEXTS)
    tagger = Tagger(student)
    assert tagger.tag(TEXTS) == expected

    def fails(*arguments, **options):
        raise MemoryError

    with monkeypatch.context() as without_room:
        without_room.setattr("kdner.student.tagger.make_engine", fails)
        without_room.setattr(type(tagger.engine), "extend", fails)
        for _ in range(2):
            with pytest.raises(MemoryError):
                tagger.tag("Tom Kaboom of Rome")
    assert tagger.tag(TEXTS[::-1]) == expected[::-1]


@pytest.mark.parametrize("score", [None, 0.22, {"PER": 0.22}])
@pytest.mark.parametrize("head", ["softmax", "crf"])
def test_a_short_text_alone_gives_what_it_gives_among_others(make_student, head, score):
    tagger = Tagger(make_student(head, seed=3))
    among_others = tagger.tag([*TEXTS, "Rome " * 600], score=score)
    assert [tagger.tag(text, score=score) for text in TEXTS] == among_others[:-1]
    assert any(among_others[:-1])


def test_portions_do_not_matter(make_student, monkeypatch):
    student = make_student(seed=3)
    expected = Tagger(student, dtype="float32").tag(TEXTS * 5)
    for characters in (1, 10, 50):
        monkeypatch.setattr("kdner.student.tagger.CHARACTERS_AT_ONCE", characters)
        assert_alike(Tagger(student, dtype="float32").tag(TEXTS * 5), expected)
    assert Tagger(student).tag([]) == []


def test_tagging_leaves_a_student_in_training_as_it_was(make_network):
    network = make_network(dropout=0.5).train()
    once, again = (Tagger(network).tag(TEXTS) for _ in range(2))
    assert once == again and network.training


def test_a_loaded_student_tags_the_same(make_student, tmp_path):
    student = make_student("crf", seed=3)
    student.save(tmp_path)
    loaded = Student.from_pretrained(tmp_path)
    assert loaded.tag(TEXTS) == Tagger(student).tag(TEXTS)
    assert_alike([Tagger(loaded, dtype="float32").tag(TEXTS[0])], [Tagger(student, dtype="float32").tag(TEXTS)[0]])
    with pytest.raises(InputError, match="no such folder"):
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
    assert tagger.engine.times is tagger.times


def test_time_is_taken_by_batch_and_not_by_word(make_student, monkeypatch):
    tagger, names = Tagger(make_student(seed=3)), []
    step = tagger.times.step
    monkeypatch.setattr(tagger.times, "step", lambda name: names.append(name) or step(name))
    tagger.tag(["Anna flew to Paris. " * 300])
    assert names[:4] == ["split", "look up", "LSTM", "decode"] and names[-1] == "decode" and len(names) < 20


@pytest.mark.parametrize(
    "given",
    [
        tuple(TEXTS),
        (text for text in TEXTS),
        np.array(TEXTS, dtype=object),
        pd.Series(TEXTS, index=range(len(TEXTS))[::-1]),
        pd.Series(TEXTS[::-1]).sort_index(ascending=False),
        pa.chunked_array([TEXTS[:2], TEXTS[2:]]),
    ],
    ids=lambda given: type(given).__name__,
)
def test_texts_of_any_kind_are_tagged_in_their_order(make_student, monkeypatch, given):
    student = make_student(seed=3)
    expected = [student.tag(text) for text in TEXTS]
    monkeypatch.setattr("kdner.student.tagger.CHARACTERS_AT_ONCE", 40)  # several portions
    found = student.tag(given)
    assert_alike(found, expected)
    for text, entities in zip(TEXTS, found, strict=True):
        assert all(text[entity.start : entity.end] == entity.text for entity in entities)


@pytest.mark.parametrize(
    "method, given, place",
    [
        ("tag", ["Anna", float("nan")], r"texts\[1\] is a float \(nan\)"),
        ("tag", None, "texts is None"),
        ("entity_table", "Anna", "texts is a str"),
        ("tags", ["Angela Merkel flew"], r"sentences\[0\] is a str"),
        ("decode", "Angela Merkel flew", "sentences is a str"),
        ("score_words", [["Anna", ""]], r"sentences\[0\]\[1\] is an empty word"),
    ],
)
def test_what_cannot_be_read_is_refused_and_harms_nothing(make_student, method, given, place):
    tagger = Tagger(make_student(seed=3))
    expected = tagger.tag(TEXTS)
    with pytest.raises(InputError, match=place):
        getattr(tagger, method)(given)
    assert tagger.tag(TEXTS) == expected


def test_words_of_any_kind_are_tagged(tagger):
    sentences = [["Anna", "flew", "to", "Paris"], [], ["Tom"]]
    generated = ((word for word in words) for words in sentences)
    assert tagger.tags(generated) == tagger.tags([np.array(words, object) for words in sentences])
    assert tagger.score_words(map(tuple, sentences)).shape == (5, len(tagger.labels))


THREADS = 8


@pytest.fixture(scope="module")
def documents(tmp_path_factory):
    """600 short texts with many different words."""
    files = write_quickstart(tmp_path_factory.mktemp("quickstart"))
    return [text[:40] for text in pq.read_table(files.corpus)["text"].to_pylist()[:600]]


@pytest.fixture
def restless():
    """Let threads take turns as often as they can."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-4)
    yield
    sys.setswitchinterval(before)


def by_threads(function, items):
    with ThreadPoolExecutor(THREADS) as threads:
        return list(threads.map(function, items))


@pytest.mark.parametrize("head, types, few_words", [("softmax", 60_000, 1000), ("crf", 300, 0)])
def test_threads_that_share_a_student_find_what_one_finds(
    make_student, documents, restless, monkeypatch, head, types, few_words
):
    student = make_student(head, seed=3)
    alone = Tagger(student)
    expected = [alone.tag(text) for text in documents]
    assert sum(map(len, expected)) > 600
    monkeypatch.setattr("kdner.student.tagger.MAX_TYPES", types)  # 300 are forgotten again and again
    monkeypatch.setattr("kdner.student.tagger.FEW_WORDS", few_words)  # with 0 all compute at once
    for _ in ("cold", "warm"):
        assert by_threads(student.tag, documents) == expected
    assert [student.tag(text) for text in documents] == expected


def test_threads_may_use_all_that_a_tagger_does(make_student, documents, restless, monkeypatch):
    monkeypatch.setattr("kdner.student.tagger.FEW_WORDS", 6)
    shared, alone = (Tagger(make_student(seed=3)) for _ in range(2))
    sentences = [sentence.words for text in documents[:200] for sentence in split(text)]
    calls = [lambda words: shared.tags([words]), lambda words: shared.score_words([words]).tolist()]
    found = by_threads(lambda k: calls[k % 2](sentences[k]), range(len(sentences)))
    calls = [lambda words: alone.tags([words]), lambda words: alone.score_words([words]).tolist()]
    assert found == [calls[k % 2](words) for k, words in enumerate(sentences)]


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda tagger: pickle.loads(pickle.dumps(tagger))])
def test_a_copy_of_a_tagger_that_has_tagged_tags_the_same(make_student, duplicate):
    tagger = Tagger(make_student(seed=3), dtype="float32")
    expected = tagger.tag(TEXTS)
    twin = duplicate(tagger)
    assert twin.dtype == "float32" and twin.tag(TEXTS) == expected == tagger.tag(TEXTS)


@pytest.mark.parametrize("method", ["spawn", "forkserver"])
def test_a_student_that_has_tagged_goes_to_another_process(make_student, method):
    student = make_student(seed=3)
    expected = student.tag(TEXTS)
    with multiprocessing.get_context(method).Pool(1, torch.set_num_threads, (1,)) as pool:
        assert pool.apply(student.tag, (TEXTS,)) == expected


FORKED = """
import multiprocessing, sys, threading, time, torch
from kdner.student import Student
from kdner.student.vocabulary import Vocabulary

def by_a_fork(texts):
    context = multiprocessing.get_context("fork")
    ours, theirs = context.Pipe()
    child = context.Process(target=lambda: theirs.send(student.tag(texts)), daemon=True)
    child.start()
    assert ours.poll(60), "the child hangs"
    return ours.recv()

def places(tagged):
    return [(entity.start, entity.end, entity.label) for entities in tagged for entity in entities]

torch.set_num_threads(2)
student = Student.from_pretrained(sys.argv[1])
texts = ["Anna flew to Paris. Tom won, said Mary of Rome."] * 300
"""
LEARNING = """
student.tag(texts)
begun, characters_of = threading.Event(), Vocabulary.characters_of

def slow(vocabulary, types):
    begun.set()
    time.sleep(0.5)
    return characters_of(vocabulary, types)

Vocabulary.characters_of = slow
def learn():
    student.tag("Ada Lovelace wrote of Zürich")
    threading.Event().wait()  # a fork while a thread ends is safe in no library

threading.Thread(target=learn, daemon=True).start()
assert begun.wait(60)
"""


@pytest.mark.parametrize("parent", ["", LEARNING], ids=["loaded", "learning"])
def test_a_student_that_came_by_a_fork_tags(make_student, tmp_path, parent):
    make_student(seed=3, hidden=96).save(tmp_path)
    script = FORKED + parent + "assert places(by_a_fork(texts)) == places(student.tag(texts)) != []"
    ran = subprocess.run([sys.executable, "-c", script, tmp_path], capture_output=True, text=True, timeout=200)
    assert ran.returncode == 0, ran.stderr
