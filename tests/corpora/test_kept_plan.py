from __future__ import annotations

import logging
import os
import shutil
from dataclasses import replace

import pyarrow.parquet as pq
import pytest
from files import put_lines, put_parquet, rows

import kdner.corpora.plan
from kdner.corpora import corpus_listing
from kdner.corpora.changes import changes_since
from kdner.corpora.corpus_listing import list_corpus
from kdner.corpora.finished_plan import plan_of_finished_run
from kdner.corpora.kept_plan import FOLDER, keep_plan, kept_plan, plan_of_run
from kdner.corpora.plan import plan_corpus, plan_listing
from kdner.errors import InputError
from kdner.runs.run_directory import RunDirectory

KEEP = ["source", "day"]


@pytest.fixture
def news(tmp_path):
    """A corpus of three files with columns beside the text."""
    folder = tmp_path / "news"
    for k in range(3):
        columns = {"text": [f"{k} {n}" for n in range(20)], "source": ["x"] * 20, "day": [k] * 20}
        put_parquet(folder / f"{k}.parquet", columns, row_group_size=6)
    return folder


@pytest.fixture
def run(news, tmp_path):
    """A finished run over it, without data."""
    listing = list_corpus([str(news)], shard_documents=7)
    run = RunDirectory.open(str(tmp_path / "run"), {"job": "tag_corpus", "corpus": listing.fingerprint()})
    keep_plan(run, plan_listing(listing))
    run.finish({})
    return run


def test_a_plan_is_made_once_and_is_the_same_when_it_is_read(news, tmp_path, monkeypatch):
    run = RunDirectory.open(str(tmp_path / "run"), {})
    listing = list_corpus([str(news)], shard_documents=7, keep_columns=KEEP)
    assert kept_plan(run, listing) is None
    plan = plan_of_run(run, listing)
    monkeypatch.setattr(kdner.corpora.kept_plan, "plan_listing", None)
    again = plan_of_run(run, list_corpus([str(news)], shard_documents=7, keep_columns=KEEP))
    assert again == plan and again.shards[3] == plan.shards[3] and again.kept[0].type == plan.kept[0].type
    assert [field.metadata for field in again.kept] == [field.metadata for field in plan.kept]
    assert pq.ParquetDataset(run.path).files == []  # readers of the run pass over it


def test_a_plan_whose_ids_were_trusted_is_made_again_where_they_are_to_be_checked(news, tmp_path, caplog):
    trusting, checking = (list_corpus([str(news)], ids=ids) for ids in ("trust", "check"))
    run = RunDirectory.open(str(tmp_path / "run"), {"corpus": trusting.fingerprint()})
    caplog.set_level(logging.INFO)
    assert trusting.fingerprint() == checking.fingerprint()
    plan = plan_of_run(run, trusting)
    assert kept_plan(run, checking) is None and kept_plan(run, trusting) == plan
    assert changes_since(run, checking).fingerprint == trusting.fingerprint()
    assert "made again" not in caplog.text  # so far nothing is: a finished run is known by its fingerprint
    checked = plan_of_run(run, checking)
    assert checked.shards == plan.shards and caplog.text.count("made with --ids trust, and is made again") == 1
    assert [plan_of_run(run, asked).listing.ids for asked in (checking, trusting)] == ["check", "check"]


def test_what_a_killed_planner_left_is_no_plan(news, tmp_path):
    run = RunDirectory.open(str(tmp_path / "run"), {})
    listing = list_corpus([str(news)])
    plan = plan_of_run(run, listing)
    folder = run.local_path / FOLDER
    (folder / "shards.parquet").rename(folder / ".shards.parquet.tmp-0123456789abcdef")
    assert kept_plan(run, listing) is None and plan_of_run(run, listing) == plan
    assert {path.name for path in folder.iterdir()} == {"files.parquet", "shards.parquet"}


def test_a_finished_run_is_read_by_the_plan_that_it_keeps_also_where_its_corpus_was_moved(news, run, tmp_path):
    there = rows(plan_of_finished_run(run))
    moved = tmp_path / "elsewhere"
    news.rename(moved)
    with pytest.raises(InputError, match="no such file or folder"):
        plan_of_finished_run(run)
    plan = plan_of_finished_run(run, [str(moved)])
    assert rows(plan) == there and plan.files[0].path == str(moved / "0.parquet")
    os.utime(moved / "1.parquet", ns=(1, 1))
    assert rows(plan_of_finished_run(run, [str(moved)])) == there
    put_parquet(moved / "1.parquet", {"text": ["other"] * 20})
    with pytest.raises(InputError, match=r"(?s)not what it was made of.*1\.parquet.*Restore it"):
        plan_of_finished_run(run, [str(moved)])


@pytest.mark.parametrize("most", [2, 1000])
def test_a_corpus_elsewhere_may_have_other_names_where_no_ids_are_made_of_them(tmp_path, monkeypatch, most):
    monkeypatch.setattr(corpus_listing, "MAX_FILES_NAMED", most)
    for kind, columns in (("ids", {"id": [*"ab"]}), ("none", {})):
        for k in range(3):
            own = {name: [f"{k}{value}" for value in values] for name, values in columns.items()}
            put_parquet(tmp_path / kind / f"{k}.parquet", {"text": ["x", "y"], **own})
        listing = list_corpus([str(tmp_path / kind)])
        run = RunDirectory.open(str(tmp_path / f"run-{kind}"), {"corpus": listing.fingerprint()})
        keep_plan(run, plan_listing(listing))
        run.finish({})
        there = rows(plan_of_finished_run(run))
        moved = (tmp_path / kind).rename(tmp_path / f"moved-{kind}")
        assert rows(plan_of_finished_run(run, [str(moved)])) == there
        (moved / "2.parquet").rename(moved / "3.parquet")
        if kind == "ids":
            assert rows(plan_of_finished_run(run, [str(moved)])) == there
        else:
            with pytest.raises(InputError, match="not what it was made of"):
                plan_of_finished_run(run, [str(moved)])


def test_a_finished_run_of_an_older_version_keeps_no_plan(news, tmp_path):
    plan = plan_corpus([str(news)], min_shards=16)
    old = {key: value for key, value in plan.fingerprint().items() if key != "min_shards"}
    old["shard_text_bytes"] = plan.shard_text_bytes
    run = RunDirectory.open(str(tmp_path / "run"), {"job": "tag_corpus", "corpus": old})
    assert plan_of_finished_run(run).shards == plan.shards


def test_of_many_files_a_manifest_has_the_number_the_bytes_and_a_hash(news, run, tmp_path, monkeypatch):
    there = rows(plan_of_finished_run(run))
    monkeypatch.setattr(corpus_listing, "MAX_FILES_NAMED", 2)
    listing = list_corpus([str(news)], shard_documents=7)
    found = listing.fingerprint()["listing"]
    assert found["files"] == 3 and found["bytes"] == sum(path.stat().st_size for path in news.iterdir())
    large = RunDirectory.open(str(tmp_path / "large"), {"corpus": listing.fingerprint()})
    keep_plan(large, plan_listing(listing))
    assert rows(plan_of_finished_run(large)) == there
    shutil.copytree(news, tmp_path / "copy", copy_function=shutil.copy2)
    assert list_corpus([str(tmp_path / "copy")], shard_documents=7).fingerprint() == listing.fingerprint()
    put_parquet(news / "1.parquet", {"text": ["other"] * 20})
    assert list_corpus([str(news)], shard_documents=7).fingerprint() != listing.fingerprint()
    with pytest.raises(InputError, match=r"(?s)not what it was made of.*listing\.sha256"):
        plan_of_finished_run(large)


def test_it_holds_no_secrets_of_a_uri(tmp_path):
    listing = list_corpus([put_lines(tmp_path / "a.txt", ["x"] * 3)])
    plan = plan_listing(listing)
    path = plan.files.table.schema.get_field_index("path")
    secret = plan.files.table.set_column(path, "path", [["s3://key:secret@bucket/a.txt?region=x"]])
    run = RunDirectory.open(str(tmp_path / "run"), {})
    keep_plan(run, replace(plan, files=type(plan.files)(secret.cast(plan.files.table.schema))))
    (kept,) = run.tables(["path"], files=[f"{FOLDER}/files.parquet"])
    assert kept["path"].to_pylist() == ["s3://bucket/a.txt"]
