"""Exports of annotation tools, as each writes them."""

from __future__ import annotations

import json

import pytest
from files import entity_texts, jsonl

from kdner.errors import InputError
from kdner.labeled.remarks import Remarks
from kdner.labeled.sets import read_labeled

TEXT = "Mira moved to Oslo."
FOUND = [("Mira", "PER"), ("Oslo", "LOC")]


def region(start, end, label, text):
    value = {"start": start, "end": end, "text": text, "labels": [label]}
    return {"id": f"r{start}", "from_name": "label", "to_name": "text", "type": "labels", "value": value}


def task(*annotations, data=None):
    return {"id": 3, "data": data or {"text": TEXT}, "annotations": list(annotations), "predictions": []}


def annotation(*result, **more):
    return {"id": 5, "completed_by": 1, "result": list(result), "was_cancelled": False, "ground_truth": False, **more}


MIRA, OSLO = region(0, 4, "PER", "Mira"), region(14, 18, "LOC", "Oslo")
RELATION = {"from_id": "r0", "to_id": "r14", "type": "relation", "direction": "right"}
CHOICE = {"id": "c", "type": "choices", "value": {"choices": ["news"]}}
DOCCANO_ENTITIES = [
    {"id": 1, "label": "PER", "start_offset": 0, "end_offset": 4},
    {"id": 2, "label": "LOC", "start_offset": 14, "end_offset": 18},
]


@pytest.mark.parametrize(
    "record",
    [
        {"id": 1, "text": TEXT, "label": [[0, 4, "PER"], [14, 18, "LOC"]], "Comments": []},
        {"id": 1, "data": TEXT, "label": [[0, 4, "PER"], [14, 18, "LOC"]]},
        {"id": 1, "text": TEXT, "entities": DOCCANO_ENTITIES, "relations": [{"id": 1, "from_id": 1, "to_id": 2}]},
        {"text": TEXT, "spans": [], "entities": DOCCANO_ENTITIES},
        {"text": TEXT, "labels": ["news"], "spans": [[0, 4, "PER"], [14, 18, "LOC"]]},
        {
            "text": TEXT,
            "tokens": [{"text": "Mira", "start": 0, "end": 4, "id": 0}],
            "spans": [
                {"start": 0, "end": 4, "token_start": 0, "token_end": 0, "label": "PER"},
                {"start": 14, "end": 18, "token_start": 3, "token_end": 3, "label": "LOC"},
            ],
            "_input_hash": 1,
            "answer": "accept",
        },
        [TEXT, {"entities": [[0, 4, "PER"], [14, 18, "LOC"]]}],
        task(annotation(MIRA, OSLO, RELATION, CHOICE)),
        task(annotation(MIRA, OSLO), data={"review": TEXT, "number": 3}),
        task(annotation(MIRA, OSLO), annotation(OSLO, MIRA)),
        task(annotation(MIRA), annotation(MIRA, OSLO, ground_truth=True)),
        task(annotation(MIRA, was_cancelled=True), annotation(MIRA, OSLO)),
        {"id": 1, "text": TEXT, "label": [MIRA["value"], OSLO["value"]], "annotator": 1},
    ],
    ids=[
        "doccano", "doccano with data", "doccano with relations", "a second key", "classes of the text", "Prodigy",
        "spaCy 2", "Label Studio", "its text under another key", "annotations that agree", "ground truth", "cancelled",
        "Label Studio JSON-MIN",
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", ["lines", "array", "indented array"])
def test_what_annotation_tools_export_is_read(write, record, form):
    records = [record, {"text": "Rain.", "spans": []}]
    content = jsonl(*records) if form == "lines" else json.dumps(records, indent=2 if "indented" in form else None)
    sentences = read_labeled(write("set.json", content))
    assert [s.text for s in sentences] == [TEXT, "Rain."] and entity_texts(sentences) == FOUND
    assert [s.id for s in sentences] == ["set.json:1:0", "set.json:2:0"]


def test_tasks_that_nobody_has_annotated_are_left_out_and_counted(write):
    remarks = Remarks()
    records = [task(), task(annotation(MIRA, was_cancelled=True)), task(annotation(MIRA, OSLO)), task(annotation())]
    sentences = read_labeled(write("set.json", json.dumps(records)), remarks=remarks)
    assert [s.document for s in sentences] == [2, 3] and entity_texts(sentences) == FOUND
    assert remarks.counts == {"tasks that were skipped, left out": 1, "tasks without annotations, left out": 1}


def in_json_min(text, id_=5, **more):
    times = {"created_at": "2026-01-02T03:04:05Z", "updated_at": "2026-01-02T03:04:06Z", "lead_time": 7.5}
    return {"text": text, "id": 3, **more, "annotator": 1, "annotation_id": id_, **times}


def test_a_task_of_json_min_without_labels_has_no_entities_unless_nobody_has_annotated_it(write):
    remarks = Remarks()
    some = in_json_min(TEXT, label=[{**MIRA["value"], "type": "Labels"}, {**OSLO["value"], "type": "Labels"}])
    records = [in_json_min("Rain.", sentiment="sad"), some, in_json_min("Tom left.", None), in_json_min("Wind.")]
    sentences = read_labeled(write("set.json", json.dumps(records, indent=2)), remarks=remarks)
    assert [s.text for s in sentences] == ["Rain.", TEXT, "Wind."] and entity_texts(sentences) == FOUND
    assert remarks.counts == {"tasks without annotations, left out": 1}


@pytest.mark.parametrize(
    "record, message",
    [
        (
            in_json_min(TEXT, ner=[{**MIRA["value"], "type": "Labels"}]),
            "spans stand under ner. Rename this key to label",
        ),
        (in_json_min(TEXT, label="sad"), "no list under any of"),
        (task(annotation(MIRA), annotation(OSLO)), "2 annotations of one task differ. Keep one, or mark one as ground"),
        (task(annotation(region(1, 5, "PER", "Mira"))), "covers 'ira ', but carries the text 'Mira'"),
        (task(annotation({"value": {**MIRA["value"], "labels": ["PER", "LOC"]}})), "expected start, end and one label"),
        (task(annotation({"value": {"start": "0", "end": "0", "paragraphlabels": ["PER"]}})), "paragraphlabels, which"),
        (
            task(annotation(MIRA), data={"title": "x", "body": TEXT}),
            "the task's data has title, body; expected",
        ),
        (
            {"text": TEXT, "spans": [[0, 4, "PER"]], "entities": DOCCANO_ENTITIES},
            "stand under spans and entities",
        ),
        ({"id": 0, "paragraphs": [{"sentences": []}]}, "spaCy 2's trainer; convert it with `python -m spacy convert`"),
        ({"%TYPES": {}, "%FEATURE_STRUCTURES": []}, "UIMA CAS JSON, as INCEpTION writes it; export"),
        ({"tokenized_text": ["Mira"], "ner": [[0, 0, "PER"]]}, "GLiNER's training data; write"),
        ({"sentence": TEXT, "ents": []}, 'a string under "text".* This one has sentence, ents'),
        ({"text": TEXT, "label": ["news"]}, "no list under any of"),
        ([TEXT, [0, 4, "PER"]], 'a string under "text"'),
    ],
)
def test_what_cannot_be_read_is_refused_by_its_name(write, record, message):
    with pytest.raises(InputError, match=rf"set\.json:2: .*{message}"):
        read_labeled(write("set.json", jsonl({"text": "Bo.", "spans": [[0, 2, "PER"]]}, record)))
