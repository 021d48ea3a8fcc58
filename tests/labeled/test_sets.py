from __future__ import annotations

import os
import shutil
from collections import Counter

import datasets
import pytest
from files import document, entity_texts, jsonl

from kdner.errors import InputError
from kdner.integrations.annotated import of_labeled
from kdner.integrations.formats import FORMATS
from kdner.labeled.sets import check_labels, draw, labels_in, read_labeled, source_fingerprint
from kdner.labels.tags import entities_of


def test_missing_files_and_folders_are_named(tmp_path):
    with pytest.raises(InputError, match=r"nowhere\.conll: no such file"):
        read_labeled(str(tmp_path / "nowhere.conll"))
    with pytest.raises(InputError, match="is a folder"):
        read_labeled(str(tmp_path))


@pytest.mark.parametrize("name", ["my set.jsonl", "set.spacy"])
def test_the_home_folder_and_files_as_uris(toy, tmp_path, monkeypatch, name):
    if name.endswith(".spacy"):
        pytest.importorskip("spacy")
    path = tmp_path / name
    path.write_bytes(FORMATS["docbin" if name.endswith(".spacy") else "doccano"].write(of_labeled(toy), []))
    monkeypatch.setenv("HOME", str(tmp_path))
    for source in (f"~/{name}", path.as_uri()):
        assert read_labeled(source) == read_labeled(str(path))
        assert source_fingerprint(source) == source_fingerprint(str(path))


@pytest.mark.parametrize(
    "source", ["s3://key:secret@bucket/set.conll", "gs://bucket/set.spacy", "hf://datasets/a/b.jsonl"]
)
def test_a_set_in_other_storage_is_to_be_copied(source):
    for use in (read_labeled, source_fingerprint):
        with pytest.raises(InputError, match=r"labeled sets are read from local files.* Copy the file") as error:
            use(source)
        assert "secret" not in str(error.value)


def test_a_folder_of_nobody_is_no_traceback():
    with pytest.raises(InputError, match=r"~nobody-here/set\.conll: no such file"):
        read_labeled("~nobody-here/set.conll")


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
    with pytest.raises(InputError, match=r"no split 'dev', only train, test"):
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
    before = source_fingerprint(f"hf:{folder}")
    moved = tmp_path / "elsewhere" / "news"
    shutil.copytree(folder, moved)
    os.utime(moved / "train.jsonl", (0, 0))
    assert source_fingerprint(f"hf:{folder}") == source_fingerprint(f"hf:{moved}") == before
    assert source_fingerprint(f"hf:{moved}:test") != before
    (folder / "train.jsonl").write_text(jsonl({"tokens": ["Bo", "slept"], "tags": ["B-PER", "O"]}))
    assert source_fingerprint(f"hf:{folder}") != before


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
    with pytest.raises(InputError, match=r'row 0: expected .*with "tokens" and "ner_tags". This one has words'):
        read_labeled(f"hf:{tmp_path}/news")
    with pytest.raises(InputError, match="hf:no such name: the dataset cannot be loaded"):
        read_labeled("hf:no such name")
    with pytest.raises(InputError, match="names no dataset"):
        read_labeled("hf:")


def test_a_label_that_training_never_saw_is_named(write):
    train = read_labeled(write("train.conll", "Anna B-PER\n"))
    test = read_labeled(write("test.conll", "Anna I-PER\nLee I-PER\n\nParis B-LOC\n"))
    check_labels(test[:1], labels_in(train), "test.conll")
    with pytest.raises(InputError) as caught:
        check_labels(test, labels_in(train), "test.conll")
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


def test_parquet_that_another_tool_reads_is_a_labeled_set_too(write, tmp_path):
    text = "-DOCSTART- O\n\nAda B-PER\nleft O\n\nBob B-PER\n\n-DOCSTART- O\n\nRome B-LOC\n"
    sentences = read_labeled(write("set.conll", text))
    path = tmp_path / "set.parquet"
    path.write_bytes(FORMATS["hf"].write(of_labeled(sentences), labels_in(sentences)))
    again = read_labeled(str(path))
    assert [sentence.tags for sentence in again] == [sentence.tags for sentence in sentences]
    assert [sentence.document for sentence in again] == [0, 0, 1]
    with pytest.raises(InputError, match=r"none\.parquet: cannot be read as Parquet"):
        read_labeled(str(tmp_path / "none.parquet"))
