from __future__ import annotations

import datetime
import json
import random
import tempfile
import uuid
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from files import put, put_json, put_lines, put_parquet
from hypothesis import given, settings
from hypothesis import strategies as st

from kdner.corpora.draws import draw_documents
from kdner.corpora.plan import plan_corpus, read_shard
from kdner.corpora.slices import SliceReader
from kdner.errors import InputError
from kdner.runs.schema import CORPUS

DAYS = [datetime.date(2020, 1, day) for day in (1, 2, 3)]
TYPES = {
    "day": pa.array(DAYS),
    "at": pa.array([datetime.datetime(2020, 1, 1, 12, 30), None, None], pa.timestamp("us", "UTC")),
    "price": pa.array([Decimal("1.50"), None, Decimal("2.00")]),
    "score": pa.array([0.1, 0.2, None], pa.float16()),
    "raw": pa.array([b"\xff\0", b"", None]),
    "name": pa.array([uuid.UUID(int=1), None, uuid.UUID(int=2)], pa.uuid()),
    "tags": pa.array([["x", None], [], None]),
    "source": pa.array([{"name": "x", "page": 1}, {"name": None, "page": 2}, None]),
    "counts": pa.array([[("a", 1)], [], None], pa.map_(pa.string(), pa.int64())),
}


def kept_rows(plan, reader=None):
    """Read what is kept of all documents, under the names of the corpus."""
    table = pa.concat_tables(read_shard(plan, shard, reader) for shard in plan.shards)
    assert table.column_names[: len(CORPUS)] == CORPUS.names
    kept = table.select(range(len(CORPUS), table.num_columns))
    return kept.rename_columns([field.name for field in plan.kept])


@pytest.mark.parametrize("name", TYPES)
def test_a_column_of_parquet_keeps_its_type_and_values(name, tmp_path):
    columns = {"id": ["a", "b", "c"], "text": ["Anna", None, "Rome"], name: TYPES[name]}
    path = put_parquet(tmp_path / "news.parquet", columns, row_group_size=2)
    plan = plan_corpus([path], shard_documents=1, keep_columns=[name])
    (field,) = plan.kept
    assert field.type == TYPES[name].type
    assert kept_rows(plan)[name].to_pylist() == TYPES[name].to_pylist()


@pytest.mark.parametrize("kind", [pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())], ids=str)
def test_strings_are_strings_however_they_are_stored(kind, tmp_path):
    values = pa.array(["x", None, "x"]).cast(kind)
    path = put_parquet(tmp_path / "news.parquet", {"text": ["a", "b", "c"], "source": values}, row_group_size=2)
    plan = plan_corpus([path], shard_documents=1, keep_columns=["source"])
    table = kept_rows(plan)
    assert table.schema.types == [pa.string()] and table["source"].to_pylist() == ["x", None, "x"]


def test_the_text_and_fields_of_structs_and_names_that_stand_for_something_else_elsewhere(tmp_path):
    columns = {"key": [1, 2, 3], "body": ["Anna", None, "Ro\0me"], "text": ["x", "y", "z"], "source": TYPES["source"]}
    path = put_parquet(tmp_path / "news.parquet", columns)
    wanted = ["source.page", "body", "text", "key", "body"]
    plan = plan_corpus([path], text_column="body", id_column="key", keep_columns=wanted)
    assert kept_rows(plan).to_pydict() == {
        "source.page": [1, 2, None],
        "body": ["Anna", None, "Ro\ufffdme"],  # as it is tagged
        "text": ["x", "y", "z"],
        "key": [1, 2, 3],
    }


JSON = st.none() | st.booleans() | st.integers(-(1 << 64), 1 << 64) | st.floats(allow_nan=False) | st.text(max_size=3)
KINDS = [
    st.none() | st.booleans(),
    st.none() | st.integers(-(1 << 63), (1 << 63) - 1),
    st.none() | st.floats(allow_nan=False) | st.integers(-(1 << 53), 1 << 53),
    st.none() | st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=3),
]


def of_json(values):
    with tempfile.TemporaryDirectory() as folder:
        path = put_json(Path(folder) / "a.jsonl", [{"text": "x", "of": {"it": value}} for value in values])
        plan = plan_corpus([path], shard_documents=2, keep_columns=["of.it"])
        return plan.kept[0].type, kept_rows(plan)["of.it"].to_pylist()


@settings(max_examples=12)
@given(data=st.data(), kind=st.sampled_from(range(len(KINDS))))
def test_values_of_json_of_one_kind_come_back_as_they_were(data, kind):
    values = data.draw(st.lists(KINDS[kind], min_size=1, max_size=6))
    type_, read = of_json(values)
    assert read == values
    if any(isinstance(value, (bool, float, str)) for value in values):
        assert type_ == (pa.bool_(), pa.int64(), pa.float64(), pa.string())[kind]


@settings(max_examples=12)
@given(
    st.lists(
        JSON | st.lists(JSON, max_size=2) | st.dictionaries(st.text(max_size=2), JSON, max_size=2),
        min_size=1,
        max_size=9,
    )
)
def test_values_of_json_of_any_kinds_lose_nothing(values):
    type_, read = of_json(values)
    for before, after in zip(values, read, strict=True):
        if type_ != pa.string() or before is None:
            assert after == before
        elif isinstance(before, str):
            assert after == before.replace("\0", "\ufffd")
        else:
            assert json.loads(after) == before or "\ufffd" in after


def test_keys_that_some_lines_lack_and_files_of_json_that_differ(tmp_path):
    put_json(tmp_path / "a.jsonl", [{"id": "a", "text": "x", "page": 1}, {"id": "b", "text": "y"}])
    put_json(tmp_path / "b.jsonl.gz", [{"id": "c", "text": 5, "page": 2.5, "url": "u"}])
    put(tmp_path / "c.jsonl", '{"id": "d", "text": "é", "page": null}\n'.encode("utf-16"))
    table = kept_rows(plan_corpus([str(tmp_path)], keep_columns=["page", "url", "text"]))
    assert table.to_pydict() == {
        "page": [1, None, 2.5, None],
        "url": [None, None, "u", None],
        "text": [*"xy", None, "é"],
    }
    assert table.schema.types == [pa.float64(), pa.string(), pa.string()]


def test_plain_text_has_its_text_and_files_of_all_formats_go_together(tmp_path, caplog):
    put(tmp_path / "a.txt", "Anna left.\nTom.\n")
    put_json(tmp_path / "b.jsonl", [{"text": "x", "page": 3}])
    put_parquet(tmp_path / "c.parquet", {"text": ["y"], "page": pa.array([4], pa.int16())})
    table = kept_rows(plan_corpus([f"{tmp_path}/*"], shard_documents=3, keep_columns=["text", "page"]))
    assert table.to_pydict() == {"text": ["Anna left.", "Tom.", "x", "y"], "page": [None, None, 3, 4]}
    assert f"--keep-columns page: null in 1 of 3 files, which have no such column: {tmp_path}/a.txt" in caplog.text


def test_types_of_parquet_files_that_one_type_holds(tmp_path):
    for name, page, day in [("a", pa.array([1], pa.int32()), [None]), ("b", [2], DAYS[:1]), ("c", [0.5], DAYS[1:2])]:
        put_parquet(tmp_path / f"{name}.parquet", {"text": ["x"], "page": page, "day": day})
    table = kept_rows(plan_corpus([str(tmp_path)], keep_columns=["page", "day"]))
    assert table.to_pydict() == {"page": [1, 2, 0.5], "day": [None, *DAYS[:2]]}
    put_parquet(tmp_path / "b.parquet", {"text": ["x"], "page": [(1 << 53) + 1], "day": DAYS[:1]})
    with pytest.raises(InputError, match=r"b\.parquet: --keep-columns page: is int64 here, .* the double .*cast it"):
        kept_rows(plan_corpus([str(tmp_path)], keep_columns=["page"]))
    put_parquet(tmp_path / "d.parquet", {"text": ["x"], "page": ["1"]})
    with pytest.raises(InputError, match=r"page: is double in .*c\.parquet, and string in .*d\.parquet; cast it"):
        plan_corpus([str(tmp_path)], keep_columns=["page"])


def test_a_column_that_is_nowhere_is_named_with_those_there_are(tmp_path):
    path = put_parquet(tmp_path / "news.parquet", {"id": [*"abc"], "text": [*"xyz"], "source": TYPES["source"]})
    message = r"--keep-columns dat source\.url: not in .*news\.parquet; there are id, text, source, source\.name, sour"
    with pytest.raises(InputError, match=message):
        plan_corpus([path], keep_columns=["dat", "source.name", "source.url"])
    put_json(tmp_path / "a.jsonl", [{"id": "b", "text": "x", "meta": {"url": "u"}}])
    put_json(tmp_path / "b.jsonl", [{"id": "c", "text": "x", "page": 1}])
    message = r"--keep-columns day: not in .*a\.jsonl or 1 other files; there are id, text, meta, meta\.url, page$"
    with pytest.raises(InputError, match=message):
        plan_corpus([f"{tmp_path}/*.jsonl"], keep_columns=["day"])
    text = put(tmp_path / "news.txt", "Anna left.\n")
    with pytest.raises(InputError, match=r"--keep-columns day: not in .*news\.txt; there are text$"):
        plan_corpus([text], keep_columns=["day"])


def put_fields(path, arrays, names):
    pq.write_table(pa.table(arrays, names=names), path)
    return str(path)


def test_a_name_of_two_columns_is_told(tmp_path):
    put_parquet(tmp_path / "a.parquet", {"text": ["w"], "v": ["0"]})
    path = put_fields(tmp_path / "b.parquet", [["x"], ["1"], ["2"]], ["text", "v", "v"])
    message = r"b\.parquet: --keep-columns v: 2 columns are called 'v', and one is wanted as v; rename all but one"
    for inputs in (path, str(tmp_path)):
        with pytest.raises(InputError, match=message):
            plan_corpus([inputs], keep_columns=["v"])
    assert kept_rows(plan_corpus([path], keep_columns=["text"])).to_pydict() == {"text": ["x"]}


def test_a_name_of_two_fields_is_told(tmp_path):
    twice = pa.StructArray.from_arrays([pa.array(["1"]), pa.array(["2"])], names=["u", "u"])
    once = pa.array([{"u": "1"}])
    path = put_fields(tmp_path / "a.parquet", [["x"], twice], ["text", "of"])
    with pytest.raises(InputError, match=r"--keep-columns of\.u, column 'of': 2 columns are called 'u', and one is"):
        plan_corpus([path], keep_columns=["of.u"])
    path = put_fields(tmp_path / "a.parquet", [["x"], once, once], ["text", "of", "of"])
    with pytest.raises(
        InputError, match=r"--keep-columns of\.u: 2 columns are called 'of', and one is wanted as of\.u"
    ):
        plan_corpus([path], keep_columns=["of.u"])
    with pytest.raises(InputError, match=r"a\.parquet: 2 columns are called 'of', and one is wanted as of\.u; rename"):
        plan_corpus([path], text_column="of.u")


@pytest.mark.parametrize("name", ["a.parquet", "a.parquet.gz", "a.jsonl", "a.jsonl.gz", "a.txt.gz"])
def test_they_stay_with_their_documents_in_whatever_order_shards_are_read(name, tmp_path):
    texts = [f"document {i}" for i in range(90)]
    if "parquet" in name:
        path = put_parquet(tmp_path / name, {"text": texts, "copy": texts}, row_group_size=20)
    elif "json" in name:
        path = put_json(tmp_path / name, [{"text": text, "copy": text} for text in texts])
    else:
        path = put_lines(tmp_path / name, texts)
    wanted = ["text"] if "txt" in name else ["copy"]
    plan = plan_corpus([path], shard_documents=13, keep_columns=wanted)
    assert plan.shards == plan_corpus([path], shard_documents=13).shards
    reader = SliceReader("text", plan.kept)
    for shard in random.Random(0).sample([*plan.shards] * 2, 14):
        table = read_shard(plan, shard, reader)
        assert table[f"kept:{wanted[0]}"] == table["text"] and table.num_rows == shard.documents
    drawn = pa.concat_tables(draw_documents(plan, 60, seed=1))
    assert drawn[f"kept:{wanted[0]}"] == drawn["text"] and drawn.num_rows == 30


@pytest.mark.parametrize("saved", [True, False], ids=["save_to_disk", "Parquet"])
def test_of_a_dataset(saved, tmp_path):
    import datasets

    columns = {"text": [*"xyz"], "day": DAYS, "source": TYPES["source"].to_pylist(), "other": [1, 2, 3]}
    dataset = datasets.Dataset.from_dict(columns)
    if saved:
        dataset.save_to_disk(tmp_path / "set")
    else:
        put_parquet(tmp_path / "set" / "train.parquet", dataset.data.table.to_pydict())
    where = {"inputs": [f"hf:{tmp_path}/set"], "staging": str(tmp_path / "staging")}
    plan = plan_corpus(**where, keep_columns=["day", "source.page", "text"])
    assert kept_rows(plan).to_pydict() == {"day": DAYS, "source.page": [1, 2, None], "text": [*"xyz"]}
    with pytest.raises(
        InputError, match=r"--keep-columns date: not in .*set.*; there are text, day, source, source\.n"
    ):
        plan_corpus(**where, keep_columns=["date"])
    assert plan_corpus(**where).files != plan.files
