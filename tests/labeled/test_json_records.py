from __future__ import annotations

import json

import pytest
from files import document, entity_texts, jsonl

from kdner.errors import InputError
from kdner.labeled.sets import read_labeled

RECORDS = [document("Mira left.", (0, 4, "PER")), document("Rain."), document("Oslo is wet.", (0, 4, "LOC"))]


@pytest.mark.parametrize(
    "name, content",
    [
        ("set.jsonl", jsonl(*RECORDS)),
        ("set.ndjson", jsonl(*RECORDS).replace("\n", "\r\n")),
        ("set.jsonl", "\ufeff" + jsonl(*RECORDS).replace("\n", "\n\ufeff")),
        ("set.txt", jsonl(*RECORDS)),
        ("set.json", json.dumps(RECORDS)),
        ("set.json", json.dumps(RECORDS, indent=2)),
        ("set", json.dumps(RECORDS, indent=2)),
        ("set.json", "\n".join(json.dumps(record, indent=1) for record in RECORDS)),
    ],
    ids=["lines", "crlf", "marks", "another suffix", "array", "indented", "no suffix", "objects of several lines"],
)
def test_records_in_any_dress(write, name, content):
    sentences = read_labeled(write(name, content))
    assert [s.text for s in sentences] == ["Mira left.", "Rain.", "Oslo is wet."]
    assert entity_texts(sentences) == [("Mira", "PER"), ("Oslo", "LOC")]
    assert len({s.id for s in sentences}) == 3


def test_one_document_alone_is_read_whatever_lines_it_is_on(write):
    for content in (json.dumps(RECORDS[0]), json.dumps(RECORDS[0], indent=2)):
        assert entity_texts(read_labeled(write("set.json", content))) == [("Mira", "PER")]


@pytest.mark.parametrize("lines", [1, 2])
def test_lines_of_spacy_2_are_read_however_many(write, lines):
    line = '["Mira left.", {"entities": [[0, 4, "PER"]]}]\n'
    for content in (line * lines, "\n" + line * lines + "\n", f"[{','.join([line] * lines)}]"):
        sentences = read_labeled(write("set.jsonl", content))
        assert entity_texts(sentences) == [("Mira", "PER")] * lines
    indented = json.dumps(json.loads(line), indent=1)
    assert entity_texts(read_labeled(write("set.json", "\n".join([indented] * lines)))) == [("Mira", "PER")] * lines


@pytest.mark.parametrize(
    "content, message",
    [
        (jsonl(*RECORDS[:2]) + "{\n", r"set\.json:3: not JSON"),
        (json.dumps(RECORDS)[:-1], r"set\.json:1: not JSON \(its array has no end\). Is the file whole"),
        (json.dumps(RECORDS, indent=0)[:-20], r"set\.json:\d\d: not JSON"),
        (json.dumps(RECORDS, indent=0) + "\nx", r"not JSON \(something follows its array\)"),
        (json.dumps([*RECORDS, {"text": 3}], indent=0), r"set\.json:\d\d \(element 4\): expected an object"),
        ("x" + jsonl(*RECORDS), r"set\.json:1: not JSON"),
        ("[" * 100_000, r"set\.json:1: not JSON"),
        ("[]", "no sentences"),
    ],
)
def test_broken_files_are_named_with_their_line(write, content, message):
    with pytest.raises(InputError, match=message):
        read_labeled(write("set.json", content))
