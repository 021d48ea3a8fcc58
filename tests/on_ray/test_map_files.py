from __future__ import annotations

import pytest
from files import put_json, put_lines

from kdner.corpora import id_buckets
from kdner.corpora.corpus_listing import list_corpus
from kdner.corpora.plan import plan_listing
from kdner.errors import InputError
from kdner.on_ray import map_files
from kdner.on_ray.map_files import map_files_of

pytestmark = pytest.mark.ray


def test_tasks_make_the_plan_that_the_driver_makes_and_tell_what_is_wrong(cluster, tmp_path, monkeypatch):
    for k in range(9):
        put_lines(tmp_path / f"{k}.jsonl", [f'{{"text": "{"word " * (k * n)}"}}' for n in range(30)])
    listing = list_corpus([str(tmp_path)], shard_documents=20)
    assert map_files_of(listing) is map
    monkeypatch.setattr(map_files, "FILES_IN_A_TASK", 2)
    assert plan_listing(listing, map_files_of(listing)) == plan_listing(listing)
    (tmp_path / "5.jsonl").write_text("no JSON\n")
    with pytest.raises(InputError, match=r"5\.jsonl: no JSON object in the first lines"):
        plan_listing(list_corpus([str(tmp_path)]), map_files_of(listing))


def test_tasks_look_for_ids_that_come_twice(cluster, tmp_path, monkeypatch):
    for k in range(6):
        put_json(tmp_path / f"{k}.jsonl", [{"id": f"{k}-{n}", "text": "some words"} for n in range(100)])
    put_lines(tmp_path / "7.txt", ["some words"] * 100)
    monkeypatch.setattr(map_files, "FILES_IN_A_TASK", 2)
    monkeypatch.setattr(id_buckets, "IDS_AT_ONCE", 150)

    def plan():
        listing = list_corpus([f"{tmp_path}/*"])
        return plan_listing(listing, map_files_of(listing))

    assert plan().documents == 700
    put_json(tmp_path / "6.jsonl", [{"id": "new", "text": "x"}, {"id": "2-99", "text": "x"}, {"id": "7.txt:50"}])
    with pytest.raises(InputError, match="documents share an id") as refusal:
        plan()
    lines = set(str(refusal.value).splitlines()[1:-1])
    twice = {f"  '2-99': {tmp_path}/2.jsonl line 100, {tmp_path}/6.jsonl line 2"}
    assert lines == twice | {f"  '7.txt:50': {tmp_path}/6.jsonl line 3, {tmp_path}/7.txt row 50"}
