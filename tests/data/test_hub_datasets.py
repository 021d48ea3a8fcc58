from __future__ import annotations

import datasets
import pytest
from files import rows

from kdner.data.corpus import plan_corpus
from kdner.data.hub_datasets import load
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
    assert load(f"hf:{tmp_path}/plain")["text"][:] == load(f"hf:{tmp_path}/plain:dev")["text"][:] == ["a"]
    with pytest.raises(InputError, match=r"no split 'test', only train, dev; name one as hf:.*splits:SPLIT"):
        load(f"hf:{tmp_path}/splits:test")


def test_names_that_are_none(tmp_path):
    with pytest.raises(InputError, match="names no dataset"):
        load("hf:")
    with pytest.raises(InputError, match=r"cannot be loaded .*save_to_disk\(FOLDER\)"):
        load("hf:no such name")
