from __future__ import annotations

import pyarrow as pa
import pytest
from files import TEXTS, put, put_json, put_lines, put_parquet, rows

from kdner.data.corpus import plan_corpus
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


@pytest.mark.parametrize(
    "kind",
    [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())],
    ids=str,
)
def test_parquet_text_of_every_string_type(tmp_path, kind):
    source = put_parquet(tmp_path / "a.parquet", {"text": pa.array(["a", None, "b"]).cast(kind), "id": [7, 8, -9]})
    assert rows(plan_corpus([source], shard_documents=2)) == [("7", "a"), ("8", None), ("-9", "b")]


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


def test_columns_of_other_types(tmp_path):
    with pytest.raises(InputError, match=r"column 'text' is list<.*expected string"):
        plan_corpus([put_parquet(tmp_path / "a.parquet", {"text": [["x"]]})], shard_documents=1)
    with pytest.raises(InputError, match=r"column 'id' is double, expected string or integer"):
        plan_corpus([put_parquet(tmp_path / "b.parquet", {"text": ["x"], "id": [1.5]})], shard_documents=1)
    with pytest.raises(InputError, match=r"a.txt: no column 'key'"):
        plan_corpus([put_lines(tmp_path / "a.txt", ["x"])], id_column="key", shard_documents=1)


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


def test_bytes_that_are_not_utf8_are_replaced(tmp_path):
    bad = pa.Array.from_buffers(pa.string(), 2, pa.array([b"caf\xe9", b"ok"]).buffers())
    parquet = put_parquet(tmp_path / "a.parquet", {"text": bad})
    text = put(tmp_path / "a.txt", b"\xef\xbb\xbfcaf\xe9\r\nok\rstill\x00")
    lines = put(tmp_path / "a.jsonl", b'\xef\xbb\xbf{"text": "caf\xe9"}\r\n\r\n{"text": "ok"}')
    for source, second in [(parquet, "ok"), (text, "ok\rstill\x00"), (lines, "ok")]:
        assert [text for _, text in rows(plan_corpus([source], shard_documents=1))] == ["caf�", second]


def test_an_array_in_a_json_file_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"a.json: no JSON object.*one object a line"):
        plan_corpus([put(tmp_path / "a.json", '[\n"text"\n]')], shard_documents=1)
