from __future__ import annotations

import pytest
from files import put_lines, put_parquet

from kdner.corpora.plan import plan_corpus
from kdner.distillation.transfer_corpus import transfer_corpus, transfer_documents
from kdner.errors import InputError
from kdner.labeled.sets import read_labeled


@pytest.fixture
def plan(tmp_path):
    texts = [f"A long document number {k}. " * 20 for k in range(40)]
    return plan_corpus([put_parquet(tmp_path / "a.parquet", {"id": [f"d{k}" for k in range(40)], "text": texts})])


def test_sentences_and_documents_are_mixed_and_all_there_once(toy, plan):
    table = transfer_corpus(toy, plan, words=0, seed=1)
    ids = table["id"].to_pylist()
    assert sorted(ids) == sorted([*(f"labeled:{sentence.id}" for sentence in toy), *(f"d{k}" for k in range(40))])
    texts = dict(zip(ids, table["text"].to_pylist(), strict=True))
    assert all(texts[f"labeled:{sentence.id}"] == sentence.text for sentence in toy)
    quarters = [sum(id_.startswith("d") for id_ in ids[first : first + 22]) for first in range(0, 88, 22)]
    assert all(5 <= documents <= 16 for documents in quarters)  # 10 of 22, if they are evenly mixed


def test_the_seed_decides_the_order_and_the_draw(toy, plan):
    first, again, other = (transfer_corpus(toy, plan, words=500, seed=seed) for seed in (1, 1, 2))
    assert first.equals(again) and not first.equals(other)
    sentences, drawn = transfer_documents(toy, plan, words=500, seed=1)
    assert sentences["id"].to_pylist() == [f"labeled:{sentence.id}" for sentence in toy]
    assert set(first["id"].to_pylist()) == {*sentences["id"].to_pylist(), *drawn["id"].to_pylist()}


def test_either_part_may_be_empty(toy, plan):
    assert transfer_corpus(toy, None, words=0, seed=1).num_rows == len(toy)
    assert transfer_corpus([], plan, words=0, seed=1).num_rows == 40


def test_a_labeled_set_and_a_corpus_may_have_one_name(tmp_path):
    put_lines(tmp_path / "labeled/train.txt", ["Ada B-PER", "left O", ""] * 3)
    sentences = read_labeled(str(tmp_path / "labeled/train.txt"))
    plan = plan_corpus([put_lines(tmp_path / "raw/train.txt", ["Rain fell."] * 5)])
    ids = transfer_corpus(sentences, plan, words=0, seed=1)["id"].to_pylist()
    assert len(set(ids)) == len(ids) == 8
    assert sorted(ids)[0] == "labeled:train.txt:1" and sorted(ids)[-1] == "train.txt:4"


def test_a_document_with_the_id_of_a_sentence_is_refused_before_it_is_scored(tmp_path, toy):
    id_ = f"labeled:{toy[0].id}"
    plan = plan_corpus([put_parquet(tmp_path / "a.parquet", {"id": [id_], "text": ["Rain fell."]})])
    with pytest.raises(InputError, match=f"a document has the id '{id_}', which a sentence of the labeled set gets"):
        transfer_corpus(toy, plan, words=0, seed=1)
