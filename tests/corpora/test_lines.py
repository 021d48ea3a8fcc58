from __future__ import annotations

import bz2
import gzip
import json
from collections import Counter
from dataclasses import replace

import pyarrow as pa
import pytest
from files import TEXTS, put, put_json, put_lines, put_parquet, rows

from kdner.corpora.plan import plan_corpus, read_shard
from kdner.errors import InputError


@pytest.mark.parametrize("shard_documents", [1, 3, 100])
@pytest.mark.parametrize(
    "name", ["a.parquet", "a.parquet.gz", "a.jsonl", "a.ndjson.gz", "a.json", "a.txt", "a.text.gz", "A.TXT"]
)
def test_every_format_gives_every_document(tmp_path, name, shard_documents):
    ids = [f"doc{i}" for i in range(len(TEXTS))]
    if "parquet" in name:
        source = put_parquet(tmp_path / name, {"other": [[1]] * 7, "text": TEXTS, "id": ids}, row_group_size=2)
    elif "t" in name.lower().removesuffix(".gz")[-2:]:
        source, ids = put_lines(tmp_path / name, TEXTS), [f"{name}:{i}" for i in range(len(TEXTS))]
    else:
        source = put_json(tmp_path / name, [{"id": i, "text": t, "n": None} for i, t in zip(ids, TEXTS, strict=True)])
    corpus = plan_corpus([source], shard_documents=shard_documents)
    assert corpus.documents == len(TEXTS)
    assert rows(corpus) == list(zip(ids, TEXTS, strict=True))


def test_columns_by_name(tmp_path):
    table = {"id": [1, 1], "key": ["x", "y"], "text": ["no", "no"], "body": ["A", "B"]}
    records = [dict(zip(table, values, strict=True)) for values in zip(*table.values(), strict=True)]
    for source in (put_parquet(tmp_path / "a.parquet", table), put_json(tmp_path / "a.jsonl", records)):
        corpus = plan_corpus([source], text_column="body", id_column="key", shard_documents=1)
        assert rows(corpus) == [("x", "A"), ("y", "B")]
        same = plan_corpus([source], text_column="body", id_column="body", shard_documents=1)
        assert rows(same) == [("A", "A"), ("B", "B")]


@pytest.mark.parametrize("name", ["a.parquet", "a.jsonl"])
def test_missing_columns_are_named_with_the_remedy(tmp_path, name):
    make = put_parquet if name == "a.parquet" else lambda path, columns: put_json(path, [{"body": "x", "id": 1}])
    source = make(tmp_path / name, {"body": ["x"], "id": [1]})
    with pytest.raises(InputError, match=rf"{name}: no column 'text', only body, id; name one with --text-column"):
        plan_corpus([source], shard_documents=1)
    with pytest.raises(InputError, match=rf"{name}: no column 'key', only body, id; name one with --id-column"):
        plan_corpus([source], text_column="body", id_column="key", shard_documents=1)


def test_a_text_file_has_no_ids(tmp_path):
    with pytest.raises(InputError, match=r"a.txt: no column 'key'"):
        plan_corpus([put_lines(tmp_path / "a.txt", ["x"])], id_column="key", shard_documents=1)
    assert rows(plan_corpus([str(tmp_path)], text_column="id", shard_documents=1)) == [("a.txt:0", "x")]


def test_bad_rows_are_kept_without_text(tmp_path):
    lines = [
        "{cut",
        '["list"]',
        '{"text": 5}',
        "{}",
        '{"text": "ok \\ud800!"}',
        "[" * 100_000,
        "   ",
        '{"text": ""}',
    ]
    source = put_lines(tmp_path / "a.jsonl", lines)
    corpus = plan_corpus([source], shard_documents=3)
    expected = [None, None, None, None, "ok �!", None, ""]
    assert rows(corpus) == [(f"a.jsonl:{row}", text) for row, text in enumerate(expected)]


SPOILED = b"\xef\xbb\xbfis \xff\r\n" + b"plain words\n" * 50 + b"ok\rstill\0"


def replaced_in(corpus):
    counts = Counter()
    texts = [text for shard in corpus.shards for text in read_shard(corpus, shard, None, counts)["text"].to_pylist()]
    return [text for text in texts if text != "plain words"], counts


@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz"])
def test_what_no_text_holds_is_replaced_and_counted_in_every_shard(tmp_path, name):
    corpus = plan_corpus([put(tmp_path / name, SPOILED)], shard_documents=20)
    assert replaced_in(corpus) == (["is \ufffd", "ok", "still\ufffd"], {name: 2})
    assert corpus.documents == 53


def test_json_counts_what_is_replaced_in_texts_only(tmp_path):
    records = [
        b'\xef\xbb\xbf{"text": "is \xff"}',
        *[b'{"text": "plain words"}'] * 50,
        b'{"text": "half \\ud83d, nul \\u0000 and \0", "other": "\xff \\ud83d"}',
        b'\xef\xbb\xbf{"text": "tab \t inside"}',
        b"\xef\xbb\xbf  ",
    ]
    corpus = plan_corpus([put(tmp_path / "a.jsonl", b"\r\n".join(records))], shard_documents=20)
    assert replaced_in(corpus) == (
        ["is \ufffd", "half \ufffd, nul \ufffd and \ufffd", "tab \t inside"],
        {"a.jsonl": 4},
    )


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252"])
@pytest.mark.parametrize("name", ["a.txt", "a.jsonl", "a.jsonl.gz"])
def test_line_ends_and_encodings_change_nothing(tmp_path, name, encoding, end):
    texts = ["José", "Zürich", "Köln", "née", "São Paulo"]
    lines = texts if "txt" in name else [json.dumps({"text": text}, ensure_ascii=False) for text in texts]
    source = put(tmp_path / name, end.join(lines).encode(encoding))
    corpus = plan_corpus([source], shard_documents=2, encoding="cp1252")
    assert rows(corpus) == [(f"{name}:{row}", text) for row, text in enumerate(texts)]
    assert ("encoding" in corpus.fingerprint()) and "encoding" not in replace(
        corpus.listing, encoding="utf-8"
    ).fingerprint()
    (file,) = corpus.files
    assert file.is_entered_at_offsets == (encoding.startswith("utf-8") and not name.endswith(".gz"))


def test_an_encoding_that_needs_a_mark_is_not_for_files_without(tmp_path):
    source = put(tmp_path / "a.txt", ("Ada met José.\n" * 9).encode("utf-16-be"))
    with pytest.raises(InputError, match=r"a\.txt: has no byte order mark.*--encoding utf-16-le or utf-16-be"):
        plan_corpus([source], encoding="utf-16")
    assert plan_corpus([source], encoding="utf-16-be").documents == 9


def test_a_latin_1_file_is_refused_with_the_flag_and_its_own_words(tmp_path):
    source = put(tmp_path / "a.txt", "José lebt in Köln.\n".encode("latin-1") * 9)
    with pytest.raises(
        InputError, match=r"a\.txt: is not UTF-8: 18 of its 171 bytes.*'José lebt in K.* --encoding latin-1"
    ):
        plan_corpus([source])


@pytest.mark.parametrize("packed", [gzip.compress, bz2.compress, lambda data: pa.compress(data, "zstd", asbytes=True)])
@pytest.mark.parametrize("name", ["a.txt", "a.txt.gz", "a.txt.zst", "a.txt.zstd", "a.txt.bz2"])
def test_a_packed_file_is_told_by_its_first_bytes_not_by_its_suffix(tmp_path, name, packed):
    (tmp_path / name).write_bytes(packed(b"Ada left.\n") + packed(b"Rain fell.\n"))
    assert [text for _, text in rows(plan_corpus([str(tmp_path)], shard_documents=1))] == ["Ada left.", "Rain fell."]


def test_the_text_may_be_a_field_of_an_object(tmp_path):
    records = [{"doc": {"body": "x", "id": 7}}, {"doc": None}, {"doc.body": "y", "doc": {"id": 2.0}}]
    source = put_json(tmp_path / "a.jsonl", records)
    assert [text for _, text in rows(plan_corpus([source], text_column="doc.body"))] == ["x", None, "y"]


def test_an_array_in_a_json_file_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"a.json: no JSON object.*one object a line"):
        plan_corpus([put(tmp_path / "a.json", '[\n"text"\n]')], shard_documents=1)
