from __future__ import annotations

import gzip
import json
import logging

import pytest
from files import document, entity_texts, jsonl

from kdner.errors import InputError
from kdner.flags import Layout
from kdner.labeled.remarks import Remarks
from kdner.labeled.sets import read_labeled


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


TEXT = "🚀💩 Mira moved to Oslo on Friday."
UTF_16 = [(5, 9, "PER", "Mira"), (19, 23, "LOC", "Oslo")]
BYTES = [(9, 13, "PER", "Mira"), (23, 27, "LOC", "Oslo")]


def with_texts(text, spans):
    return {"text": text, "spans": [{"start": s, "end": e, "label": name, "text": own} for s, e, name, own in spans]}


@pytest.mark.parametrize("unit, spans", [("utf-16", UTF_16), ("bytes", BYTES)])
def test_offsets_of_other_tools_are_refused_by_the_texts_of_their_spans_and_read_by_their_unit(write, unit, spans):
    source = write("set.jsonl", jsonl(with_texts(TEXT, spans)))
    with pytest.raises(InputError, match=rf"set\.jsonl:1: span .* carries the text 'Mira'.*give --offsets {unit}\."):
        read_labeled(source)
    (sentence,) = read_labeled(source, Layout(offsets=unit))
    assert entity_texts([sentence]) == [("Mira", "PER"), ("Oslo", "LOC")] and sentence.text == TEXT


def test_both_texts_are_shown_where_they_differ(write):
    source = write("set.jsonl", jsonl(with_texts("Mira moved.", [(0, 3, "PER", "Mira")])))
    with pytest.raises(InputError, match=r"\[0, 3\] PER covers 'Mir', but carries the text 'Mira'. Inclusive ends fit"):
        read_labeled(source)
    source = write("set.jsonl", jsonl(with_texts("Mira moved.", [(0, 4, "PER", "Tuva")])))
    with pytest.raises(InputError, match=r"covers 'Mira', but carries the text 'Tuva'. Correct the offsets, or"):
        read_labeled(source)
    in_nfc = jsonl(with_texts("Zoe\u0308 left.", [(0, 4, "PER", "Zo\xeb")]))
    assert entity_texts(read_labeled(write("set.jsonl", in_nfc))) == [("Zoe\u0308", "PER")]
    persian = jsonl(
        with_texts("Mira moved.", [(0, 4, "\u0633\u0627\u0632\u0645\u0627\u0646\u200c\u0647\u0627", "Mira")])
    )
    assert entity_texts(read_labeled(write("set.jsonl", persian)))[0][1].count("\u200c") == 1
    broken = jsonl(with_texts("New\nYork is wet.", [(0, 8, "LOC", "New York")]))
    assert entity_texts(read_labeled(write("set.jsonl", broken))) == [("New\nYork", "LOC")]


def test_an_exact_repetition_is_one_span(write):
    remarks = Remarks()
    content = jsonl({"text": "Mira moved.", "label": [[0, 4, "PER"], [0, 4, " PER"]]})
    assert entity_texts(read_labeled(write("set.jsonl", content), remarks=remarks)) == [("Mira", "PER")]
    assert remarks.counts == {"spans that repeat another exactly, passed over": 1}


def test_what_is_no_text_is_replaced_one_for_one_and_counted(write, caplog):
    line = '{"text": "Mira \\ud83d left \\u0000 Oslo.", "spans": [[0, 4, "PER"], [14, 18, "LOC"]]}\n'
    remarks = Remarks()
    (sentence,) = read_labeled(write("set.jsonl", line + line.replace("Mira ", "Mira.")), remarks=remarks)[:1]
    assert sentence.text == "Mira \ufffd left \ufffd Oslo."
    assert entity_texts([sentence]) == [("Mira", "PER"), ("Oslo", "LOC")]
    assert remarks.counts == {"characters that are no text, replaced by U+FFFD": 4}
    assert "4 characters that are no text" in caplog.text and "set.jsonl:1" in caplog.text


def test_inclusive_ends_of_a_small_set_are_snapped_counted_and_all_listed(write, caplog):
    remarks = Remarks()
    content = jsonl(document("Mira moved to Oslo.", (0, 3, "PER"), (14, 17, "LOC")))
    sentences = read_labeled(write("set.jsonl", content), remarks=remarks)
    assert entity_texts(sentences) == [("Mira", "PER"), ("Oslo", "LOC")]
    assert [remark.detail for remark in remarks.found] == ["'Mir' to 'Mira'", "'Osl' to 'Oslo'"]
    assert "2 spans cut a word. Inclusive ends fit, so add 1 to each: 2 of these spans would cut no word" in caplog.text


@pytest.mark.parametrize(
    "text, spans, reason",
    [
        ("Mira moved to Oslo.", [(0, 3, "PER"), (14, 17, "LOC")], r"Inclusive ends fit, so add 1 to each: 12 of these"),
        (
            TEXT,
            [(5, 9, "PER"), (19, 23, "LOC")],
            r"Offsets in units of UTF-16 fit, so give --offsets utf-16: 12 of these",
        ),
        ("Miras Oslos", [(0, 4, "PER"), (6, 10, "LOC")], r"Inclusive ends fit"),
        ("Miraculously", [(0, 4, "PER")], "Move the spans to the edges of words"),
    ],
)
def test_a_set_in_which_many_spans_cut_words_is_refused_with_the_reason(write, text, spans, reason):
    source = write("set.jsonl", jsonl(*[document(text, *spans)] * 6))
    with pytest.raises(
        InputError, match=rf"of {6 * len(spans)} spans cut a word, the first in .*set\.jsonl:1: .*{reason}"
    ):
        read_labeled(source)


def test_few_spans_of_many_may_cut_words(write):
    records = [document("Anna's Londoners left.", (0, 4, "PER"), (7, 13, "LOC"))] * 6
    remarks = Remarks()
    read_labeled(write("set.jsonl", jsonl(*records, *[document("Bo left.", (0, 2, "PER"))] * 108)), remarks=remarks)
    assert len(remarks.found) == 6
    with pytest.raises(InputError, match="6 of 119 spans cut a word"):
        read_labeled(write("set.jsonl", jsonl(*records, *[document("Bo left.", (0, 2, "PER"))] * 107)))


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
    assert [len(read_labeled(path, Layout(language=language))) for language in ("en", "de")] == [2, 1]


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
    rejected, ignored = sorted((record.getMessage() for record in caplog.records), reverse=True)
    assert "set.jsonl" in rejected and "2 documents with the answer reject, left out" in rejected
    assert "1 documents with the answer ignore, left out" in ignored and "set.jsonl:3" in ignored


def test_spans_have_answers_of_their_own(write, caplog):
    spans = [
        {"start": start, "end": end, "label": "PER", "answer": answer}
        for start, end, answer in [(0, 4, "accept"), (9, 14, "reject"), (9, 14, "ignore"), (19, 21, None)]
    ]
    content = jsonl({"text": "Anna saw Paris and Bo.", "spans": spans, "answer": "accept"})
    with caplog.at_level(logging.INFO, "kdner"):
        sentences = read_labeled(write("set.jsonl", content))
    assert entity_texts(sentences) == [("Anna", "PER"), ("Bo", "PER")]
    assert "1 spans with the answer ignore, left out" in caplog.text
    assert "1 spans with the answer reject, left out" in caplog.text


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
        ('{"text": "Anna Bo", "spans": [[0, 4, "PER"], [0, 4, "LOC"]]}', r"span \[0, 4\] is PER and LOC. Keep one"),
        ('{"text": "Anna", "spans": [[0, 4, "B-PER"]]}', r"span \[0, 4\]: the label 'B-PER' is a tag"),
        ('{"text": "Anna", "spans": [[0, 4, "P\\u200bER"]]}', r"span \[0, 4\]: the label .*ZERO WIDTH SPACE"),
        ('{"text": "Anna", "spans": [[0, 4, "Per"]]}', r"span \[0, 4\]: the label 'Per' differs from 'PER' .*:1: span"),
        ('{"text": "Anna", "spans": [[0, 4, 7]]}', r"\[0, 4, 7\] is not a span"),
        ('{"text": "😀 Bo", "spans": [[3, 5, "PER"]]}', "not lie in the text of 4 .*fit, so give --offsets utf-16"),
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
