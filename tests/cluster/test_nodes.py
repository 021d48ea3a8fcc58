"""Whole jobs on a cluster of two nodes that loses one in the midst of each stage, or gets one more."""

from __future__ import annotations

import subprocess

import pytest
from event_files import events
from files import contents, put_parquet
from two_nodes import TwoNodes, wait_until

from kdner.distillation.recipe import Distillation
from kdner.jobs.distill_student import DistillStudent, distill_student
from kdner.on_ray.train import Workers
from kdner.runs.run_directory import RunDirectory
from kdner.student.config import StudentConfig

pytestmark = [pytest.mark.ray, pytest.mark.cluster, pytest.mark.timeout(1200)]

STAGES = ("transfer", "teacher", "logits", "student", "baseline", "entities")
SHARDS = 150


@pytest.fixture(scope="module")
def two_nodes():
    with TwoNodes() as nodes:
        yield nodes


@pytest.fixture
def corpus(toy_texts, tmp_path):
    texts = [f"{k} . {toy_texts[k % 48]}" for k in range(SHARDS)]
    return put_parquet(tmp_path / "corpus.parquet", {"id": [f"d{k}" for k in range(SHARDS)], "text": texts})


def finished(folder):
    return len(list(folder.glob("part-*")))


def made(folder):
    """What a stage made: the hash of each file, but for those that name the run's own folder or its time."""
    own = {"_manifest.json", "_summary.json", "README.md"}
    return {name: made for name, made in contents(folder).items() if name not in own}


def test_a_pipeline_that_loses_a_node_in_each_stage_leaves_the_same(
    two_nodes, corpus, train_file, test_file, bert_base, tmp_path
):
    job = [
        *("jobs/pipeline.py", "--labeled", train_file, "--labeled-size", 32, "--test", test_file, "--corpus", corpus),
        *("--teacher", bert_base, "--fine-tuning.epochs", 12, "--fine-tuning.learning-rate", 5e-3),
        *("--shard-documents", 1, "--student.hidden", 16, "--student.word-dim", 16, "--student.character-filters", 8),
        *("--distillation.epochs", 12, "--distillation.batch-words", 100, "--workers.count", 2, "--workers.cpus", 1),
    ]
    undisturbed, out = tmp_path / "undisturbed", tmp_path / "out"
    with two_nodes.start(*job, "--out", undisturbed) as driver:
        assert driver.wait(timeout=400) == 0

    midway = {
        "precompute": lambda: (out / "logits" / "_manifest.json").exists() and two_nodes.actors(),  # it is one shard
        "distill": lambda: len(list(out.glob("student/.checkpoints/*/checkpoint_*"))) > 0,
        "tag": lambda: finished(out / "entities") > 25,
    }
    with two_nodes.start(*job, "--out", out) as driver:
        for stage, reached in midway.items():
            wait_until(lambda: reached() or driver.poll() is not None, timeout_s=400)  # noqa: B023
            two_nodes.lose_node()
            assert driver.poll() is None, f"ended with exit code {driver.poll()} before {stage}"
            two_nodes.add_node()
        assert finished(out / "entities") < SHARDS
        assert driver.wait(timeout=400) == 0
    for stage in STAGES:
        assert made(out / stage) == made(undisturbed / stage), stage
    begun = [
        event.step
        for path in (out / "student" / "tensorboard").iterdir()
        for event in events(path)
        if event.session_log.status == 1  # SessionLog.START
    ]
    assert min(begun) == 1 < max(begun), "training did not go on from a checkpoint"


def test_a_node_that_joins_while_a_job_runs_is_used(two_nodes, corpus, tmp_path):
    two_nodes.lose_node()
    slow = ["tests/slow_job.py", "--corpus", corpus, "--shard-documents", 1, "--seconds", 0.5]
    with two_nodes.start(*slow, "--log", tmp_path / "log", "--out", tmp_path / "out") as driver:
        wait_until(lambda: finished(tmp_path / "out") > 3)
        assert len(two_nodes.actors()) == 1
        two_nodes.add_node()
        wait_until(lambda: two_nodes.actors(two_nodes.other))
        assert driver.poll() is None
        assert driver.wait(timeout=200) == 0
    assert finished(tmp_path / "out") == SHARDS


def test_a_job_waits_for_the_first_node_that_works(corpus, bert_base, train_file, tmp_path):
    flags = ["--labeled", train_file, "--teacher", bert_base, "--fine-tuning.epochs", 1, "--out", tmp_path / "out"]
    with (
        TwoNodes(head_cpus=0, other=False) as nodes,
        nodes.start("jobs/finetune_teacher.py", *flags, stderr=subprocess.PIPE, text=True) as driver,
    ):
        assert any("waiting for a node with CPUs, 15 s so far" in line for line in driver.stderr)
        nodes.add_node()
        assert driver.communicate(timeout=200)[1]
    assert driver.returncode == 0 and RunDirectory.finished_at(str(tmp_path / "out")).summary()["sentences"] == 48


def test_one_and_two_workers_learn_alike(cluster, train_file, logits_folder, tmp_path):
    def losses(workers):
        summary = distill_student(
            DistillStudent(
                labeled=train_file,
                logits=(logits_folder,),
                vectors="random",
                student=StudentConfig(word_dim=16, character_dim=8, character_filters=8, hidden=16),
                # many sentences a batch: of few, two halves of whole sentences are more than one batch
                distillation=Distillation(epochs=6, batch_words=480, min_steps=1),
                workers=Workers(count=workers, cpus=1),
                out=str(tmp_path / f"{workers} workers"),
            )
        )
        return [epoch["loss"] for epoch in summary["history"]]

    alone, together = losses(1), losses(2)
    assert together == pytest.approx(alone, rel=0.15, abs=0.01)  # of losses that begin at 1
    assert alone[-1] < alone[0] / 3
