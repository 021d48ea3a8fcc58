from __future__ import annotations

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from files import put, put_json, put_parquet, rows

from kdner.corpora.plan import plan_corpus
from kdner.data.hub_datasets import _candidates, is_dataset, load
from kdner.errors import InputError


@pytest.mark.parametrize("splits", [None, "train", "dev"])
def test_a_saved_dataset_is_staged_once(tmp_path, splits):
    dataset = datasets.Dataset.from_dict({"id": [1, 2, 3], "text": ["a", "b", None], "tokens": [["x"]] * 3})
    if splits is not None:
        dataset = datasets.DatasetDict({splits: dataset, "other": dataset})
    dataset.save_to_disk(str(tmp_path / "saved"))
    source = f"hf:{tmp_path}/saved" + (":dev" if splits == "dev" else "")
    corpus = plan_corpus([source], shard_documents=2, staging=str(tmp_path / "staging"))
    assert rows(corpus) == [("1", "a"), ("2", "b"), ("3", None)]
    assert plan_corpus([source], shard_documents=2, staging=str(tmp_path / "staging")) == corpus
    assert len([path for path in (tmp_path / "staging").rglob("*") if path.is_file()]) == 1


def test_datasets_that_cannot_be_had(tmp_path):
    datasets.DatasetDict({"dev": datasets.Dataset.from_dict({"body": ["x"]})}).save_to_disk(str(tmp_path / "saved"))
    source = f"hf:{tmp_path}/saved"
    with pytest.raises(InputError, match=r"no folder is given"):
        plan_corpus([source], shard_documents=2)
    with pytest.raises(InputError, match=r"no split 'train', only dev; name one as hf:"):
        plan_corpus([source], shard_documents=2, staging=str(tmp_path / "staging"))
    with pytest.raises(InputError, match=r"no column 'text', only body; name one with --text-column"):
        plan_corpus([f"{source}:dev"], shard_documents=2, staging=str(tmp_path / "staging"))


def test_splits_by_name_and_a_set_saved_without_one(tmp_path):
    one, two = (datasets.Dataset.from_dict({"text": [text]}) for text in "ab")
    datasets.DatasetDict(train=one, dev=two).save_to_disk(str(tmp_path / "splits"))
    one.save_to_disk(str(tmp_path / "plain"))
    assert load(f"hf:{tmp_path}/splits")["text"][:] == ["a"]
    assert load(f"hf:{tmp_path}/splits:dev")["text"][:] == ["b"]
    assert load(f"hf:{tmp_path}/plain")["text"][:] == load(f"hf:{tmp_path}/plain:train")["text"][:] == ["a"]
    with pytest.raises(InputError, match=r"no split 'dev', only train"):
        load(f"hf:{tmp_path}/plain:dev")
    with pytest.raises(InputError, match=r"no split 'test', only train, dev; name one as hf:.*splits:SPLIT"):
        load(f"hf:{tmp_path}/splits:test")


def test_names_that_are_none(tmp_path):
    with pytest.raises(InputError, match="names no dataset"):
        load("hf:")
    with pytest.raises(InputError, match=r"cannot be loaded .*save_to_disk\(FOLDER\)"):
        load("hf:no such name")


CARD = """---
configs:
- config_name: en
  data_files: en/train.jsonl
- config_name: 'de'
  data_files: de/*.jsonl
---
"""


@pytest.fixture
def configurations(tmp_path):
    put(tmp_path / "sets/README.md", CARD)
    put_json(tmp_path / "sets/en/train.jsonl", [{"text": "Mira moved to Oslo."}])
    put_json(tmp_path / "sets/de/train.jsonl", [{"text": "Mira zog nach Oslo."}])
    return f"{tmp_path}/sets"


def test_a_configuration_follows_the_name(configurations, tmp_path):
    for name, text in {"en": "Mira moved to Oslo.", "de": "Mira zog nach Oslo."}.items():
        for source in (f"hf:{configurations}/{name}", f"hf:{configurations}/{name}:train"):
            assert load(source)["text"][:] == [text]
            corpus = plan_corpus([source], staging=str(tmp_path / "staging"))
            assert rows(corpus) == [(f"{name}-train.parquet:0", text)]


def test_a_configuration_that_is_needed_or_unknown_is_named(configurations):
    with pytest.raises(InputError, match=r"has the configurations en, de; name one, as in hf:.*/sets/en$"):
        load(f"hf:{configurations}")
    with pytest.raises(InputError, match=r"has no configuration 'fr', only en, de; name one, as in hf:.*/sets/en$"):
        load(f"hf:{configurations}/fr")
    with pytest.raises(InputError, match=r"has no configuration 'xx', only default"):
        load(f"hf:{configurations}/en/xx")


def test_the_card_says_what_a_configuration_holds_not_the_folder_of_its_name(tmp_path):
    put(tmp_path / "sets/README.md", "---\nconfigs:\n- config_name: en\n  data_files: other.jsonl\n---\n")
    put_json(tmp_path / "sets/en/train.jsonl", [{"text": "of the folder"}])
    put_json(tmp_path / "sets/other.jsonl", [{"text": "of the configuration"}])
    assert load(f"hf:{tmp_path}/sets/en")["text"][:] == ["of the configuration"]


@pytest.mark.parametrize(
    ("path", "candidates"),
    [
        ("squad", [("squad", None)]),
        ("org/news", [("org/news", None), ("org", "news")]),
        ("org/news/en", [("org/news", "en")]),
        ("nowhere/at/all/en", [("nowhere/at/all/en", None)]),
    ],
)
def test_names_of_the_hub(path, candidates):
    assert _candidates(path) == candidates


def test_parquet_behind_a_dataset_is_copied_not_loaded(tmp_path, monkeypatch):
    put_parquet(tmp_path / "set/data/train-0.parquet", {"id": [1.0, 2.0], "text": ["a", "b"], "other": [[1], []]})
    put_parquet(tmp_path / "set/data/train-1.parquet", {"id": [3], "text": pa.array(["c"], pa.large_string())})
    put_parquet(tmp_path / "set/data/train-2.parquet", {"id": pa.nulls(0), "text": pa.nulls(0)})
    put_parquet(tmp_path / "set/data/validation-0.parquet", {"id": [9], "text": ["d"]})
    monkeypatch.setattr("datasets.load_dataset", None)
    monkeypatch.setattr("kdner.corpora.parquet.BYTES_GATHERED", 1)
    corpus = plan_corpus([f"hf:{tmp_path}/set"], staging=str(tmp_path / "staging"), shard_documents=2)
    assert rows(corpus) == [("1", "a"), ("2", "b"), ("3", "c")]
    (file,) = corpus.files
    assert pq.read_metadata(file.path).num_row_groups == 2 and pq.read_schema(file.path).names == ["text", "id"]
    with pytest.raises(InputError, match=r"has no split 'test', only train, validation; name one as hf:"):
        plan_corpus([f"hf:{tmp_path}/set:test"], staging=str(tmp_path / "staging"))


def test_a_part_of_a_split(tmp_path):
    put_parquet(tmp_path / "set/train-0.parquet", {"id": [1, 2, 3], "doc": [{"text": word} for word in "abc"]})
    corpus = plan_corpus(
        [f"hf:{tmp_path}/set:train[1:]"], text_column="doc.text", staging=str(tmp_path / "staging"), shard_documents=2
    )
    assert rows(corpus) == [("2", "b"), ("3", "c")]


def test_files_behind_a_dataset_that_do_not_fit(tmp_path):
    put_parquet(tmp_path / "set/train-0.parquet", {"id": [1], "text": ["a"]})
    put_parquet(tmp_path / "set/train-1.parquet", {"text": ["a"]})
    with pytest.raises(InputError, match=r"only some of its files have a column 'id'"):
        plan_corpus([f"hf:{tmp_path}/set"], staging=str(tmp_path / "staging"))
    with pytest.raises(
        InputError, match=r"train-0.parquet: no column 'body', only id, text; name one with --text-column"
    ):
        plan_corpus([f"hf:{tmp_path}/set"], text_column="body", staging=str(tmp_path / "staging"))


def test_the_hub_s_file_system_is_none_of_its_datasets():
    assert is_dataset("hf:org/news") and not is_dataset("hf://datasets/org/news/train.parquet")
