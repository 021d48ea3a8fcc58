"""Every job submitted, from a checkout, to a cluster that was started with `ray start --head`."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
from pathlib import Path

import pytest
from two_nodes import wait_until

pytestmark = [pytest.mark.ray, pytest.mark.cluster, pytest.mark.timeout(1200)]

ROOT = Path(__file__).parents[2]
HERE = "127.0.0.1"


def free_port():
    with socket.socket() as probe:
        probe.bind((HERE, 0))
        return probe.getsockname()[1]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """What git has of this project, as it is now, and the name of the commit."""
    folder = tmp_path_factory.mktemp("checkout")
    commit = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    (folder / ".git").mkdir()
    (folder / ".git" / "HEAD").write_text(commit)
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    for name in filter(None, listed.split("\0")):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, folder / name, follow_symlinks=False)  # `kdner/jobs` is one
    return folder


@pytest.fixture(scope="module")
def head():
    """A cluster that a token guards: its dashboard's address, and the environment of one who knows the token."""
    port, dashboard = free_port(), free_port()
    known = {
        **{name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "RAY_ADDRESS")},
        "RAY_AUTH_MODE": "token",
        "RAY_AUTH_TOKEN": secrets.token_hex(32),
        "RAY_OVERRIDE_RUNTIME_ENV_DEFAULT_EXCLUDES": "",
        "RAY_USAGE_STATS_ENABLED": "0",
    }
    command = f"ray start --head --block --port={port} --dashboard-host={HERE} --dashboard-port={dashboard}"
    cluster = subprocess.Popen(command.split(), env=known, start_new_session=True)
    try:
        wait_until(lambda: cluster.poll() is not None or not closed(dashboard))
        address = f"http://{HERE}:{dashboard}"
        nothing = ["ray", "job", "submit", "--address", address, "--", "true"]
        wait_until(lambda: subprocess.run(nothing, env=known, capture_output=True).returncode == 0)  # its agent is up
        yield address, known
    finally:
        os.killpg(cluster.pid, signal.SIGKILL)
        cluster.wait()


def closed(port):
    with socket.socket() as probe:
        return probe.connect_ex((HERE, port)) != 0


@pytest.fixture
def submit(head, checkout):
    """Submit a command as the README says; returns exit code and log."""

    def submit(*command):
        address, known = head
        flags = ["--address", address, "--working-dir", ".", "--runtime-env", "cluster/runtime_env.yaml", "--"]
        shown = subprocess.run(
            ["ray", "job", "submit", *flags, *map(str, command)],
            cwd=checkout,
            env=known,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        return shown.returncode, shown.stdout

    return submit


@pytest.fixture
def run(submit):
    """Submit a job that must succeed; returns its log."""

    def run(job, *flags):
        code, log = submit("python", f"jobs/{job}.py", *flags)
        assert code == 0, log
        return log

    return run


def test_every_job_runs_with_what_travels(
    run, submit, checkout, bert_base, train_file, test_file, corpus_file, tmp_path
):
    code, log = submit("python", "-c", "import kdner; print(kdner.__file__)")
    assert code == 0 and "runtime_resources" in log, "the code is not the one that was submitted"

    out = lambda name: tmp_path / name  # noqa: E731
    small = ["--student.hidden", 16, "--student.word-dim", 16, "--distillation.batch-words", 100]
    short = ["--fine-tuning.epochs", 12, "--fine-tuning.learning-rate", 5e-3, "--fine-tuning.batch-sentences", 8]
    corpus = ["--corpus", corpus_file, "--shard-documents", 10, "--max-error-rate", 0.1]
    logs = {
        "finetune_teacher": run(
            *("finetune_teacher", "--labeled", train_file, "--teacher", bert_base, "--out", out("teacher"), *short)
        ),
        "precompute_logits": run(
            "precompute_logits", *corpus, "--teacher", out("teacher"), "--out", out("logits"), "--dtype", "float32"
        ),
        "distill_student": run(
            *("distill_student", "--labeled", train_file, "--teacher", out("teacher"), "--logits", out("logits")),
            *("--out", out("student"), *small),
        ),
        "tag_corpus": run("tag_corpus", *corpus, "--student", out("student"), "--out", out("entities")),
    }
    shown = {"finetune_teacher": "teacher", "distill_student": "student"}  # trainings are shown by their folders' names
    for job, log in logs.items():
        assert re.search(rf"{shown.get(job, job)}: .* words/s, took ", log), log
    run("evaluate", "--test", test_file, "--models", out("teacher"), out("student"), "--out", out("evaluation"))
    commit = (checkout / ".git" / "HEAD").read_text().strip()
    for name in ("teacher", "logits", "student", "entities", "evaluation"):
        provenance = json.loads((out(name) / "_summary.json").read_text())["provenance"]
        assert provenance["git_commit"] == commit
        assert provenance["resources"]["CPU"] >= 1 and provenance["versions"]["ray"]
    assert not [path for path in checkout.rglob("*.safetensors") if "pretrained" not in path.parts]

    run(
        *("pipeline", "--labeled", train_file, "--labeled-size", 32, "--test", test_file, *corpus),
        *("--teacher", bert_base, "--out", out("pipeline"), *short, *small, "--distillation.epochs", 2),
    )
    study = ["--sizes", 12, "--seeds", 1, "--students", "labeled", "both", "--corpus", corpus_file]
    assert "| trials | 1 |" in run(
        *("low_resource", "--labeled", train_file, "--test", test_file, "--teacher", bert_base, *study),
        *("--out", out("study"), *short, *small, "--distillation.epochs", 2),
    )
    run(
        *("measure_teacher", "--corpus", corpus_file, "--teacher", out("teacher"), "--words", 200, "--rounds", 1),
        *("--out", out("teacher-speed"), "--dtype", "float32"),
    )
    run(
        *("measure_throughput", "--corpus", corpus_file, "--student", out("student"), "--rounds", 1, "--batches", 1, 8),
        *("--sentences", 16, "--teachers", out("teacher"), "--teacher-sentences", 8, "--growth", 50, 500),
        *("--actors", 1, "--out", out("student-speed")),
    )


def test_the_submitter_learns_of_wrong_input(submit, tmp_path):
    code, log = submit("python", "jobs/tag_corpus.py", "--corpus", "none.txt", "--student", tmp_path, "--out", "out")
    assert code == 1 and "exit code 2" in log  # of ray job submit, and of the job
    assert "error: " in log and str(tmp_path) in log and "Traceback" not in log


def test_who_has_no_token_is_refused(head, checkout):
    address, known = head
    stranger = {**known, "RAY_AUTH_TOKEN": secrets.token_hex(32)}
    command = ["ray", "job", "submit", "--address", address, "--", "python", "-c", "print('inside')"]
    refused = subprocess.run(command, cwd=checkout, env=stranger, capture_output=True, text=True)
    assert refused.returncode != 0 and "inside" not in refused.stdout
    assert "token" in refused.stdout + refused.stderr


def test_the_dashboard_is_on_loopback(head):
    address, _ = head
    port = int(address.rpartition(":")[2])
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as route:
        route.connect(("192.0.2.1", 9))  # sends nothing
        own = route.getsockname()[0]
    assert not own.startswith("127."), "this machine has no other address to try"
    with socket.socket() as probe:
        assert probe.connect_ex((own, port)) != 0
