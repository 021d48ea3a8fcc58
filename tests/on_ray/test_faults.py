"""What the shard map, and a real job on it, leave when something dies midway: the same bytes as when nothing does."""

from __future__ import annotations

import os
import random
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import ray
import torch
import tyro
from files import contents, put_lines, put_parquet
from transformers import AutoTokenizer
from two_nodes import TwoNodes, wait_until

from kdner.corpora.lines import NO_OBJECT
from kdner.corpora.plan import plan_corpus
from kdner.flags import Actors
from kdner.jobs.precompute_logits import PrecomputeLogits, precompute_logits
from kdner.jobs.tag_corpus import TagCorpus, tag_corpus
from kdner.on_ray.shard_actor import ShardActor
from kdner.runs.run_directory import RunDirectory
from kdner.shards.work import ShardWork
from kdner.student.tag_documents import TagDocuments
from kdner.teacher.score_documents import ScoreDocuments
from kdner.text.documents import EMPTY, NO_TEXT

pytestmark = pytest.mark.ray

SHARDS = 120


@pytest.fixture(scope="module")
def two_nodes(cluster):
    """Begun after the cluster that this process uses, whose token all processes then have."""
    with TwoNodes() as nodes:
        yield nodes


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("faults")


@pytest.fixture(scope="module")
def corpus(folder, toy):
    """A corpus of a document for each shard, some of them without text."""
    texts = [None if k % 20 == 7 else " ".join(s.text for s in toy[k % 40 :]) for k in range(SHARDS)]
    return put_parquet(folder / "corpus.parquet", {"id": [f"d{k}" for k in range(SHARDS)], "text": texts})


@pytest.fixture(scope="module")
def tagging(corpus, make_student, tmp_path_factory):
    """The flags of tag_corpus but --out."""
    student = tmp_path_factory.mktemp("student")
    make_student(seed=3).save(student)
    return ["--corpus", corpus, "--shard-documents", 1, "--max-error-rate", 1, "--student", student]


def tag(flags, out):
    """Do tag_corpus in this process, on the cluster that it uses."""
    return tag_corpus(tyro.cli(TagCorpus, args=[str(flag) for flag in [*flags, "--out", out]]))


def test_a_killed_driver_started_again_does_the_rest(cluster, tagging, tmp_path):
    tag(tagging, tmp_path / "undisturbed")
    out = tmp_path / "out"
    script = Path(__file__).parents[2] / "jobs" / "tag_corpus.py"
    here = {**os.environ, "RAY_ADDRESS": ray.get_runtime_context().gcs_address}
    with subprocess.Popen([sys.executable, str(script), *map(str, tagging), "--out", str(out)], env=here) as driver:
        wait_until(lambda: len(finished(out)) > SHARDS / 4 or driver.poll() is not None)
        driver.kill()
    before = finished(out)
    assert SHARDS / 4 < len(before) < SHARDS
    tag(tagging, out)
    assert contents(out) == contents(tmp_path / "undisturbed")
    assert before.items() <= finished(out).items()


@pytest.fixture(scope="module", params=["slow_job", "tag_corpus"])
def job(request, folder, corpus, tagging):
    """A job's script, and its flags but --out."""
    if request.param == "tag_corpus":
        return ["jobs/tag_corpus.py", *tagging]
    shared = ["--corpus", corpus, "--shard-documents", 1, "--max-error-rate", 1]
    return ["tests/slow_job.py", *shared, "--log", folder / "attempts.log"]


@pytest.fixture(scope="module")
def undisturbed(two_nodes, job, tmp_path_factory):
    """What the job leaves where nothing dies."""
    out = tmp_path_factory.mktemp("undisturbed")
    assert two_nodes.run(*job, "--out", out) == 0
    assert len(finished(out)) == SHARDS
    return contents(out)


@pytest.fixture
def midway(two_nodes, job, undisturbed, tmp_path):
    """The driver of the job, in out, when a quarter of the shards have their files."""
    with two_nodes.start(*job, "--out", tmp_path / "out") as driver:
        wait_until(lambda: len(finished(tmp_path / "out")) > SHARDS / 4)
        yield driver
        driver.kill()


def finished(out):
    """When each finished shard's file was written."""
    return {path.name: path.stat().st_mtime_ns for path in out.glob("part-*")}


@pytest.mark.faults
def test_a_driver_killed_on_one_of_two_nodes_started_again_does_the_rest(two_nodes, job, undisturbed, midway, tmp_path):
    midway.kill()
    midway.wait()
    before = finished(tmp_path / "out")
    assert len(before) < SHARDS
    assert two_nodes.run(*job, "--out", tmp_path / "out") == 0
    assert contents(tmp_path / "out") == undisturbed
    assert before.items() <= finished(tmp_path / "out").items()


@pytest.mark.faults
def test_a_job_outlives_an_actor(two_nodes, undisturbed, midway, tmp_path):
    two_nodes.kill_actor(random.Random())
    before = finished(tmp_path / "out")
    assert len(before) < SHARDS
    assert midway.wait(timeout=60) == 0
    assert contents(tmp_path / "out") == undisturbed
    assert before.items() <= finished(tmp_path / "out").items()


@pytest.mark.faults
def test_a_job_outlives_a_node(two_nodes, undisturbed, midway, tmp_path):
    two_nodes.lose_node()
    try:
        before = finished(tmp_path / "out")
        assert len(before) < SHARDS
        assert midway.wait(timeout=60) == 0
    finally:
        two_nodes.add_node()
    assert contents(tmp_path / "out") == undisturbed
    assert before.items() <= finished(tmp_path / "out").items()


@pytest.fixture
def stumbling_teacher(teacher_folder, tmp_path):
    """A teacher that fails on one word: the tokenizer has a piece for it, which the model does not know."""
    folder = shutil.copytree(teacher_folder, tmp_path / "teacher")
    tokenizer = AutoTokenizer.from_pretrained(folder)
    assert tokenizer.add_tokens(["Kaboom"]) == 1
    tokenizer.save_pretrained(folder)
    return folder


def test_a_row_on_which_the_model_fails_stays_with_its_reason(toy_texts, stumbling_teacher, tmp_path):
    texts = toy_texts[:30]
    texts[17] = f"Kaboom ! {texts[17]}"
    source = put_parquet(tmp_path / "corpus.parquet", {"id": [f"d{k}" for k in range(30)], "text": texts})
    plan = plan_corpus([source], shard_documents=5)
    run = RunDirectory.open(str(tmp_path / "out"), {}, {"files": [shard.name for shard in plan.shards]})
    arguments = {"teachers": (str(stumbling_teacher),), "dtype": torch.float32}
    work = ShardWork(job="score", actor=ScoreDocuments, arguments=arguments, actors=Actors(), use_gpu=False)
    actor = ShardActor(run, work)
    assert [actor.map_shard(shard).counts["errors"] for shard in plan.shards] == [0, 0, 0, 1, 0, 0]
    rows = pa.concat_tables(run.tables()).to_pylist()
    assert [row["id"] for row in rows] == [f"d{k}" for k in range(30)]
    (bad,) = [row for row in rows if row["error"]]
    assert bad["id"] == "d17" and bad["error"].startswith("IndexError") and bad["logits"] is None
    assert all(row["logits"] for row in rows if row is not bad)


def test_a_line_without_a_text_says_what_it_holds_instead(make_student, tmp_path):
    (tmp_path / "student").mkdir()
    make_student(seed=3).save(tmp_path / "student")
    lines = ["{cut", '["list"]', "7", '{"text": 5}', '{"text": true}', '{"text": ["a"]}', '{"text": {}}']
    lines += ["{}", '{"text": null}', '{"text": " "}', '{"text": "Anna left ."}']
    plan = plan_corpus([put_lines(tmp_path / "a.jsonl", lines)], shard_documents=4)
    run = RunDirectory.open(str(tmp_path / "out"), {}, {"files": [shard.name for shard in plan.shards]})
    arguments = {"student": str(tmp_path / "student")}
    actor = ShardActor(
        run, ShardWork(job="tag", actor=TagDocuments, arguments=arguments, actors=Actors(), use_gpu=False)
    )
    mapped = [actor.map_shard(shard) for shard in plan.shards]
    assert [shard.counts["errors"] for shard in mapped] == [4, 4, 2]
    assert mapped[0].reasons[0][:2] == (NO_OBJECT, 3)
    kinds = ["a number", "true or false", "a list", "an object"]
    reasons = [*[NO_OBJECT] * 3, *(f"the text is {kind}" for kind in kinds), NO_TEXT, NO_TEXT, EMPTY, None]
    assert pa.concat_tables(run.tables())["error"].to_pylist() == reasons


@pytest.mark.faults
def test_a_document_on_which_a_class_of_ones_own_raises_exits_or_hangs_costs_itself_alone(cluster, tmp_path):
    texts = ["Mira left Oslo .", "Kaboom in Bergen .", "Exit .", "Forever .", *["Tuva met Mira in Oslo ."] * 4]
    source = put_parquet(tmp_path / "corpus.parquet", {"id": list(map(str, range(8))), "text": texts})
    flags = ["--corpus", source, "--shard-documents", "1", "--max-error-rate", "1", "--shard-timeout", "10"]
    flags += ["--teacher", "own_teachers:Stumbling", "--out", str(tmp_path / "out"), "--actors.count", "1"]
    precompute_logits(tyro.cli(PrecomputeLogits, args=flags))
    rows = pa.concat_tables(RunDirectory.finished_at(str(tmp_path / "out")).tables()).to_pylist()
    assert [row["error"] for row in rows] == [
        None,
        "ValueError: half of a pair: \ufffd",
        "ended its process 2 times (exit code 3)",
        "ended its process 2 times (it took longer than 10 s)",
        *[None] * 4,
    ]
    labels = RunDirectory(str(tmp_path / "out")).manifest()["labels"]
    logits = np.array(rows[0]["logits"]).reshape(-1, len(labels))
    assert [labels[label] for label in logits.argmax(axis=1)] == ["B-PER", "O", "B-LOC", "O"]
