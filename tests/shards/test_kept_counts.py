from __future__ import annotations

import numpy as np
import pytest

from kdner.errors import StorageError
from kdner.runs.run_directory import RunDirectory
from kdner.shards import kept_counts
from kdner.shards.kept_counts import KeptCounts

NONE = np.array([], np.int64)


@pytest.fixture
def run(tmp_path):
    return RunDirectory.open(str(tmp_path / "run"), {})


def row(shard, words=1):
    return {"shard": shard, "counts": f'{{"words": {words}}}', "replaced": "{}", "host": "here"}


def known(run, pending=NONE):
    table = KeptCounts(run).load(np.array(pending, np.int64))
    return dict(zip(table["shard"].to_pylist(), table["counts"].to_pylist(), strict=True))


def fail_after(run, *rows):
    kept = KeptCounts(run)
    with pytest.raises(KeyboardInterrupt), kept.written_at_the_end():
        for each in rows:
            kept.add(each)
        raise KeyboardInterrupt


def test_a_run_that_fails_knows_its_counts_at_the_next_start_and_the_last_word_counts(run):
    assert known(run) == {}
    fail_after(run, row(3), row(1))
    fail_after(run, row(2), row(3, words=2))
    assert known(run) == {1: '{"words": 1}', 2: '{"words": 1}', 3: '{"words": 2}'}
    kept = KeptCounts(run)
    kept.load(NONE)
    kept.delete()
    assert known(run) == {} and [path.name for path in run.local_path.iterdir()] == ["_manifest.json"]


def test_counts_of_a_file_that_was_deleted_are_forgotten_also_when_the_next_driver_is_killed(run):
    fail_after(run, row(1), row(2))
    assert known(run, pending=[2]) == {1: '{"words": 1}'}
    assert known(run) == {1: '{"words": 1}'}
    fail_after(run, row(2, words=5))
    assert known(run) == {1: '{"words": 1}', 2: '{"words": 5}'}


def test_a_driver_that_may_be_killed_writes_now_and_then(run, monkeypatch):
    monkeypatch.setattr(kept_counts, "WRITE_EVERY_S", -1)
    kept = KeptCounts(run)
    kept.add(row(1))
    assert known(run) == {1: '{"words": 1}'}


def test_storage_that_is_away_loses_nothing_and_hides_no_failure(run, monkeypatch):
    def away(*_, **__):
        raise StorageError("away")

    monkeypatch.setattr(kept_counts, "WRITE_EVERY_S", -1)
    kept = KeptCounts(run)
    with monkeypatch.context() as patched:
        patched.setattr(RunDirectory, "write_table", away)
        kept.add(row(1))
        with pytest.raises(KeyboardInterrupt), kept.written_at_the_end():
            raise KeyboardInterrupt
    kept.add(row(2))
    assert known(run) == {1: '{"words": 1}', 2: '{"words": 1}'}
