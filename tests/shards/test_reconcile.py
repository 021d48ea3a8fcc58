from __future__ import annotations

import json

import numpy as np
import pyarrow as pa
import pytest
from files import put_lines

from kdner.corpora.plan import plan_corpus
from kdner.errors import InputError
from kdner.runs.run_directory import SUCCESS, RunDirectory
from kdner.runs.schema import ENTITIES
from kdner.shards import reconcile as module
from kdner.shards.outcome import COUNTS, REPLACED
from kdner.shards.reconcile import forget_errors, reconcile
from kdner.shards.tally import Tally

SHARDS = 9


@pytest.fixture
def plan(tmp_path):
    return plan_corpus([put_lines(tmp_path / "a.txt", ["some words"] * 2 * SHARDS)], shard_documents=2)


def write(run, shard, documents=2, words=4, errors=0):
    table = pa.Table.from_pylist([{"id": f"{shard}-{k}", "entities": []} for k in range(documents)], ENTITIES)
    metadata = {
        COUNTS: json.dumps({"documents": documents, "words": words, "errors": errors}),
        REPLACED: '{"a.txt": 1}',
    }
    run.write_table(f"part-{shard:05d}.parquet", table, ENTITIES, metadata=metadata)


@pytest.fixture
def run(plan, tmp_path):
    run = RunDirectory.open(str(tmp_path / "run"), {}, {"files": plan.shards.names})
    for shard in range(SHARDS):
        write(run, shard)
    return run


def known(*shards, words=4):
    counts = json.dumps({"documents": 2, "words": words, "errors": 0})
    return pa.table(
        {"shard": pa.array(shards, pa.int64()), "counts": [counts] * len(shards), "replaced": ["{}"] * len(shards)}
    )


def tally_of(plan, *shards):
    tally = Tally(plan, 1.0)
    for shard in shards:
        counts = json.dumps({"documents": 2, "words": 4, "errors": 0})
        row = {
            "shard": shard,
            "counts": counts,
            "replaced": "{}",
            "reasons": "[]",
            "began": 0,
            "ended": 1,
            "memory_mb": 0,
        }
        tally.add(row)
    return tally


def test_what_was_mapped_what_is_known_and_what_must_be_read_add_up(plan, run, monkeypatch):
    read, metadata = [], RunDirectory.table_metadata
    monkeypatch.setattr(RunDirectory, "table_metadata", lambda self, name: read.append(name) or metadata(self, name))
    total = reconcile(plan, run, tally_of(plan, 0, 1), np.array([0, 1]), known(2, 3, 4, 5))
    assert {name: total[name] for name in ("documents", "words", "errors")} == {
        "documents": 18,
        "words": 36,
        "errors": 0,
    }
    assert total["replaced_characters"] == 3  # of the files that were read for it
    assert len(read) == 4 and {"part-00006.parquet", "part-00007.parquet", "part-00008.parquet"} < set(read)


def test_a_file_that_is_not_what_was_made_is_refused(plan, run, monkeypatch):
    monkeypatch.setattr(module, "ONE_SAMPLED_OF", 1)
    every = tuple(range(SHARDS))
    with pytest.raises(InputError, match=r"part-0000\d\.parquet: holds \{.*'words': 4.*'words': 5.*delete it"):
        reconcile(plan, run, Tally(plan, 1.0), np.array([], int), known(*every, words=5))
    write(run, 4, documents=1)
    for told in (every, (0, 1)):
        with pytest.raises(InputError, match=r"part-00004\.parquet: holds 1 documents where the plan has 2; delete it"):
            reconcile(plan, run, Tally(plan, 1.0), np.array([], int), known(*told))


def test_a_file_that_is_not_what_was_mapped_now_is_refused(plan, run, monkeypatch):
    monkeypatch.setattr(module, "ONE_SAMPLED_OF", 1)
    mapped = np.arange(SHARDS)
    write(run, 7, words=5)
    with pytest.raises(InputError, match=r"part-00007\.parquet: holds \{.*'words': 5.*'words': 4.*delete it"):
        reconcile(plan, run, tally_of(plan, *mapped.tolist()), mapped, known())


def test_a_shard_whose_row_comes_twice_counts_once(plan, run):
    total = reconcile(plan, run, tally_of(plan, 0, 1, 1, 0), np.array([0, 1]), known())
    assert (total["documents"], total["words"]) == (18, 36)


def test_files_with_errors_are_forgotten_and_so_is_that_the_run_was_done(run):
    write(run, 3, errors=1)
    run.finish({})
    (run.local_path / "part-00005.parquet").unlink()
    forget_errors(run)
    assert run.pending() == ["part-00003.parquet", "part-00005.parquet"] and not run.has(SUCCESS)
