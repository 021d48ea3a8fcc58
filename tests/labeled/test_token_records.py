from __future__ import annotations

import json

import pytest
from files import jsonl

from kdner.errors import InputError
from kdner.labeled.remarks import Remarks
from kdner.labeled.sets import read_labeled

WORDS, TAGS = ["Mira", "moved", "to", "Oslo"], ["B-PER", "O", "O", "I-LOC"]


@pytest.mark.parametrize("key", ["ner_tags", "tags", "labels"])
@pytest.mark.parametrize("more", [{}, {"id": "7", "text": "Mira moved to Oslo", "pos_tags": ["N", "V", "P", "N"]}])
def test_words_with_tags_in_json(write, key, more):
    records = [{**more, "tokens": WORDS, key: TAGS}, {"tokens": [], key: []}, {"tokens": ["Rain"], key: ["O"]}]
    for content in (jsonl(*records), json.dumps(records, indent=2)):
        sentences = read_labeled(write("set.json", content))
        assert [(s.id, s.text, s.tags) for s in sentences] == [
            ("set.json:1", "Mira moved to Oslo", ["B-PER", "O", "O", "B-LOC"]),
            ("set.json:3", "Rain", ["O"]),
        ]


def test_empty_tokens_are_passed_over_and_counted(write):
    remarks = Remarks()
    content = jsonl({"tokens": ["Mira", "", "left"], "tags": ["B-PER", "O", "O"]}, {"tokens": [" "], "tags": ["O"]})
    (sentence,) = read_labeled(write("set.jsonl", content), remarks=remarks)
    assert (sentence.text, sentence.tags) == ("Mira left", ["B-PER", "O"])
    assert remarks.counts == {"empty tokens, passed over": 2}


@pytest.mark.parametrize(
    "record, message",
    [
        ({"tokens": WORDS, "ner_tags": [1, 0, 0, 3]}, "column ner_tags: the tag 1 has no name. Give tags as text"),
        ({"tokens": WORDS, "tags": TAGS[:3]}, "4 tokens and 3 tags"),
        ({"tokens": ["Mira", 7], "tags": ["O", "O"]}, "expected tokens that are text"),
        ({"tokens": WORDS, "tags": ["PER", "O", "O", "O"]}, "column tags: tag 'PER' belongs to no known scheme"),
        ({"tokens": ["", "left"], "tags": ["B-PER", "O"]}, "'B-PER' stands beside an empty token"),
        ({"tokens": WORDS}, 'with "tokens" and "ner_tags". This one has tokens'),
        ({"tokens": WORDS, "tags": ["B-Loc", "O", "O", "O"]}, "the label 'Loc' differs from 'LOC'"),
    ],
)
def test_bad_records_are_named_with_file_and_line(write, record, message):
    with pytest.raises(InputError, match=rf"set\.jsonl:2.*{message}"):
        read_labeled(write("set.jsonl", jsonl({"tokens": ["Oslo"], "tags": ["B-LOC"]}, record)))
