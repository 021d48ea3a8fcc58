from __future__ import annotations

import pytest
from files import put_json, put_lines, put_parquet, rows

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
