"""In which order a job over a corpus does what takes long: nothing is read where it is for nothing."""

from __future__ import annotations

import logging
import os
from functools import partial

import pytest
from files import contents, put_json, put_lines
from slow_job import Echo

import kdner.corpora.inspection
from kdner.errors import InputError
from kdner.flags import Actors, Corpus, Retries
from kdner.on_ray.shard_map import map_corpus
from kdner.runs.lock import hold
from kdner.shards.work import ShardWork

pytestmark = pytest.mark.ray


@pytest.fixture
def job(tmp_path):
    """A job over a corpus of nine documents, by the folder that it writes."""
    source = put_lines(tmp_path / "corpus.txt", ["some words"] * 9)
    work = ShardWork(job="echo", actor=Echo, arguments={}, actors=Actors(count=1), use_gpu=False)
    config = Corpus(corpus=(source,), shard_documents=2)
    return partial(
        map_corpus, config, work=lambda plan: work, job="echo", fingerprint={}, describe={"labels": []}, language="en"
    )


def test_the_corpus_is_read_once_after_the_lock_and_by_no_later_start(cluster, job, tmp_path, monkeypatch, caplog):
    out = tmp_path / "out"
    with monkeypatch.context() as patched:
        patched.setattr(kdner.corpora.inspection, "inspect_lines", None)
        with hold(str(out)), pytest.raises(InputError, match="another job works here"):
            job(out=str(out))
    assert not list(out.iterdir())
    summary = job(out=str(out))
    whole = contents(out)

    monkeypatch.setattr(kdner.corpora.inspection, "inspect_lines", None)
    with caplog.at_level(logging.INFO, "kdner"):
        assert job(out=str(out)) == summary
        assert "echo: everything is there already" in caplog.text
        (out / "_SUCCESS").unlink()
        (out / "part-00003.parquet").unlink()
        assert job(out=str(out))["documents"] == 9
    assert "the plan is there: 9 documents in 5 shards" in caplog.text and contents(out) == whole
    put_lines(tmp_path / "corpus.txt", ["other words"] * 9)
    with pytest.raises(InputError, match=r"(?s)holds a run that differs.*corpus\.files.*corpus\.txt\.mtime_ns"):
        job(out=str(out))


def test_ids_that_are_trusted_are_not_looked_at_until_they_are(cluster, tmp_path, caplog):
    source = put_json(tmp_path / "corpus.jsonl", [{"id": f"d{k % 8}", "text": "some words"} for k in range(9)])
    work = ShardWork(job="echo", actor=Echo, arguments={}, actors=Actors(count=1), use_gpu=False)
    out = tmp_path / "out"

    def job(ids):
        config = Corpus(corpus=(source,), shard_documents=2, ids=ids)
        described = {"fingerprint": {}, "describe": {"labels": []}, "language": "en"}
        return map_corpus(config, str(out), lambda plan: work, job="echo", **described)

    with caplog.at_level(logging.WARNING, "kdner"):
        summary = job("trust")
    assert summary["documents"] == 9 and summary["ids_checked"] is False
    assert "--ids trust: missing and duplicate ids are not looked for" in caplog.text
    (out / "_SUCCESS").unlink()
    with pytest.raises(InputError, match=r"'d0': .*corpus\.jsonl line 1, .*corpus\.jsonl line 9"):
        job("check")


def test_a_changed_file_refuses_a_run_unless_it_reads_the_same_or_its_change_is_accepted(cluster, job, tmp_path):
    source, out = tmp_path / "corpus.txt", tmp_path / "out"
    job(out=str(out))
    whole = contents(out)
    os.utime(source, ns=(1, 1))
    assert job(out=str(out))["documents"] == 9  # everything is there
    (out / "_SUCCESS").unlink()
    (out / "part-00003.parquet").unlink()
    put_lines(source, ["some words"] * 6 + ["other words now"] + ["some words"] * 2)
    with pytest.raises(InputError, match=r"(?s)holds a run that differs.*corpus\.txt\.size"):
        job(out=str(out))
    assert job(out=str(out), retries=Retries(accept_changes=(str(source),)))["words"] == 95
    changed = {name for name, content in contents(out).items() if content != whole[name]}
    assert changed == {"part-00003.parquet", "_summary.json"}
    assert job(out=str(out))["words"] == 95
