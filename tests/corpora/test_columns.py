from __future__ import annotations

import decimal
import uuid
from collections import Counter

import pyarrow as pa
import pytest
from files import put_parquet, rows

from kdner.corpora.plan import plan_corpus, read_shard
from kdner.errors import InputError

STRINGS = [
    pa.string(),
    pa.large_string(),
    pa.string_view(),
    pa.binary(),
    pa.large_binary(),
    pa.binary_view(),
    pa.binary(3),
    pa.json_(pa.string()),
    pa.dictionary(pa.int32(), pa.string()),
    pa.dictionary(pa.int8(), pa.binary()),
]


def of_type(values, kind):
    if isinstance(kind, pa.BaseExtensionType):
        return pa.ExtensionArray.from_storage(kind, pa.array(values, kind.storage_type))
    return (
        pa.array(values, pa.string()).cast(pa.binary()).cast(kind) if "binary" in str(kind) else pa.array(values, kind)
    )


@pytest.mark.parametrize("kind", STRINGS, ids=str)
def test_strings_of_every_type_are_texts_and_ids(tmp_path, kind):
    columns = {"text": of_type(["abc", None, "déf"[:1] + "ef"], kind), "id": of_type(["one", "two", "six"], kind)}
    source = put_parquet(tmp_path / "a.parquet", columns)
    assert rows(plan_corpus([source], shard_documents=2)) == [("one", "abc"), ("two", None), ("six", "def")]


@pytest.mark.parametrize(
    ("values", "ids"),
    [
        (pa.array([7, 8], pa.int64()), ["7", "8"]),
        (pa.array([2**64 - 1, 0], pa.uint64()), ["18446744073709551615", "0"]),
        (pa.array([7.0, -8.0]), ["7", "-8"]),
        (pa.array([decimal.Decimal("7.00"), decimal.Decimal(10**30)]), ["7", str(10**30)]),
        (
            pa.ExtensionArray.from_storage(
                pa.uuid(), pa.array([uuid.UUID(int=i).bytes for i in (1, 2)], pa.binary(16))
            ),
            ["00000000-0000-0000-0000-000000000001", "00000000-0000-0000-0000-000000000002"],
        ),
    ],
    ids=["integers", "unsigned", "floats", "decimals", "UUIDs"],
)
def test_ids_are_written_as_their_values_are(tmp_path, values, ids):
    source = put_parquet(tmp_path / "a.parquet", {"id": values, "text": ["x", "y"]})
    assert rows(plan_corpus([source], shard_documents=1)) == list(zip(ids, "xy", strict=True))


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"text": [["x"]]}, r"column 'text' is list<.*expected string; join the strings.*--text-column"),
        ({"text": [5]}, r"column 'text' is int64, expected string; cast it to string"),
        ({"text": [{"a": "x", "b": 1}]}, r"column 'text' is struct<.*name one of its fields \(text\.a, text\.b\)"),
        ({"text": ["x"], "id": [1.5]}, r"column 'id' is double, and not all.*1\.5.*; cast it to string"),
        ({"text": ["x"], "id": [decimal.Decimal("1.5")]}, r"column 'id' is decimal.*not all.*; cast it to string"),
        ({"text": ["x"], "id": [b"\xff\xfe"]}, r"column 'id' is binary, and not all.*; cast it to string"),
        (
            {"text": ["x"], "id": pa.array([b"\xff\xfe"]).dictionary_encode()},
            r"column 'id' is dictionary.*, and not all.*; cast it to string",
        ),
        ({"text": ["x"], "id": [True]}, r"column 'id' is bool, expected string, or whole numbers; cast it to string"),
        ({"text": ["x"], "id": [None]}, r"no id in column 'id' at row 0"),
        (
            {"text": [b"\x89PNG\r\n\x1a\n\0\0\0\x0d"]},
            r"column 'text' is binary, and holds no UTF-8, as in .*PNG.*--text-column",
        ),
        (
            {"text": ["Müller in Köln".encode("latin-1")]},
            r"column 'text' is binary, and holds no UTF-8, as in b'M.xfcller in K.xf6ln'; decode it",
        ),
        ({"body": ["x"]}, r"no column 'text', only body; name one with --text-column"),
    ],
)
def test_other_columns_are_refused_with_the_cast_to_make(tmp_path, columns, message):
    with pytest.raises(InputError, match=rf"a\.parquet: {message}"):
        plan_corpus([put_parquet(tmp_path / "a.parquet", columns)], shard_documents=1)


def test_two_columns_of_one_name_are_refused_in_a_line(tmp_path):
    table = pa.table([["x"], ["y"], ["z"]], names=["text", "text", "other"])
    with pytest.raises(InputError, match=r"a\.parquet: 2 columns are called 'text'; rename all but one"):
        plan_corpus([put_parquet(tmp_path / "a.parquet", table)], shard_documents=1)


def test_parts_without_rows_need_no_columns_and_those_of_nulls_hold_documents_without_text(tmp_path):
    put_parquet(tmp_path / "0.parquet", {"text": pa.nulls(0), "id": pa.nulls(0)})
    put_parquet(tmp_path / "1.parquet", {"id": ["a"], "text": ["x"]})
    put_parquet(tmp_path / "2.parquet", {"other": pa.array([], pa.bool_())})
    put_parquet(tmp_path / "3.parquet", {"id": ["b", "c"], "text": pa.nulls(2)})
    assert rows(plan_corpus([str(tmp_path)], shard_documents=2)) == [("a", "x"), ("b", None), ("c", None)]


def test_the_text_may_be_a_field_of_structs(tmp_path):
    columns = {"doc": [{"body": "x", "key": 7}, None, {"body": None, "key": 9}], "key": [1, 2, 3]}
    source = put_parquet(tmp_path / "a.parquet", columns)
    corpus = plan_corpus([source], text_column="doc.body", id_column="key", shard_documents=2)
    assert rows(corpus) == [("1", "x"), ("2", None), ("3", None)]
    with pytest.raises(InputError, match=r"no column 'doc\.title', only doc, key"):
        plan_corpus([source], text_column="doc.title", shard_documents=2)
    dotted = put_parquet(tmp_path / "b.parquet", {"doc.body": ["y"]})
    assert rows(plan_corpus([dotted], text_column="doc.body")) == [("b.parquet:0", "y")]


@pytest.mark.parametrize(
    "kind", [pa.binary(14), *(kind for kind in STRINGS if "binary" in str(kind) and kind != pa.binary(3))], ids=str
)
def test_bytes_of_another_encoding_are_refused_whatever_their_type(tmp_path, kind):
    texts = [text.encode("latin-1") for text in ("Müller in Köln", "Bär in Zürich ", "Jörg in Weimä ")]
    ids = pa.array(["a", "b", "c"])
    source = put_parquet(tmp_path / "a.parquet", {"text": pa.array(texts, pa.binary()).cast(kind), "id": ids})
    with pytest.raises(
        InputError, match=r"a\.parquet: column 'text' is .*binary.*, and holds no UTF-8, as in b'M.xfcller"
    ):
        plan_corpus([source])


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string(), pa.binary()], ids=str)
def test_what_no_text_holds_is_replaced_and_counted(tmp_path, kind):
    values = [b"is \xff", b"nul \0", b"ok", b"half \xed\xa0\xbd", *[b"plain words"] * 99]
    bytes_of_it = pa.array(values, pa.large_binary() if kind == pa.large_string() else pa.binary())
    columns = {"text": pa.Array.from_buffers(kind, len(values), bytes_of_it.buffers())}
    corpus = plan_corpus([put_parquet(tmp_path / "a.parquet", columns)], shard_documents=4)
    replaced = Counter()
    first = read_shard(corpus, corpus.shards[0], replaced=replaced)["text"].to_pylist()
    assert first == ["is \ufffd", "nul \ufffd", "ok", "half \ufffd\ufffd\ufffd"] and replaced == {"a.parquet": 5}
