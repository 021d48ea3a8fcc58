from __future__ import annotations

import itertools
import json
import os
import pickle
import shutil
import tempfile
import time
from pathlib import Path
from unittest.mock import patch

import pyarrow as pa
import pytest
from files import TEXTS, put, put_lines, put_parquet, rows
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from kdner.corpora.corpus_listing import MIN_SHARDS
from kdner.corpora.draws import draw_documents
from kdner.corpora.plan import (
    MAX_SHARDS,
    MIN_SHARD_TEXT_BYTES,
    SHARD_TEXT_BYTES,
    check_unchanged,
    default_shard_text_bytes,
    plan_corpus,
    read_shard,
)
from kdner.corpora.slices import SliceReader
from kdner.errors import InputError

FORMATS = ["parquet", "parquet.gz", "jsonl", "jsonl.gz", "txt", "txt.gz"]


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
    again = plan_corpus(paths, shard_documents=2)
    assert again.fingerprint() != corpus.fingerprint() and again.content_fingerprint() == corpus.content_fingerprint()


@pytest.mark.parametrize("named", [2, 3])
def test_what_a_corpus_holds_is_known_by_it_wherever_it_lies(tmp_path, monkeypatch, named):
    monkeypatch.setattr("kdner.corpora.corpus_listing.MAX_FILES_NAMED", named)
    put_lines(tmp_path / "here" / "a.txt", TEXTS)
    put_lines(tmp_path / "here" / "b.txt.gz", TEXTS)
    put_parquet(tmp_path / "here" / "c.parquet", {"text": TEXTS})
    shutil.copytree(tmp_path / "here", tmp_path / "there")
    os.utime(tmp_path / "there" / "c.parquet", (0, 0))

    def known_by(folder):
        return plan_corpus([str(path) for path in (tmp_path / folder).iterdir()]).content_fingerprint()

    assert known_by("here") == known_by("there")
    put_lines(tmp_path / "there" / "b.txt.gz", [*TEXTS[1:], TEXTS[0]])
    assert known_by("here") != known_by("there")


@pytest.mark.parametrize("name", ["a.parquet", "a.parquet.gz", "a.jsonl", "a.jsonl.gz", "a.txt", "a.txt.gz"])
def test_bytes_of_text_are_counted_before_compression(tmp_path, name):
    texts = [f"{i:05} words " * 80 for i in range(100)]
    if "parquet" in name:
        source = put_parquet(tmp_path / name, {"nested": [{"text": "x"}] * 100, "text": texts}, row_group_size=30)
    else:
        source = put_lines(tmp_path / name, [json.dumps({"text": t}) for t in texts] if "json" in name else texts)
    (file,) = plan_corpus([source]).files
    assert file.text_bytes == pytest.approx(96_000, rel=0.1)


def put_texts(folder, name, texts, row_group_size=1000):
    """Write a corpus file of any of the formats."""
    if "parquet" in name:
        return put_parquet(folder / name, {"text": pa.array(texts, pa.string())}, row_group_size=row_group_size)
    return put_lines(folder / name, [json.dumps({"text": text}) for text in texts] if "json" in name else texts)


def characters(corpus):
    """Count the characters of each shard."""
    reader = SliceReader("text")
    return [sum(map(len, read_shard(corpus, shard, reader)["text"].to_pylist())) for shard in corpus.shards]


def test_a_shard_holds_3_mb_or_less_so_that_there_are_some_but_never_tiny_ones():
    def shards(corpus_bytes, **options):
        return -(-corpus_bytes // default_shard_text_bytes(corpus_bytes, **options))

    assert default_shard_text_bytes(10**11) == pytest.approx(SHARD_TEXT_BYTES, rel=0.01)
    assert shards(10**12) == shards(10**14) == MAX_SHARDS
    assert shards(10**8) == shards(MIN_SHARDS * MIN_SHARD_TEXT_BYTES) == MIN_SHARDS
    assert shards(10**8, min_shards=16) == 34 and shards(10**7, min_shards=16) == 16
    assert shards(3 * MIN_SHARD_TEXT_BYTES) == 3 and shards(2 * MIN_SHARD_TEXT_BYTES - 1) == shards(1) == 1


@pytest.mark.parametrize("name", FORMATS)
def test_twenty_texts_make_one_file(tmp_path, name):
    corpus = plan_corpus([put_texts(tmp_path, f"a.{name}", ["some words"] * 20)])
    assert [(shard.name, shard.documents) for shard in corpus.shards] == [("part-00000.parquet", 20)]


@pytest.mark.parametrize("name", FORMATS)
def test_shards_are_alike_in_text_where_sentences_come_first_and_documents_last(tmp_path, name):
    texts = ["A sentence of news."] * 14_000 + ["A sentence of news. " * 200] * 400
    corpus = plan_corpus([put_texts(tmp_path, f"a.{name}", texts, row_group_size=100_000)])
    sizes = characters(corpus)
    assert len(sizes) > 20 and max(sizes) < 1.2 * sorted(sizes)[len(sizes) // 2]
    assert max(sizes) <= corpus.shard_text_bytes + 4_000


def test_of_parquet_with_more_text_than_is_read_the_row_groups_tell_the_text(tmp_path, monkeypatch):
    texts = ["A sentence."] * 12_000 + [f"{k} A sentence. " * 200 for k in range(300)]
    source = put_texts(tmp_path, "a.parquet", texts, row_group_size=100)
    exact = plan_corpus([source])
    monkeypatch.setattr("kdner.corpora.plan.MEASURED_TEXT_BYTES", 0)
    corpus = plan_corpus([source])
    assert [text for _, text in rows(corpus)] == texts
    sizes = characters(corpus)[-10:]
    assert max(sizes) < 1.3 * min(sizes[:-1]) and corpus.shards != exact.shards
    assert sum(shard.text_bytes for shard in corpus.shards) == corpus.files[0].text_bytes


@pytest.mark.parametrize("name", ["txt", "txt.gz", "jsonl"])
def test_a_larger_corpus_is_cut_at_places_that_are_not_all_known(tmp_path, monkeypatch, name):
    texts = [f"{k} " + "word " * (k % 50) for k in range(3_000)]
    source = put_texts(tmp_path, f"a.{name}", texts)
    exact = plan_corpus([source], shard_documents=70)
    monkeypatch.setattr("kdner.corpora.plan.MEASURED_TEXT_BYTES", 0)
    monkeypatch.setattr("kdner.corpora.plan.MIN_SHARD_TEXT_BYTES", 5_000)
    by_documents, by_text = plan_corpus([source], shard_documents=70), plan_corpus([source], min_shards=12)
    assert [text for _, text in rows(by_text)] == [text for _, text in rows(by_documents)] == texts
    assert [shard.documents for shard in by_documents.shards] == [shard.documents for shard in exact.shards]
    assert any(piece.passed for shard in by_text.shards for piece in shard.slices) == (not name.endswith("gz"))
    sizes = characters(by_text)
    assert len(sizes) == 12 and max(sizes) < 1.4 * min(sizes[:-1])


CORPORA = st.lists(
    st.tuples(
        st.sampled_from(FORMATS),
        st.lists(st.integers(0, 40), max_size=60),
        st.lists(st.integers(500, 4_000), max_size=4),
    ),
    min_size=1,
    max_size=4,
)
"""Files by their format, the lengths of the sentences that come first, and of the documents that come last."""


@settings(max_examples=60)
@given(files=CORPORA, least=st.integers(1, 400), most=st.integers(400, 5_000), min_shards=st.integers(1, 40))
def test_no_shard_holds_more_than_its_part_of_the_text_and_its_longest_document(files, least, most, min_shards):
    texts = [["x" * length for length in (*short, *long)] for _, short, long in files]
    assume(any(texts))
    limits = {"SHARD_TEXT_BYTES": most, "MIN_SHARD_TEXT_BYTES": least}
    with tempfile.TemporaryDirectory() as folder, patch.multiple("kdner.corpora.plan", **limits):
        for number, ((name, _, _), of_file) in enumerate(zip(files, texts, strict=True)):
            put_texts(Path(folder), f"{number}.{name}", of_file, row_group_size=7)
        corpus = plan_corpus([f"{folder}/**"], min_shards=min_shards)
        assert corpus == plan_corpus([f"{folder}/*"], min_shards=min_shards)
        reader = SliceReader("text")
        shards = [read_shard(corpus, shard, reader)["text"].to_pylist() for shard in corpus.shards]
    assert list(itertools.chain(*shards)) == list(itertools.chain(*texts))
    assert [shard.documents for shard in corpus.shards] == list(map(len, shards)) and all(shards)
    assert [shard.index for shard in corpus.shards] == list(range(len(shards)))
    for shard in shards:
        assert sum(map(len, shard)) <= corpus.shard_text_bytes + max(map(len, shard))
    corpus_bytes = sum(file.text_bytes for file in corpus.files)
    assert corpus_bytes == sum(shard.text_bytes for shard in corpus.shards)
    assert corpus.shard_text_bytes <= most and (corpus_bytes >= 2 * least or len(shards) == 1 or corpus_bytes > most)
    assert len(shards) <= max(min_shards, -(-corpus_bytes // most))


def test_shards_of_so_many_documents_have_so_many_whatever_their_length(tmp_path):
    source = put_lines(tmp_path / "a.txt", ["word " * (100_000 if k == 4 else 1) for k in range(10)])
    corpus = plan_corpus([source], shard_documents=3)
    assert [shard.documents for shard in corpus.shards] == [3, 3, 3, 1]
    assert corpus.fingerprint()["shard_documents"] == 3 and "min_shards" not in corpus.fingerprint()
    by_text = plan_corpus([source]).fingerprint()
    assert by_text["min_shards"] == MIN_SHARDS and "shard_documents" not in by_text


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
        def read(self, piece, replaced=None):
            table = super().read(piece, replaced)
            time.sleep(0.02)  # file systems tell times apart by some milliseconds
            put_lines(path, [again] * 4)
            return table

    assert read_shard(corpus, corpus.shards[1]).num_rows == 2
    with pytest.raises(InputError, match=r"a\.txt: changed since the job began.*restore it"):
        read_shard(corpus, corpus.shards[1], ReadAndChange("text"))


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "documents", "words"),
    [
        ("reuters_c50.parquet", 4_986, 2.52),
        ("reuters_21578.jsonl.gz", 21_577, 2.75),
        ("ag_news.txt.gz", 50_544, 1.86),
        ("wikipedia", 34_185, 8.6),
        ("**", 111_292, 15.73),
    ],
)
def test_the_real_corpora(data_folder, name, documents, words):
    corpus = plan_corpus([str(data_folder / "unlabeled" / name)], shard_documents=20_000)
    tables = [table.to_pydict() for table in draw_documents(corpus, 0, 0)]
    assert corpus.documents == sum(len(table["id"]) for table in tables) == documents
    assert len({id_ for table in tables for id_ in table["id"]}) == documents
    assert sum(len(text.split()) for table in tables for text in table["text"]) / 1e6 == pytest.approx(words, abs=0.05)
