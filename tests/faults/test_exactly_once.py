"""Twenty faults at random moments of one job: what is left in the end is what no fault at all leaves.

KDNER_FAULT_SEED=7 pytest -m faults
"""

from __future__ import annotations

import os
import random
import time
from collections import Counter

import pytest
from files import contents, put_parquet
from two_nodes import TwoNodes

pytestmark = [pytest.mark.ray, pytest.mark.faults, pytest.mark.timeout(1800)]

SHARDS = 240
SECONDS = 0.5
"""Time that a shard takes at least."""
FAULTS = 20
PATIENCE_S = 20
"""Longest time from fault to fault: about what a driver takes from its start to its first shard on a busy machine."""
SHARDS_IN_WORK = {"driver": 4, "actor": 1, "node": 2}
"""How many shards a fault can cost at most: as many as the actors that die of it."""


@pytest.fixture(scope="module")
def two_nodes():
    with TwoNodes() as nodes:
        yield nodes


@pytest.fixture(params=["echo", "teacher"])
def job(request, toy_texts, teacher_folder, tmp_path):
    """A slow job's script, and its flags but --out and --log."""
    texts = [None if k % 20 == 7 else f"{k} {toy_texts[k % len(toy_texts)]}" for k in range(2 * SHARDS)]
    corpus = put_parquet(tmp_path / "corpus.parquet", {"id": [f"d{k}" for k in range(2 * SHARDS)], "text": texts})
    job = ["tests/slow_job.py", "--corpus", corpus, "--shard-documents", 2, "--seconds", SECONDS, "--max-error-rate", 1]
    return [*job, "--teacher", teacher_folder] if request.param == "teacher" else job


def test_twenty_faults_leave_what_none_leaves(two_nodes, job, tmp_path, capsys):
    seed = int(os.environ.get("KDNER_FAULT_SEED") or time.time())
    with capsys.disabled():
        print(f"\nKDNER_FAULT_SEED={seed}")
    undisturbed = tmp_path / "undisturbed"
    assert two_nodes.run(*job, "--out", undisturbed, "--log", tmp_path / "undisturbed.log") == 0

    out, log = tmp_path / "out", tmp_path / "attempts.log"
    faults = break_and_restart(two_nodes, [*job, "--out", out, "--log", log], out, random.Random(seed))

    attempts = Counter(log.read_text().split())
    redone = sum(count > 1 for count in attempts.values())
    kinds = ", ".join(f"{count} × {kind} killed" for kind, count in sorted(Counter(faults).items()))
    with capsys.disabled():
        print(f"{len(faults)} faults: {kinds}; {redone} of {SHARDS} shards redone, {attempts.total() - SHARDS} times")
    assert len(attempts) == SHARDS
    assert attempts.total() - SHARDS <= sum(SHARDS_IN_WORK[fault] for fault in faults)
    assert contents(out) == contents(undisturbed)


def break_and_restart(two_nodes, job, out, draw):
    """Run a job to its end through all faults; each comes at a random number of files, or after a random time."""
    faults = draw.sample(["driver", "actor", "node"], FAULTS, counts=[7, 7, 7])
    driver = two_nodes.start(*job)
    try:
        for fault, files in zip(faults, sorted(draw.choices(range(SHARDS // 2), k=FAULTS)), strict=True):
            latest = time.monotonic() + draw.uniform(0, PATIENCE_S)
            while len(list(out.glob("part-*"))) < files and time.monotonic() < latest:
                time.sleep(0.01)
            time.sleep(draw.uniform(0, SECONDS))
            assert driver.poll() is None, f"ended with exit code {driver.poll()} before all faults were done"
            if fault == "driver":
                driver.kill()
                driver.wait()
                driver = two_nodes.start(*job)
            elif fault == "actor":
                two_nodes.kill_actor(draw)
            else:
                two_nodes.lose_node()
                two_nodes.add_node()
        assert driver.wait(timeout=300) == 0
    finally:
        driver.kill()
    return faults
