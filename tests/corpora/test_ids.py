from __future__ import annotations

import tempfile
import tracemalloc

import numpy as np
import pytest
from files import put_json, put_lines, put_parquet, rows

from kdner.corpora import id_buckets, id_hashes, ids
from kdner.corpora.id_buckets import IdBuckets, repeated
from kdner.corpora.plan import plan_corpus
from kdner.errors import InputError


def test_made_ids_are_unique_over_folders(tmp_path):
    put_lines(tmp_path / "x/1/a.txt", ["p", "q"])
    put_lines(tmp_path / "x/2/a.txt", ["r"])
    put_parquet(tmp_path / "x/2/b.parquet", {"text": ["s"]})
    assert [id_ for id_, _ in rows(plan_corpus([f"{tmp_path}/x/*"], shard_documents=2))] == [
        "1/a.txt:0",
        "1/a.txt:1",
        "2/a.txt:0",
        "2/b.parquet:0",
    ]


def test_missing_ids_are_found_at_planning(tmp_path):
    source = put_parquet(tmp_path / "a.parquet", {"text": ["x"] * 4, "id": ["a", None, "", "d"]})
    with pytest.raises(InputError, match=r"a.parquet: no id in column 'id' at row 1, row 2;.*--id-column"):
        plan_corpus([source], shard_documents=1)
    records = [
        {"id": 1, "text": "x"},
        {"text": "x"},
        {"id": None, "text": "x"},
        {"id": 1.5, "text": "x"},
        {"id": True},
    ]
    with pytest.raises(InputError, match=r"b.jsonl: no id in column 'id' at line 2, line 3, line 4, line 5"):
        plan_corpus([put_json(tmp_path / "b.jsonl", records)], shard_documents=1)
    with pytest.raises(InputError, match=r"c.jsonl line 3: not a JSON object, so it has no id"):
        plan_corpus([put_lines(tmp_path / "c.jsonl", ['{"id": 1, "text": ""}', "", "{cut"])], shard_documents=1)


def test_duplicate_ids_are_found_over_files(tmp_path):
    put_parquet(tmp_path / "a.parquet", {"text": ["x"] * 20_000, "id": range(20_000)})
    put_json(tmp_path / "b.jsonl", [{"id": "new", "text": "x"}, {"id": "19999", "text": "x"}])
    put_lines(tmp_path / "c.txt", ["x"])
    with pytest.raises(InputError) as refusal:
        plan_corpus([f"{tmp_path}/*"], shard_documents=7)
    assert f"'19999': {tmp_path}/a.parquet row 19999, {tmp_path}/b.jsonl line 2" in str(refusal.value)
    assert "new" not in str(refusal.value)


def test_a_made_id_that_meets_a_given_one_is_a_duplicate(tmp_path):
    put_lines(tmp_path / "c.txt", ["x"])
    put_json(tmp_path / "d.jsonl", [{"id": "c.txt:0", "text": "x"}])
    with pytest.raises(InputError, match=r"share an id"):
        plan_corpus([f"{tmp_path}/*"], shard_documents=7)


def test_more_ids_than_memory_takes_are_looked_through_in_parts(monkeypatch):
    monkeypatch.setattr(id_buckets, "IDS_AT_ONCE", 1000)
    draw = np.random.default_rng(1)
    hashes = draw.integers(0, 1 << 64, 9_500, np.uint64)
    hashes[7_000:7_003] = hashes[[20, 20, 6_999]]
    buckets = IdBuckets()
    for file in range(95):
        buckets.add(file, hashes[100 * file : 100 * file + 100])
    parts = list(buckets.parts())
    assert sum(len(part.entries) for part in parts) == 9_500
    assert 10 <= len(parts) <= 12 and max(len(part.entries) for part in parts) <= 1000
    found = {hash_: files for part in parts for hash_, files in repeated(part)}
    assert found == {int(hashes[20]): [0, 70, 70], int(hashes[6_999]): [69, 70]}


def test_the_memory_that_ids_take_does_not_grow_with_their_number(monkeypatch):
    monkeypatch.setattr(id_buckets, "IDS_AT_ONCE", 1 << 14)

    def peak(files):
        tracemalloc.start()
        buckets = IdBuckets()
        for file in range(files):
            buckets.add(file, np.random.default_rng(file).integers(0, 1 << 64, 1 << 14, np.uint64))
        assert not any(repeated(part) for part in buckets.parts())
        _, most = tracemalloc.get_traced_memory()
        tracemalloc.stop()
        return most

    assert peak(64) < 2 * peak(8)


def test_ids_are_read_once_and_equal_hashes_are_no_equal_ids(tmp_path, monkeypatch):
    put_parquet(tmp_path / "a.parquet", {"text": ["x"] * 50, "id": range(50)})
    put_json(tmp_path / "b.jsonl", [{"id": f"b{k}", "text": "x"} for k in range(50)])
    with monkeypatch.context() as patched:
        patched.setattr(ids, "read_ids", None)
        assert plan_corpus([f"{tmp_path}/*"]).documents == 100
    for module in (id_hashes, ids):
        monkeypatch.setattr(
            module, "hashes_of", lambda some: np.array([int(id_.strip("b")) for id_ in some], np.uint64)
        )
    assert plan_corpus([f"{tmp_path}/*"]).documents == 100
    put_json(tmp_path / "c.jsonl", [{"id": "b49", "text": "x"}])
    with pytest.raises(InputError) as refusal:
        plan_corpus([f"{tmp_path}/*"])
    assert str(refusal.value).splitlines()[1:-1] == [f"  'b49': {tmp_path}/b.jsonl line 50, {tmp_path}/c.jsonl line 1"]


def test_many_documents_of_one_id_are_told_by_the_first_ones(tmp_path):
    for k in range(9):
        put_json(tmp_path / f"{k}.jsonl", [{"id": "same", "text": "x"}] * 9)
    with pytest.raises(InputError) as refusal:
        plan_corpus([str(tmp_path)])
    assert str(refusal.value).count("0.jsonl line") == 5 and "1.jsonl" not in str(refusal.value)


def test_trusted_ids_are_not_looked_at_before_they_are_read(tmp_path):
    records = [{"id": "a", "text": "x"}, {"id": "a", "text": "y"}, {"text": "z"}]
    source = put_json(tmp_path / "a.jsonl", records)
    plan = plan_corpus([source], shard_documents=2, ids="trust")
    with pytest.raises(InputError, match=r"a\.jsonl: 1 documents from row 2 on have no id in column 'id'"):
        rows(plan)
    put_json(tmp_path / "a.jsonl", records[:2])
    assert rows(plan_corpus([source], ids="trust")) == [("a", "x"), ("a", "y")]


def test_a_temporary_folder_that_is_full_is_named(tmp_path, monkeypatch):
    monkeypatch.setattr(id_buckets, "IDS_AT_ONCE", 10)
    monkeypatch.setattr(tempfile, "tempdir", "/dev/full")
    source = put_json(tmp_path / "a.jsonl", [{"id": k, "text": "x"} for k in range(20)])
    with pytest.raises(InputError, match=r"/dev/full: cannot take the hashes .* 12 bytes .* --ids trust"):
        plan_corpus([source])
