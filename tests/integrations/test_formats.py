"""Documents with entities, written in each format and read back by the tool's own library, or by kdner's reader."""

from __future__ import annotations

import json
from itertools import chain

import datasets
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from files import put_lines
from hypothesis import given
from hypothesis import strategies as st

from kdner.errors import InputError
from kdner.integrations.annotated import Annotated, of_entities, of_labeled, of_logits, of_texts, tagged_sentences
from kdner.integrations.formats import FORMATS
from kdner.labeled.sentence import LabeledSentence
from kdner.labeled.sets import read_labeled
from kdner.labels.tags import label_list
from kdner.runs.run_directory import RunDirectory
from kdner.runs.schema import CORPUS, ENTITIES, LOGITS
from kdner.student.tagger import Entity
from kdner.text.words import split

LABELS = label_list(["B-LOC", "B-PER"])
TEXT = "  Anna 🤖 Schmidt\tflew to  Paris.\n\nIt rained\x07 in “New\nYork” ."


def entity(text, part, label, score):
    start = text.index(part)
    return {"start": start, "end": start + len(part), "label": label, "text": part, "score": score}


ROWS = [
    ("a", TEXT, [entity(TEXT, "Anna 🤖 Schmidt", "PER", 0.75), entity(TEXT, "Paris", "LOC", 0.5)], None),
    ("b", "Rain.", [], None),
    ("c", None, None, "the text is missing"),
    ("d", "Čapek left Rome", [entity("Čapek left Rome", "Čapek", "PER", 0.5)], None),
]


@pytest.fixture(scope="module")
def documents():
    corpus = pa.table([[row[0] for row in ROWS], [row[1] for row in ROWS]], schema=CORPUS)
    found = [{"id": id_, "entities": found, "words": 1, "error": error} for id_, _, found, error in ROWS]
    return of_entities(corpus, pa.Table.from_pylist(found, schema=ENTITIES))


def spans(document):
    return [[entity.start, entity.end, entity.label] for entity in document.entities]


def write(name, documents, path):
    path = path.with_suffix(FORMATS[name].suffix)
    path.write_bytes(FORMATS[name].write(documents, LABELS))
    return path


def test_documents_with_errors_are_left_out(documents):
    assert [document.id for document in documents] == ["a", "b", "d"]


def test_prodigy(documents, tmp_path):
    path = write("prodigy", documents, tmp_path / "tasks")
    tasks = [json.loads(line) for line in path.read_text().splitlines()]
    assert [task["meta"]["id"] for task in tasks] == ["a", "b", "d"] and "answer" not in tasks[0]
    for task, document in zip(tasks, documents, strict=True):
        assert task["text"] == document.text
        tokens = task["tokens"]
        assert [token["id"] for token in tokens] == list(range(len(tokens)))
        assert all(task["text"][token["start"] : token["end"]] == token["text"] for token in tokens)
        assert [[span["start"], span["end"], span["label"]] for span in task["spans"]] == spans(document)
        for span in task["spans"]:  # Prodigy's last token is inclusive
            assert tokens[span["token_start"]]["start"] == span["start"]
            assert tokens[span["token_end"]]["end"] == span["end"]
    assert tasks[0]["spans"][0]["score"] == 0.75
    assert [token["ws"] for token in tasks[2]["tokens"]] == [True, True, False]
    assert entities_read(path) == [("Anna 🤖 Schmidt", "PER"), ("Paris", "LOC"), ("Čapek", "PER")]


def test_doccano(documents, tmp_path):
    path = write("doccano", documents, tmp_path / "tasks")
    tasks = [json.loads(line) for line in path.read_text().splitlines()]
    assert [(task["id"], task["text"], task["label"]) for task in tasks] == [
        (document.id, document.text, spans(document)) for document in documents
    ]
    assert entities_read(path) == [("Anna 🤖 Schmidt", "PER"), ("Paris", "LOC"), ("Čapek", "PER")]


def entities_read(path):
    return [(e.text, e.label) for document in of_labeled(read_labeled(str(path))) for e in document.entities]


def test_label_studio(documents, tmp_path):
    tasks = json.loads(write("label-studio", documents, tmp_path / "tasks").read_text())
    assert [task["data"] for task in tasks] == [{"id": d.id, "text": d.text} for d in documents]
    for task, document in zip(tasks, documents, strict=True):
        (prediction,) = task["predictions"]
        assert prediction["model_version"].startswith("kdner ") and "annotations" not in task
        assert [[r["value"]["start"], r["value"]["end"], *r["value"]["labels"]] for r in prediction["result"]] == spans(
            document
        )
        assert len({region["id"] for region in prediction["result"]}) == len(prediction["result"])
        for region in prediction["result"]:
            assert (region["from_name"], region["to_name"], region["type"]) == ("label", "text", "labels")
            value = region["value"]
            assert task["data"]["text"][value["start"] : value["end"]] == value["text"]
    assert tasks[0]["predictions"][0]["score"] == 0.5  # the least sure of its entities
    assert tasks[1]["predictions"][0]["score"] == 1.0


def test_conll(documents, tmp_path):
    path = write("conll", documents, tmp_path / "train")
    assert path.read_text().startswith("-DOCSTART-\tO\n\nAnna\tB-PER\n🤖\tI-PER\nSchmidt\tI-PER\nflew\tO\n")
    sentences = read_labeled(str(path))
    assert [sentence.document for sentence in sentences] == [0] * len(split(TEXT)) + [1, 2]
    assert entities_read(path) == [("Anna 🤖 Schmidt", "PER"), ("Paris", "LOC"), ("Čapek", "PER")]


def test_docbin(documents, tmp_path):
    spacy = pytest.importorskip("spacy")
    from spacy.tokens import DocBin
    from spacy.training import Example

    path = write("docbin", documents, tmp_path / "train")
    nlp = spacy.blank("en")
    docs = list(DocBin(store_user_data=True).from_disk(path).get_docs(nlp.vocab))
    assert [doc.text for doc in docs] == [document.text for document in documents]
    assert [[[e.start_char, e.end_char, e.label_] for e in doc.ents] for doc in docs] == list(map(spans, documents))
    assert [doc.user_data["id"] for doc in docs] == ["a", "b", "d"]
    assert [e._.kdner_score for e in docs[0].ents] == [0.75, 0.5]
    words = [[token.text for token in sentence if not token.is_space] for sentence in docs[2].sents]
    assert words == [["Čapek", "left", "Rome"]]
    example = Example(nlp.make_doc(docs[0].text), docs[0])  # as spacy train reads it
    assert example.get_aligned_ner().count("B-PER") + example.get_aligned_ner().count("U-LOC") == 2


def test_an_entity_of_several_words_keeps_its_white_space_in_a_docbin(tmp_path):
    spacy = pytest.importorskip("spacy")
    from spacy.tokens import DocBin

    text = "In New  York\tcity it rained."
    corpus = pa.table([["a"], [text]], schema=CORPUS)
    row = {"id": "a", "entities": [entity(text, "New  York\tcity", "LOC", 0.5)], "words": 1, "error": None}
    (document,) = of_entities(corpus, pa.Table.from_pylist([row], schema=ENTITIES))
    (doc,) = DocBin().from_disk(write("docbin", [document], tmp_path / "x")).get_docs(spacy.blank("en").vocab)
    assert doc.text == text and [e.text for e in doc.ents] == ["New  York\tcity"]


def of_parts(text, *parts):
    """Make a document with these parts of its text as entities, each after the one before it."""
    found, end = [], 0
    for part in parts:
        start = text.index(part, end)
        end = start + len(part)
        found.append(Entity(start, end, "PER", part, 0.5))
    return Annotated("a", text, found)


UNLIKE_THEIR_WORDS = ["Zoe\u0308", "Ange\u00adla", "Jo\u2060se\u0301", "Go\u200cran", "\u1100\u1161", "Bo\ufeffb"]
"""Names of which models see something shorter: letters and marks apart, and characters that are not shown."""


@given(
    st.lists(
        st.sampled_from(
            [*UNLIKE_THEIR_WORDS, "left", ".", "\u00ad", "\u200b", "\ufeff", " ", "  ", "\t", "\n\n", "\u00a0"]
        )
    )
)
def test_a_docbin_has_the_text_and_its_offsets_whatever_models_see_of_its_words(parts):
    pytest.importorskip("spacy")
    from spacy.tokens import DocBin
    from spacy.vocab import Vocab

    text = " ".join(parts)
    words = [text[a:b] for sentence in split(text) for a, b in zip(sentence.starts, sentence.ends, strict=True)]
    document = of_parts(text, *(word for word in words if word in UNLIKE_THEIR_WORDS))
    (doc,) = DocBin().from_bytes(FORMATS["docbin"].write([document], LABELS)).get_docs(Vocab())
    assert doc.text == text
    assert [[e.start_char, e.end_char, e.label_] for e in doc.ents] == spans(document)


def test_a_hugging_face_dataset(documents, tmp_path):
    path = write("hf", documents, tmp_path / "part-00000")
    dataset = datasets.load_dataset("parquet", data_files=str(path), cache_dir=str(tmp_path / "cache"))["train"]
    assert dataset.features["ner_tags"].feature.names == LABELS
    assert dataset["document"] == ["a"] * len(split(TEXT)) + ["b", "d"] and len(set(dataset["id"])) == len(dataset)
    names = dataset.features["ner_tags"].feature
    assert [names.int2str(tag) for tag in dataset[0]["ner_tags"]][:4] == ["B-PER", "I-PER", "I-PER", "O"]
    assert dataset[0]["tokens"][:3] == ["Anna", "🤖", "Schmidt"] and dataset[0]["scores"][:4] == [
        0.75,
        0.75,
        0.75,
        None,
    ]
    dataset.save_to_disk(str(tmp_path / "saved"))
    assert [e.text for d in of_labeled(read_labeled(f"hf:{tmp_path / 'saved'}")) for e in d.entities] == [
        "Anna 🤖 Schmidt",
        "Paris",
        "Čapek",
    ]


def test_texts_become_documents_with_what_a_student_finds(taught):
    texts = ["Anna Schmidt flew to Paris.\n\nRain is expected.", "Tom left Rome."]
    documents = of_texts(taught, iter(texts))
    assert [(document.id, document.text, document.entities) for document in documents] == [
        (str(number), text, found) for number, (text, found) in enumerate(zip(texts, taught.tag(texts), strict=True))
    ]
    assert spans(documents[0]) == [[0, 12, "PER"], [21, 26, "LOC"]] and not documents[0].is_gold
    assert [document.id for document in of_texts(taught, texts, ids=["a", 7])] == ["a", "7"]
    assert of_texts(taught, []) == []
    with pytest.raises(InputError, match=r"texts\[1\] is"):
        of_texts(taught, ["Anna left.", None])


def test_their_sentences_are_cut_as_the_student_cuts_them(make_student):
    student = make_student()
    student.language = "de"
    (document,) = of_texts(student, ["Es war am 3. Oktober in Bonn. Es regnete."])
    assert len(document.sentences) == 2


def test_sentences_of_a_hugging_face_dataset_have_ids_of_their_own(taught, tmp_path):
    path = write("hf", of_texts(taught, ["Anna left.\n\nTom left Rome.", "It rained."]), tmp_path / "sentences")
    assert pq.read_table(path)["id"].to_pylist() == ["0:0", "0:1", "1:0"]


@pytest.mark.parametrize("name", ["prodigy", "doccano", "conll", "docbin"])
def test_a_labeled_set_comes_back_as_it_was(name, toy, tmp_path):
    if name == "docbin":
        pytest.importorskip("spacy")
    path = write(name, of_labeled(toy), tmp_path / "set")
    again = read_labeled(str(path))
    assert [(s.text, s.tags) for s in again] == [(s.text, s.tags) for s in toy]


ODD_NAMES = [
    *UNLIKE_THEIR_WORDS,
    "New\tYork",
    "New\nYork",
    "Rio\r\n",
    " Rio",
    "Rio de\u00a0Janeiro",
    "\ufeffRio",
    "#Rio",
    "# text = a",
    "#text =",
    '"Rio"',
    '\\"Rio\\n',
    "Rio\u2028",
    "Rio\x1c",
]
ODD_WORDS = [
    *ODD_NAMES,
    "#",
    "\t",
    "\n",
    "\u00a0",
    "\ufeff",
    "\u00ad",
    "\x07",
    "''",
    "=",
    "<?xml",
    "[",
    "{",
    '{"a":',
    ",",
]


def seen(sentences):
    """Give the words and labels of sentences as models see them, whatever the sentences."""
    return [pair for sentence in sentences for pair in zip(*sentence.words(), strict=True)]


@pytest.mark.parametrize("name", ["prodigy", "doccano", "label-studio", "conll", "docbin"])
@given(
    st.lists(
        st.lists(
            st.sampled_from([*((word, "O") for word in ODD_WORDS), *((n, "B-PER") for n in ODD_NAMES)]), min_size=1
        ),
        min_size=1,
    )
)
def test_words_of_any_characters_come_back(name, tmp_path_factory, sentences):
    if name == "docbin":
        pytest.importorskip("spacy")
    folder = tmp_path_factory.mktemp("odd")
    sentences = [*sentences, [("left", "O"), ("Rio", "B-PER"), (".", "O")]]
    records = [{"tokens": [w for w, _ in rows], "ner_tags": [tag for _, tag in rows]} for rows in sentences]
    put_lines(folder / "set.jsonl", map(json.dumps, records))
    given_set = read_labeled(str(folder / "set.jsonl"))
    again = read_labeled(str(write(name, of_labeled(given_set), folder / "again")))
    assert seen(again) == seen(given_set)


def test_columns_have_no_word_that_reads_as_something_else(tmp_path):
    rows = [(["-DOCSTART-"], ["O"]), (["# text = a", "Rio\tde", "\ufeff"], ["B-LOC", "I-LOC", "O"])]
    sentences = [LabeledSentence.of_gold_words(str(n), n, *columns) for n, columns in enumerate(rows)]
    path = write("conll", of_labeled(sentences), tmp_path / "set")
    assert path.read_text().endswith("#\u00a0text\u00a0=\u00a0a\tB-LOC\nRio\u00a0de\tI-LOC\n\u2060\tO\n\n")
    assert entities_read(path) == [("#\u00a0text\u00a0=\u00a0a Rio\u00a0de", "LOC")]
    for words, tags in ((["-DOCSTART-"], ["B-LOC"]), (["x", "-DOCSTART-1"], ["O", "O"])):
        documents = of_labeled([LabeledSentence.of_gold_words("set:7", 0, words, tags)])
        with pytest.raises(InputError, match=rf"document set:7: the word '{words[-1]}' would open.*doccano"):
            FORMATS["conll"].write(documents, LABELS)


@pytest.mark.parametrize("name", ["prodigy", "doccano", "docbin"])
def test_halves_of_surrogate_pairs_take_one_place(name, tmp_path):
    if name == "docbin":
        pytest.importorskip("spacy")
    path = write(name, [of_parts("It \ud83d was Anna\udca9.", "Anna")], tmp_path / "set")
    assert entities_read(path) == [("Anna", "PER")]


def test_people_are_not_said_to_have_scores(toy):
    documents = of_labeled(toy[:2])
    prodigy = json.loads(FORMATS["prodigy"].write(documents, LABELS).splitlines()[0])
    assert prodigy["answer"] == "accept" and all("score" not in span for span in prodigy["spans"])
    (task, _) = json.loads(FORMATS["label-studio"].write(documents, LABELS))
    assert "predictions" not in task and all("score" not in r for r in task["annotations"][0]["result"])


def test_pseudo_labels_are_the_teachers_with_their_confidence(teacher, logits_folder, toy_texts, labels):
    run = RunDirectory.finished_at(logits_folder)
    texts = [f"{a}\n{b}" for a, b in zip(toy_texts[::2], toy_texts[1::2], strict=True)]
    (table, *_) = run.tables(schema=LOGITS)
    corpus = pa.table([table["id"], [*texts[:10], None]], schema=CORPUS)
    annotated = of_logits(corpus, table, labels, 1)
    assert [document.text for document in annotated] == texts[:10]
    for document, words, logits in zip(
        annotated, table["words"].to_pylist(), table["logits"].to_pylist(), strict=False
    ):
        sentences = [sentence.words for sentence in split(document.text)]
        assert [*chain(*sentences)] == words
        tags = [tag for sentence in tagged_sentences(document) for tag in sentence.tags]
        assert tags == [*chain(*teacher.tags(sentences))]
        scores = [score for sentence in tagged_sentences(document) for score in sentence.scores]
        likely = np.exp(np.array(logits, np.float32).reshape(len(words), -1))
        likely = (likely / likely.sum(axis=1, keepdims=True)).max(axis=1)
        singles = [i for i, tag in enumerate(tags) if tag[0] == "B" and tags[i + 1 : i + 2] != [f"I-{tag[2:]}"]]
        assert [scores[i] for i in singles] == pytest.approx([likely[i] for i in singles], abs=2e-3)


def test_logits_of_other_texts_are_refused(logits_folder, labels):
    (table, *_) = RunDirectory.finished_at(logits_folder).tables(schema=LOGITS)
    corpus = pa.table([table["id"], ["Other words."] * table.num_rows], schema=CORPUS)
    with pytest.raises(InputError, match="document 0: its words are not those that were scored"):
        of_logits(corpus, table, labels, 1)


def test_entities_of_another_text_are_refused():
    corpus = pa.table([["a"], ["Tom met Anna."]], schema=CORPUS)
    row = {"id": "a", "entities": [entity("Anna left.", "Anna", "PER", 1.0)], "words": 2, "error": None}
    with pytest.raises(InputError, match="document a: its text is not the one in which its entities were found"):
        of_entities(corpus, pa.Table.from_pylist([row], schema=ENTITIES))


def test_documents_without_a_word_are_no_rows(taught, tmp_path):
    for number, text in enumerate(["\u200b", "Ada left."]):
        content = FORMATS["hf"].write(of_texts(taught, [text]), taught.labels)
        (tmp_path / f"part-{number}.parquet").write_bytes(content)
    assert len(datasets.load_dataset(str(tmp_path), split="train", cache_dir=str(tmp_path / "cache"))) == 1


def test_metadata_of_any_names_are_kept():
    document = Annotated("d", "Ada left.", [], metadata={"label": 1, "label_": 2, "answer": "reject"})
    (line,) = FORMATS["doccano"].write([document], ["O"]).splitlines()
    record = json.loads(line)
    assert (record["label_"], record["label__"], record["answer_"]) == (1, 2, "reject") and record["label"] == []
