from __future__ import annotations

import json
import os
import pickle
import time

import pytest
from files import TEXTS, put, put_json, put_lines, put_parquet, rows

from kdner.data.corpus import (
    MIN_SHARDS,
    SHARD_TEXT_BYTES,
    check_unchanged,
    default_shard_documents,
    draw_documents,
    plan_corpus,
    read_shard,
)
from kdner.data.corpus_files import SourceFile
from kdner.data.corpus_slices import SliceReader
from kdner.errors import InputError


def test_shards_have_fixed_sizes_names_and_span_files(tmp_path):
    for name, count in [("a.txt", 5), ("b.txt.gz", 0), ("c.txt.gz", 1), ("d.txt", 4)]:
        put_lines(tmp_path / name, [f"{name} {i}" for i in range(count)])
    corpus = plan_corpus([str(tmp_path)], shard_documents=4)
    assert [(shard.name, shard.documents) for shard in corpus.shards] == [
        ("part-00000.parquet", 4),
        ("part-00001.parquet", 4),
        ("part-00002.parquet", 2),
    ]
    assert [piece.file.name for piece in corpus.shards[1].slices] == ["a.txt", "c.txt.gz", "d.txt"]
    assert [text for _, text in rows(corpus)] == [
        f"{n} {i}" for n, c in [("a.txt", 5), ("c.txt.gz", 1), ("d.txt", 4)] for i in range(c)
    ]
    assert read_shard(corpus, corpus.shards[1])["id"].to_pylist() == [
        "a.txt:4",
        "c.txt.gz:0",
        "d.txt:0",
        "d.txt:1",
    ]


def test_the_plan_is_a_function_of_the_files(tmp_path):
    paths = [put_lines(tmp_path / name, TEXTS) for name in ("b.txt", "a.txt", "sub/c.txt")]
    corpus = plan_corpus(paths, shard_documents=2)
    again = plan_corpus([str(tmp_path), paths[0], f"file://{tmp_path}/a.txt"], shard_documents=2)
    assert again == corpus and hash(again) == hash(corpus)
    assert pickle.loads(pickle.dumps(corpus)) == corpus
    assert json.loads(json.dumps(corpus.fingerprint())) == corpus.fingerprint() == again.fingerprint()
    assert plan_corpus(paths, shard_documents=3).fingerprint() != corpus.fingerprint()
    os.utime(paths[1], ns=(1, 1))
    assert plan_corpus(paths, shard_documents=2).fingerprint() != corpus.fingerprint()


@pytest.mark.parametrize("name", ["a.parquet", "a.parquet.gz", "a.jsonl", "a.jsonl.gz", "a.txt", "a.txt.gz"])
def test_bytes_of_text_are_counted_before_compression(tmp_path, name):
    texts = [f"{i:05} words " * 80 for i in range(100)]
    if "parquet" in name:
        source = put_parquet(tmp_path / name, {"nested": [{"text": "x"}] * 100, "text": texts}, row_group_size=30)
    else:
        source = put_lines(tmp_path / name, [json.dumps({"text": t}) for t in texts] if "json" in name else texts)
    (file,) = plan_corpus([source]).files
    assert file.text_bytes == pytest.approx(96_000, rel=0.1)


def test_a_shard_holds_the_same_text_whatever_the_length_of_documents():
    def by_default(documents, text_bytes):
        files = [SourceFile(f"{i}.txt", f"{i}.txt", 0, 0, documents // 2, text_bytes // 2) for i in range(2)]
        return default_shard_documents(files)

    assert by_default(10**7, 10**12) == SHARD_TEXT_BYTES // 10**5
    assert by_default(10**9, 10**11) == SHARD_TEXT_BYTES // 100
    assert by_default(1000, 10**10) == 1  # each document longer than a shard


def test_a_small_corpus_gives_shards_for_many_actors(tmp_path):
    for count, documents in [(1, 1), (MIN_SHARDS - 1, 1), (10 * MIN_SHARDS, 10), (10 * MIN_SHARDS + 5, 10)]:
        source = put_lines(tmp_path / f"{count}.txt", ["some words"] * count)
        corpus = plan_corpus([source])
        assert corpus.shards[0].documents == documents and corpus.documents == count
        assert corpus.fingerprint()["shard_documents"] == documents
        assert corpus == plan_corpus([source], shard_documents=documents)
    assert plan_corpus([put_lines(tmp_path / "blank.txt", [""] * MIN_SHARDS)]).shard_documents == 1


def test_no_inputs_no_documents_unknown_suffix_and_shard_size(tmp_path):
    with pytest.raises(InputError, match=r"no corpus is given"):
        plan_corpus([], shard_documents=1)
    with pytest.raises(InputError, match=r"no documents in .*empty.txt"):
        plan_corpus([put(tmp_path / "empty.txt", "")], shard_documents=1)
    with pytest.raises(InputError, match=r"a.csv: unknown format.*\.jsonl"):
        plan_corpus([put(tmp_path / "a.csv", "x")], shard_documents=1)
    with pytest.raises(InputError, match=r"--shard-documents is 0"):
        plan_corpus([str(tmp_path)], shard_documents=0)


@pytest.mark.parametrize("change", ["grow", "touch", "delete"])
def test_a_file_that_changed_is_refused(tmp_path, change):
    path = tmp_path / "a.txt"
    corpus = plan_corpus([put_lines(path, TEXTS)], shard_documents=2)
    check_unchanged(corpus.files[0])
    if change == "delete":
        path.unlink()
    elif change == "grow":
        put_lines(path, [*TEXTS, "more"])
    else:
        os.utime(path, ns=(5, 5))
    with pytest.raises(InputError, match=r"a\.txt: (changed since the job began|no such file)"):
        read_shard(corpus, corpus.shards[1])


@pytest.mark.parametrize("again", ["the same words", "other words, and more of them"])
def test_a_file_that_changes_while_it_is_read_is_refused(tmp_path, again):
    path = tmp_path / "a.txt"
    corpus = plan_corpus([put_lines(path, ["the same words"] * 4)], shard_documents=2)

    class ReadAndChange(SliceReader):
        def read(self, piece):
            table = super().read(piece)
            time.sleep(0.02)  # file systems tell times apart by some milliseconds
            put_lines(path, [again] * 4)
            return table

    assert read_shard(corpus, corpus.shards[1]).num_rows == 2
    with pytest.raises(InputError, match=r"a\.txt: changed since the job began.*restore it"):
        read_shard(corpus, corpus.shards[1], ReadAndChange("text"))


def test_draw_documents_reaches_its_budget_and_repeats(tmp_path):
    source = put_json(tmp_path / "a.jsonl", [{"text": None if i % 10 == 3 else f"word {i}"} for i in range(100)])
    corpus = plan_corpus([source], shard_documents=7)

    def drawn(words, seed):
        return [row for table in draw_documents(corpus, words, seed) for row in table.to_pylist()]

    chosen = drawn(31, 1)
    assert sum(len((row["text"] or "").split()) for row in chosen) == 32
    assert chosen == drawn(31, 1) != drawn(31, 2)
    assert chosen[-1]["text"] is not None
    assert len({row["id"] for row in chosen}) == len(chosen)
    assert drawn(200, 1)[:16] == chosen[:16]
    assert len(drawn(10_000, 1)) == 100
    assert [row["id"] for row in drawn(0, 1)] == [f"a.jsonl:{i}" for i in range(100)]


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "documents", "words"),
    [
        ("reuters_c50.parquet", 4_986, 2.52),
        ("reuters_21578.jsonl.gz", 21_577, 2.75),
        ("ag_news.txt.gz", 50_544, 1.86),
        ("wikipedia", 34_185, 8.6),
        ("", 111_292, 15.73),
    ],
)
def test_the_real_corpora(data_folder, name, documents, words):
    corpus = plan_corpus([str(data_folder / "unlabeled" / name)], shard_documents=20_000)
    tables = [table.to_pydict() for table in draw_documents(corpus, 0, 0)]
    assert corpus.documents == sum(len(table["id"]) for table in tables) == documents
    assert len({id_ for table in tables for id_ in table["id"]}) == documents
    assert sum(len(text.split()) for table in tables for text in table["text"]) / 1e6 == pytest.approx(words, abs=0.05)
