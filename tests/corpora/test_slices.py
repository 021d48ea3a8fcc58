from __future__ import annotations

import os

import pyarrow.parquet as pq
import pytest
from files import put_json, put_lines, put_parquet

from kdner.corpora import slices
from kdner.corpora.plan import plan_corpus, read_shard
from kdner.corpora.slices import SliceReader
from kdner.errors import InputError

FORMATS = ["a.parquet", "a.parquet.gz", "a.jsonl", "a.jsonl.gz", "a.txt", "a.txt.gz"]


@pytest.fixture
def long_corpus(tmp_path):
    """Plan 7 shards of 13 documents, the last of 12, in a file of any format; Parquet has row groups of 20."""

    def make(name):
        texts = [f"document {i}" for i in range(90)]
        if "parquet" in name:
            return plan_corpus([put_parquet(tmp_path / name, {"text": texts}, row_group_size=20)], shard_documents=13)
        put_any = put_json if "json" in name else put_lines
        return plan_corpus(
            [put_any(tmp_path / name, [{"text": t} for t in texts] if "json" in name else texts)], shard_documents=13
        )

    return make


@pytest.mark.parametrize("name", FORMATS)
def test_one_reader_gives_all_shards_in_any_order(long_corpus, name):
    corpus = long_corpus(name)
    expected = [read_shard(corpus, shard).to_pylist() for shard in corpus.shards]
    assert [len(shard) for shard in expected] == [13] * 6 + [12]
    reader = SliceReader("text")
    for order in ([0, 1, 2, 3, 4, 5, 6], [0, 2, 5], [6, 0, 0, 3], [5, 4, 1, 2, 6], [6, 6]):
        assert [read_shard(corpus, corpus.shards[k], reader).to_pylist() for k in order] == [expected[k] for k in order]


@pytest.mark.parametrize("name", FORMATS)
def test_a_reader_that_goes_on_opens_a_file_once(long_corpus, name, monkeypatch):
    corpus = long_corpus(name)
    reader = SliceReader("text")
    read_shard(corpus, corpus.shards[0], reader)
    for name in ("lines.opened", "slices.opened_parquet", "parquet.opened_parquet"):
        monkeypatch.setattr(f"kdner.corpora.{name}", None)
    for shard in corpus.shards[1:]:
        assert read_shard(corpus, shard, reader).num_rows == shard.documents


@pytest.mark.parametrize("name", ["a.parquet", "a.jsonl.gz", "a.txt.gz"])
def test_tasks_that_share_a_reader_with_as_many_streams_do_not_begin_anew(long_corpus, name, monkeypatch):
    corpus = long_corpus(name)
    expected = [read_shard(corpus, shard).to_pylist() for shard in corpus.shards]
    made = []
    for stream in ("_ParquetStream", "_LineStream"):
        real = getattr(slices, stream)
        monkeypatch.setattr(slices, stream, lambda *args, real=real: made.append(args) or real(*args))
    interleaved = [0, 4, 1, 5, 2, 6, 3]
    for streams, begun in ((2, 2), (1, 7 if name == "a.parquet" else 4)):
        made.clear()
        reader = SliceReader("text", streams=streams)
        for k in interleaved:
            assert read_shard(corpus, corpus.shards[k], reader).to_pylist() == expected[k]
        assert len(made) == begun


def test_a_reader_outlives_a_file_that_cannot_be_read(long_corpus, tmp_path):
    good, bad = long_corpus("a.txt"), long_corpus("b.txt.gz")
    path = tmp_path / "b.txt.gz"
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    os.utime(path, ns=(bad.files[0].mtime_ns,) * 2)
    reader = SliceReader("text")
    (piece,) = bad.shards[6].slices
    with pytest.raises(InputError, match="cannot be read"):
        reader.read(piece)
    assert read_shard(good, good.shards[2], reader).num_rows == 13
    path.write_bytes(content)
    assert reader.read(piece).num_rows == 12


def test_parquet_reads_the_row_groups_of_the_slice_only(tmp_path):
    texts = [f"{i} " * 200 for i in range(400)]
    source = put_parquet(
        tmp_path / "a.parquet", {"text": texts}, row_group_size=50, compression="none", use_dictionary=False
    )
    corpus = plan_corpus([source], shard_documents=100)
    groups = pq.ParquetFile(source).metadata
    with open(source, "r+b") as file:  # noqa: PTH123
        file.seek(groups.row_group(5).column(0).data_page_offset)
        file.write(b"\xff" * 200)
    os.utime(source, ns=(corpus.files[0].mtime_ns,) * 2)
    for shard in corpus.shards[:2] + corpus.shards[3:]:
        assert read_shard(corpus, shard)["text"].to_pylist() == texts[shard.index * 100 : shard.index * 100 + 100]
    with pytest.raises(InputError, match=r"a.parquet: cannot be read"):
        read_shard(corpus, corpus.shards[2])
