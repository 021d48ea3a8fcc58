from __future__ import annotations

import gzip
import json
import logging
from collections import Counter

import datasets
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdner.errors import InputError
from kdner.labeled import check_labels, draw, labels_of, read_labeled
from kdner.labels import entities_of, repair
from kdner.text import split_words

CONLL = """-DOCSTART- -X- O O

EU NNP I-NP I-ORG
rejects VBZ I-VP O
German JJ I-NP I-MISC
call NN I-NP O

Peter NNP I-NP I-PER
Blackburn NNP I-NP I-PER

-DOCSTART- -X- O O
U.S. NNP I-NP I-LOC
LONDON NNP I-NP B-LOC
"""


@pytest.fixture
def write(tmp_path):
    def write(name, content):
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


def jsonl(*records):
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def document(text, *spans):
    return {"text": text, "spans": [{"start": s, "end": e, "label": name} for s, e, name in spans]}


def entity_texts(sentences):
    return [
        (s.text[s.starts[first] : s.ends[last - 1]], name)
        for s in sentences
        for first, last, name in entities_of(s.tags)
    ]


def test_conll_columns(write):
    sentences = read_labeled(write("eng.train", CONLL))
    assert [s.id for s in sentences] == ["eng.train:3", "eng.train:8", "eng.train:12"]
    assert [s.document for s in sentences] == [0, 0, 1]
    assert sentences[0].text == "EU rejects German call"
    assert (sentences[0].starts, sentences[0].ends) == ([0, 3, 11, 18], [2, 10, 17, 22])
    assert [s.tags for s in sentences] == [
        ["B-ORG", "O", "B-MISC", "O"],
        ["B-PER", "I-PER"],
        ["B-LOC", "B-LOC"],
    ]
    assert labels_of(sentences) == [
        "O",
        "B-LOC",
        "I-LOC",
        "B-MISC",
        "I-MISC",
        "B-ORG",
        "I-ORG",
        "B-PER",
        "I-PER",
    ]


@pytest.mark.parametrize(
    "content",
    [
        CONLL.encode().replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + CONLL.encode(),
        gzip.compress(CONLL.encode()),
        CONLL.rstrip("\n").encode(),
        CONLL.replace(" ", "\t").encode(),
        CONLL.replace(" ", "  ").encode(),
        CONLL.replace("\n\n", " \n \t\n\n").encode(),
        CONLL.encode() + b"\n\n",
    ],
    ids=["crlf", "byte order mark", "gzip", "no last newline", "tabs", "two blanks", "blank lines", "end"],
)
def test_conll_in_any_dress(write, content):
    plain = read_labeled(write("plain.conll", CONLL))
    dressed = read_labeled(write("dressed.conll", content))
    assert [(s.document, s.text, s.tags) for s in dressed] == [(s.document, s.text, s.tags) for s in plain]


def test_a_set_without_docstart_has_a_document_a_sentence(write):
    sentences = read_labeled(write("set.bio", "Anna\tB-PER\n\nleft\tO\n\nParis\tB-LOC"))
    assert [s.document for s in sentences] == [0, 1, 2]


def test_tab_separated_tokens_may_hold_blanks_and_no_break_spaces(write):
    (sentence,) = read_labeled(write("set.tsv", "New York\tB-LOC\n10\xa0000\tO\n"))
    assert sentence.text == "New York 10\xa0000" and sentence.tags == ["B-LOC", "O"]
    assert sentence.words() == (["New", "York", "10", "000"], ["B-LOC", "I-LOC", "O", "O"])
    (sentence,) = read_labeled(write("set.conll", "10\xa0000 B-NUM\n"))
    assert sentence.text == "10\xa0000"


@pytest.mark.parametrize(
    "content, message",
    [
        (b"EU I-ORG\nrejects\n", r"set\.conll:2: 'rejects' has too few columns"),
        (b"EU\tI-ORG\n\tO\n", r"set\.conll:2: .* has too few columns"),
        (b"EU I-ORG\nAnna PERSON\n", r"set\.conll:2: tag 'PERSON' belongs to no known scheme"),
        (b"EU I-ORG\n\nPel\xe9 I-PER\n", r"set\.conll:3: byte 13 \(0xe9\) is not UTF-8"),
        (b"", "no sentences"),
        (b"-DOCSTART- O\n\n", "no sentences"),
        (b"EU O\n", "none of its 1 sentences holds an entity"),
        (gzip.compress(CONLL.encode())[:-20], "cannot be read"),
    ],
)
def test_bad_columns_are_named_with_file_and_line(write, content, message):
    with pytest.raises(InputError, match=message):
        read_labeled(write("set.conll", content))


def test_missing_files_and_folders_are_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.conll: no such file"):
        read_labeled(str(tmp_path / "nowhere.conll"))
    with pytest.raises(InputError, match="is a folder"):
        read_labeled(str(tmp_path))


def test_words_takes_the_label_at_the_first_character_and_gold_word_tags_goes_back(write):
    (sentence,) = read_labeled(
        write("set.conll", "Roe B-CASE\nvs. I-CASE\nWade I-CASE\nO'Neil B-PER\nwon O\n")
    )
    words, tags = sentence.words()
    assert words == ["Roe", "vs", ".", "Wade", "O", "'", "Neil", "won"]
    assert tags == ["B-CASE", "I-CASE", "I-CASE", "I-CASE", "B-PER", "I-PER", "I-PER", "O"]
    assert sentence.gold_word_tags(tags) == sentence.tags
    assert sentence.gold_word_tags(["O", "O", "B-X", "I-X", "O", "O", "B-PER", "O"]) == [
        "O",
        "O",
        "B-X",
        "O",
        "O",
    ]
    with pytest.raises(ValueError, match="1 labels for 8 words"):
        sentence.gold_word_tags(["O"])


def test_gold_words_without_any_word_are_o_or_inside_their_entity(write):
    rows = "_ B-LOC\nNew I-LOC\n_ I-LOC\nYork I-LOC\n_ O\n_is O\n_Bo B-PER\n_ I-PER\n".replace("_", "\u200b")
    (sentence,) = read_labeled(write("set.conll", rows))
    words, tags = sentence.words()
    assert words == ["New", "York", "is", "Bo"]
    assert tags == ["B-LOC", "I-LOC", "O", "B-PER"]
    assert sentence.gold_word_tags(tags) == ["O", "B-LOC", "I-LOC", "I-LOC", "O", "O", "B-PER", "O"]


TOKEN = st.text(st.characters(exclude_characters="\t\n\r"), min_size=1, max_size=6).filter(
    lambda token: token == token.strip(" ") and bool(split_words(token).words)
)
ROW = st.tuples(
    st.one_of(st.sampled_from(["vs.", "U.S.", "Anna", "'s", "1,000.5", "AT&T"]), TOKEN),
    st.sampled_from(["O", "B-A", "I-A", "B-B", "I-B"]),
)


@given(st.lists(ROW, min_size=1, max_size=12))
def test_gold_tags_survive_the_way_to_words_and_back(tmp_path_factory, rows):
    rows = [("Anna", "B-A"), *rows]
    path = tmp_path_factory.mktemp("rows") / "set.tsv"
    path.write_bytes("".join(f"{token}\t{tag}\n" for token, tag in rows).encode("utf-8", "surrogatepass"))
    try:
        (sentence,) = read_labeled(str(path))
    except InputError as error:
        assert "is not UTF-8" in str(error)
        return
    assert [sentence.text[s:e] for s, e in zip(sentence.starts, sentence.ends, strict=True)] == [
        token for token, _ in rows
    ]
    assert sentence.tags == repair([tag for _, tag in rows])
    words, tags = sentence.words()
    assert words == split_words(sentence.text).words
    assert len(entities_of(tags)) == len(entities_of(sentence.tags))
    assert sentence.gold_word_tags(tags) == sentence.tags


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
    ],
)
def test_bad_documents_are_named_with_file_and_line(write, line, message):
    with pytest.raises(InputError, match=rf"set\.jsonl:2: .*{message}"):
        read_labeled(write("set.jsonl", jsonl(document("Bo left.", (0, 2, "PER"))) + line + "\n"))


NAMES = ["O", "B-PER", "I-PER"]


def token_rows(tags, feature):
    features = datasets.Features(
        tokens=datasets.Sequence(datasets.Value("string")), ner_tags=datasets.Sequence(feature)
    )
    rows = {"tokens": [["Anna", "Lee", "left"], [], ["Bo"]], "ner_tags": tags}
    return datasets.Dataset.from_dict(rows, features=features)


@pytest.mark.parametrize("kind", ["numbers", "strings"])
def test_hugging_face_tokens_with_numbers_or_strings(tmp_path, kind):
    numbers = [[1, 2, 0], [], [1]]
    feature = datasets.ClassLabel(names=NAMES) if kind == "numbers" else datasets.Value("string")
    tags = numbers if kind == "numbers" else [[NAMES[n] for n in row] for row in numbers]
    rows = token_rows(tags, feature)
    datasets.DatasetDict(train=rows, test=rows.select([2])).save_to_disk(str(tmp_path / "news"))
    sentences = read_labeled(f"hf:{tmp_path}/news")
    assert [(s.id, s.text, s.tags) for s in sentences] == [
        ("news:train:0", "Anna Lee left", ["B-PER", "I-PER", "O"]),
        ("news:train:2", "Bo", ["B-PER"]),
    ]
    assert [s.id for s in read_labeled(f"hf:{tmp_path}/news:test")] == ["news:test:0"]
    with pytest.raises(InputError, match=r"no split 'dev'; it has train, test"):
        read_labeled(f"hf:{tmp_path}/news:dev")


def test_hugging_face_text_with_spans_and_a_set_saved_without_splits(tmp_path):
    rows = datasets.Dataset.from_list([document("Anna left. Bo too.", (0, 4, "PER"), (11, 13, "PER"))])
    rows.save_to_disk(str(tmp_path / "news"))
    sentences = read_labeled(f"hf:{tmp_path}/news")
    assert [s.id for s in sentences] == ["news:train:0:0", "news:train:0:11"]
    assert entity_texts(sentences) == [("Anna", "PER"), ("Bo", "PER")]


def test_a_folder_of_data_files(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "news"
    folder.mkdir()
    (folder / "train.jsonl").write_text(jsonl({"tokens": ["Bo", "left"], "tags": ["B-PER", "O"]}))
    assert read_labeled(f"hf:{folder}")[0].tags == ["B-PER", "O"]
    with pytest.raises(InputError, match="dev"):
        read_labeled(f"hf:{folder}:dev")


@pytest.mark.parametrize(
    "tags, feature, message",
    [
        ([[1, 2, 0], [], [1]], datasets.Value("int64"), "row 0, column ner_tags: the tag 1 has no name"),
        (
            [[1, 2, 0], [], [-1]],
            datasets.ClassLabel(names=NAMES),
            "row 2, column ner_tags: the tag -1 has no",
        ),
        (
            [[1, 2, 0], [], [1]],
            datasets.ClassLabel(names=["O", "PER", "LOC"]),
            "row 0.*tag 'PER' belongs to no",
        ),
        ([[1, 2], [], [1]], datasets.ClassLabel(names=NAMES), "row 0: 3 tokens and 2 ner_tags"),
    ],
)
def test_bad_hugging_face_rows_are_named(tmp_path, tags, feature, message):
    token_rows(tags, feature).save_to_disk(str(tmp_path / "news"))
    with pytest.raises(InputError, match=message):
        read_labeled(f"hf:{tmp_path}/news")


def test_hugging_face_sets_that_cannot_be_read_are_named(tmp_path):
    datasets.Dataset.from_dict({"words": [["a"]]}).save_to_disk(str(tmp_path / "news"))
    with pytest.raises(InputError, match="has the columns words; expected tokens"):
        read_labeled(f"hf:{tmp_path}/news")
    with pytest.raises(InputError, match="hf:no such name: the dataset cannot be loaded"):
        read_labeled("hf:no such name")
    with pytest.raises(InputError, match="names no dataset"):
        read_labeled("hf:")


def test_a_label_that_training_never_saw_is_named(write):
    train = read_labeled(write("train.conll", "Anna B-PER\n"))
    test = read_labeled(write("test.conll", "Anna I-PER\nLee I-PER\n\nParis B-LOC\n"))
    check_labels(test[:1], labels_of(train), "test.conll")
    with pytest.raises(InputError) as caught:
        check_labels(test, labels_of(train), "test.conll")
    for part in ("test.conll:4", "'B-LOC'", "O, B-PER, I-PER", "O, B-LOC, I-LOC, B-PER, I-PER"):
        assert part in str(caught.value)


def test_draw_is_seeded_without_replacement_and_in_order(write):
    rows = "".join(f"Anna{i} B-PER\n\n" for i in range(40))
    sentences = read_labeled(write("set.conll", rows))
    drawn, rest = draw(sentences, 10, seed=1)
    assert len(drawn) == 10 and sorted(drawn + rest, key=sentences.index) == sentences
    assert drawn == sorted(drawn, key=sentences.index) and rest == sorted(rest, key=sentences.index)
    assert draw(sentences, 10, seed=1) == (drawn, rest)
    assert draw(sentences, 10, seed=2) != (drawn, rest)
    assert draw(sentences, 40, seed=1) == (sentences, [])
    for size in (41, -1):
        with pytest.raises(InputError, match=f"cannot draw {size} sentences from a labeled set of 40"):
            draw(sentences, size, seed=1)


@pytest.mark.data
@pytest.mark.parametrize(
    "name, sentences, documents, entities",
    [
        ("conll2003/eng.train", 14041, 946, {"LOC": 7140, "MISC": 3438, "ORG": 6321, "PER": 6600}),
        ("conll2003/eng.testa", 3250, 216, {"LOC": 1837, "MISC": 922, "ORG": 1341, "PER": 1842}),
        ("conll2003/eng.testb", 3453, 231, {"LOC": 1668, "MISC": 702, "ORG": 1661, "PER": 1617}),
        ("wikigold/wikigold.conll.txt", 1696, 145, {"LOC": 1014, "MISC": 712, "ORG": 898, "PER": 934}),
    ],
)
def test_real_sets_have_their_official_counts_and_survive_the_one_rule(
    data_folder, name, sentences, documents, entities
):
    found = read_labeled(str(data_folder / name))
    assert len(found) == len({s.id for s in found}) == sentences
    assert found[-1].document == documents - 1
    assert Counter(name for s in found for *_, name in entities_of(s.tags)) == entities
    for sentence in found:
        assert sentence.gold_word_tags(sentence.words()[1]) == sentence.tags, sentence.id
