from __future__ import annotations

import logging
import os
import re
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
import ray
from event_files import scalars

from kdner.distillation.recipe import Distillation
from kdner.errors import InputError
from kdner.jobs.distill_student import DistillStudent, distill_student
from kdner.on_ray.train import Workers
from kdner.runs.run_directory import RunDirectory
from kdner.student.config import StudentConfig
from kdner.student.model import Student

pytestmark = [pytest.mark.ray, pytest.mark.cluster]

SMALL = StudentConfig(head="crf", word_dim=16, character_dim=8, character_filters=8, hidden=16)
SHORT = Distillation(epochs=4, min_steps=1, batch_words=100)


def small(train_file, out) -> DistillStudent:
    return DistillStudent(
        labeled=train_file,
        vectors="random",
        student=SMALL,
        distillation=SHORT,
        development_share=0.15,
        workers=Workers(count=2, cpus=1),
        out=str(out),
    )


@pytest.fixture(scope="module")
def undisturbed(cluster, train_file, tmp_path_factory):
    """Folder of a student that two workers have trained."""
    out = tmp_path_factory.mktemp("undisturbed") / "student"
    distill_student(small(train_file, out))
    return out


def test_two_workers_train_one_student(undisturbed):
    summary = RunDirectory.finished_at(str(undisturbed)).summary()
    losses = [epoch["loss"] for epoch in summary["history"]]
    assert len(losses) == 4 and losses[-1] < losses[0]
    assert summary["labeled_sentences"] + summary["development_sentences"] == 48
    student = Student.from_pretrained(undisturbed)
    assert student.config.head == "crf" and student.parameters_count == summary["parameters"]


def test_it_says_how_fast_it_learned_and_logs_for_tensorboard(undisturbed):
    summary = RunDirectory.finished_at(str(undisturbed)).summary()
    assert summary["training_words_per_second"] > 0 and summary["training_seconds"] > 0
    (log,) = (undisturbed / "tensorboard").iterdir()
    f1 = [value for (name, _), value in scalars(log).items() if name == "development_f1"]
    assert f1 == pytest.approx([epoch["development_f1"] for epoch in summary["history"]])
    steps = [step for name, step in scalars(log) if name == "loss"]
    assert steps == list(range(1, len(steps) + 1)) and len(steps) % 4 == 0


def test_a_driver_killed_midway_goes_on_after_the_last_epoch(undisturbed, train_file, tmp_path, caplog):
    script = (
        "import sys; from kdner.jobs.distill_student import distill_student; "
        "from tests.jobs.test_distill_student import small; distill_student(small(*sys.argv[1:]))"
    )
    out = tmp_path / "killed"
    beside = {
        **os.environ,
        "RAY_ADDRESS": ray.get_runtime_context().gcs_address,
        "PYTHONPATH": os.pathsep.join([os.environ["PYTHONPATH"], str(Path(__file__).parents[2])]),
    }
    driver = subprocess.Popen(
        [sys.executable, "-c", script, train_file, str(out)],
        env=beside,
        start_new_session=True,
        stderr=subprocess.DEVNULL,
    )
    deadline, seen = time.monotonic() + 120, set()
    while len(seen) < 2 and time.monotonic() < deadline:  # Ray Train knows of the first once the second is there
        seen |= {path.parent.name for path in out.glob(".checkpoints/*/checkpoint_*/state.json")}
        time.sleep(0.02)
    os.killpg(driver.pid, signal.SIGKILL)
    driver.wait()
    assert not (out / "_SUCCESS").exists()

    with caplog.at_level(logging.INFO, "kdner"):
        summary = distill_student(small(train_file, out))
    said = [line for line in caplog.messages if re.fullmatch(r"killed: goes on after epoch [1-4] of 4", line)]
    assert len(said) == 1
    assert summary["history"] == RunDirectory.finished_at(str(undisturbed)).summary()["history"]
    assert (out / "model.safetensors").read_bytes() == (undisturbed / "model.safetensors").read_bytes()


def test_a_training_that_diverges_is_told_once_and_not_tried_again(cluster, train_file, tmp_path, caplog):
    config = replace(small(train_file, tmp_path / "student"), distillation=replace(SHORT, learning_rate=1e30))
    with caplog.at_level(logging.INFO, "kdner"), pytest.raises(InputError, match=r"diverged\. Lower --distillation"):
        distill_student(config)
    assert not any("goes on after epoch" in message for message in caplog.messages)
    assert not (tmp_path / "student" / ".checkpoints" / ".diverged").exists()
