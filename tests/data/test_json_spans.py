from __future__ import annotations

import gzip
import json
import logging

import pytest
from files import document, entity_texts, jsonl

from kdner.data.labeled_sets import read_labeled
from kdner.errors import InputError


def test_spans_become_sentences_of_the_splitters_words(write):
    text = "Anna left Paris. 東京 was next 😀 Bo."
    content = jsonl(
        document(text, (10, 15, "LOC"), (0, 4, "PER"), (17, 19, "LOC"), (31, 33, "PER")),
        document(""),
        document("Bo left.", (0, 2, "PER")),
    )
    sentences = read_labeled(write("set.jsonl", content))
    assert [s.id for s in sentences] == ["set.jsonl:1:0", "set.jsonl:1:17", "set.jsonl:3:0"]
    assert [s.document for s in sentences] == [0, 0, 2]
    assert [s.text for s in sentences] == ["Anna left Paris.", "東京 was next 😀 Bo.", "Bo left."]
    assert entity_texts(sentences) == [
        ("Anna", "PER"), ("Paris", "LOC"), ("東京", "LOC"), ("Bo", "PER"), ("Bo", "PER"),
    ]  # fmt: skip
    for sentence in sentences:
        assert sentence.words()[1] == sentence.tags


@pytest.mark.parametrize("key", ["spans", "entities", "labels", "label"])
@pytest.mark.parametrize("name", ["set.jsonl", "set.json", "set.jsonl.gz"])
def test_spans_as_lists_under_the_keys_of_other_tools(write, key, name):
    content = json.dumps({"text": "Anna left.", key: [[0, 4, "PER"]]}).encode()
    sentences = read_labeled(write(name, gzip.compress(content) if name.endswith("gz") else content))
    assert entity_texts(sentences) == [("Anna", "PER")]


def test_a_span_over_a_sentence_end_joins_its_sentences(write):
    text = "He saw it. Who Is Afraid? No One. The end."
    (first, joined, last) = read_labeled(write("set.jsonl", jsonl(document(text, (11, 32, "WORK")))))
    assert (first.text, joined.text, last.text) == ("He saw it.", "Who Is Afraid? No One.", "The end.")
    assert entity_texts([joined]) == [("Who Is Afraid? No One", "WORK")]


def test_spans_hold_what_is_never_seen_inside_words_and_at_their_edges(write, caplog):
    text = "\ufeffAn\u00adgela Mer\u2060kel\u200e flew to Pa\ufeffris."
    name, place = text.index("\u200e"), text.index("Pa\ufeffris")
    for end in (name, name + 1):  # without and with the mark after the name
        content = jsonl(document(text, (0, end, "PER"), (place, place + 6, "LOC")))
        (sentence,) = read_labeled(write("set.jsonl", content))
        assert entity_texts([sentence]) == [("An\u00adgela Mer\u2060kel", "PER"), ("Pa\ufeffris", "LOC")]
        assert sentence.words() == (
            ["Angela", "Merkel", "flew", "to", "Paris", "."],
            ["B-PER", "I-PER", "O", "O", "B-LOC", "O"],
        )
    assert not caplog.records


def test_documents_are_split_as_their_language_is(write):
    path = write("set.jsonl", jsonl(document("Am 3. Oktober flog Anna.", (19, 23, "PER"))))
    assert [len(read_labeled(path, language)) for language in ("en", "de")] == [2, 1]


def test_spans_that_cut_words_are_snapped_with_one_warning(write, caplog):
    records = [document("Anna's Londoners left.", (0, 4, "PER"), (7, 13, "LOC"))] * 4
    with caplog.at_level(logging.WARNING):
        sentences = read_labeled(write("set.jsonl", jsonl(*records)))
    assert entity_texts(sentences) == [("Anna", "PER"), ("Londoners", "LOC")] * 4
    (message,) = [record.getMessage() for record in caplog.records]
    assert "4 spans" in message and "'London' to 'Londoners'" in message
    assert all(f"set.jsonl:{line}" in message for line in (1, 2, 3)) and "set.jsonl:4" not in message


def test_spans_at_word_edges_and_blanks_give_no_warning(write, caplog):
    sentences = read_labeled(write("set.jsonl", jsonl(document("So Anna left.", (2, 8, "PER")))))
    assert entity_texts(sentences) == [("Anna", "PER")] and not caplog.records


def test_only_what_was_accepted_becomes_gold(write, caplog):
    accepted, nobody_asked = document("Anna left.", (0, 4, "PER")), document("Bo left.", (0, 2, "PER"))
    content = jsonl(
        {**accepted, "answer": "accept"},
        {**document("Paris left.", (0, 5, "PER")), "answer": "reject"},
        {**document("Rome left."), "answer": "ignore"},
        {"text": "Rain is expected.", "answer": "accept"},
        {"text": "It is dry.", "spans": None, "answer": "accept"},
        {"text": "spans of any kind", "spans": "none", "answer": "reject"},
        {**nobody_asked, "answer": None},
    )
    with caplog.at_level(logging.INFO, "kdner"):
        sentences = read_labeled(write("set.jsonl", content))
    assert [s.text for s in sentences] == ["Anna left.", "Rain is expected.", "It is dry.", "Bo left."]
    assert entity_texts(sentences) == [("Anna", "PER"), ("Bo", "PER")]
    assert [s.id for s in sentences] == [f"set.jsonl:{line}:0" for line in (1, 4, 5, 7)]
    (line,) = [record.getMessage() for record in caplog.records]
    assert "set.jsonl" in line and "1 documents with the answer ignore, 2 documents with the answer reject" in line


def test_spans_have_answers_of_their_own(write, caplog):
    spans = [
        {"start": start, "end": end, "label": "PER", "answer": answer}
        for start, end, answer in [(0, 4, "accept"), (9, 14, "reject"), (9, 14, "ignore"), (19, 21, None)]
    ]
    content = jsonl({"text": "Anna saw Paris and Bo.", "spans": spans, "answer": "accept"})
    with caplog.at_level(logging.INFO, "kdner"):
        sentences = read_labeled(write("set.jsonl", content))
    assert entity_texts(sentences) == [("Anna", "PER"), ("Bo", "PER")]
    assert "1 spans with the answer ignore, 1 spans with the answer reject" in caplog.text


@pytest.mark.parametrize(
    "line, message",
    [
        ("{", "not JSON"),
        ("[1]", 'a string under "text"'),
        ('{"spans": []}', 'a string under "text"'),
        ('{"text": "Anna"}', "no list under any of spans, entities, labels"),
        ('{"text": "Anna", "spans": null}', "no list under any of"),
        ('{"text": "Anna", "spans": [[0, 4]]}', r"\[0, 4\] is not a span"),
        ('{"text": "Anna", "spans": [["0", 4, "PER"]]}', "is not a span"),
        ('{"text": "Anna", "spans": [{"start": 0, "end": 4}]}', "is not a span"),
        ('{"text": "Anna", "spans": [[0, 4, ""]]}', "is not a span"),
        ('{"text": "Anna", "spans": [[0, 5, "PER"]]}', r"span \[0, 5\] PER does not lie in the text of 4"),
        ('{"text": "Anna", "spans": [[-1, 4, "PER"]]}', "does not lie in the text"),
        ('{"text": "Anna", "spans": [[2, 2, "PER"]]}', "does not lie in the text"),
        ('{"text": "Anna Bo", "spans": [[0, 7, "PER"], [5, 7, "PER"]]}', "overlap"),
        ('{"text": "Anna", "spans": [[1, 3, "PER"]]}', "'nn' holds the first character of no word"),
        ('{"text": "Anna Bo", "spans": [[4, 5, "PER"]]}', "holds the first character of no word"),
        ('{"text": "Anna", "spans": [], "answer": "maybe"}', "'maybe', expected one of accept, reject, ignore"),
        ('{"text": "Anna", "spans": [], "answer": ["accept"]}', "expected one of accept"),
        (
            '{"text": "Anna", "spans": [{"start": 0, "end": 4, "label": "PER", "answer": "no"}], "answer": "accept"}',
            "'no', expected one of accept",
        ),
        ('{"text": "a text of a class", "label": "SPORT", "answer": "accept"}', "no list under any of"),
    ],
)
def test_bad_documents_are_named_with_file_and_line(write, line, message):
    with pytest.raises(InputError, match=rf"set\.jsonl:2: .*{message}"):
        read_labeled(write("set.jsonl", jsonl(document("Bo left.", (0, 2, "PER"))) + line + "\n"))
