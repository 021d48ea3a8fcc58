"""Jobs on hosts that have their own names, addresses and mounts: one is cut off, loses a mount, or is lost."""

from __future__ import annotations

import subprocess
import time
from itertools import product
from pathlib import Path

import pytest
from files import contents, put_parquet
from hosts import Network, TwoHosts, need_namespaces
from slow_job import SlowJob, slow_job
from two_nodes import wait_until

from kdner.runs.run_directory import RunDirectory

pytestmark = [pytest.mark.ray, pytest.mark.cluster, pytest.mark.timeout(1500)]

SHARDS = 60
WORKERS = ("ShardActor", "RayTrainWorker")
"""What the processes of the shard map and of training call themselves."""
SHORT_CUT_S = 20
"""Longer than Ray waits for one answer of a node, shorter than it waits for the node."""


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    need_namespaces()
    with Network(tmp_path_factory.mktemp("network")) as network:
        yield network


@pytest.fixture
def start_cluster(network):
    """Start a cluster of two new hosts."""
    began = len(network.hosts)

    def start(**options):
        return TwoHosts(network, **options)

    yield start
    for host in network.hosts[began:]:
        host.lose()


@pytest.fixture(scope="module")
def corpus(toy_texts, tmp_path_factory):
    texts = [f"{k} . {toy_texts[k % 48]}" for k in range(SHARDS)]
    mount = tmp_path_factory.mktemp("mount")
    return put_parquet(mount / "corpus.parquet", {"id": [f"d{k}" for k in range(SHARDS)], "text": texts})


@pytest.fixture
def slow(corpus, tmp_path):
    """A job of a minute on two cores: its script, and its flags but --out."""
    return [
        *("tests/slow_job.py", "--corpus", corpus, "--shard-documents", 1, "--seconds", 1.5, "--patience-s", 2),
        *("--log", tmp_path / "attempts.log"),
    ]


@pytest.fixture(scope="module")
def undisturbed(cluster, corpus, tmp_path_factory):
    """What it leaves on an ordinary cluster."""
    out = tmp_path_factory.mktemp("undisturbed")
    slow_job(SlowJob(corpus=(corpus,), shard_documents=1, seconds=0, log=f"{out}.log", out=str(out)))
    return contents(out)


def finished(out):
    """When each finished shard's file was written."""
    return {path.name: path.stat().st_mtime_ns for path in out.glob("part-*")}


def await_midway(driver, hosts, out):
    """Wait until both hosts work, and some shards are done."""
    wait_until(lambda: driver.poll() is not None or (len(finished(out)) > 5 and work(hosts)), 200, every_s=0.5)
    assert driver.poll() is None, f"ended with exit code {driver.poll()} before the fault"


def work(hosts):
    """Tell whether both hosts have a process of the shard map."""
    return all(host.processes("ShardActor") for host in hosts.all)


def test_a_pipeline_runs_on_both_hosts(start_cluster, corpus, train_file, test_file, bert_base, tmp_path):
    hosts = start_cluster()
    job = [
        *("jobs/pipeline.py", "--labeled", train_file, "--labeled-size", 32, "--test", test_file, "--corpus", corpus),
        *("--teacher", bert_base, "--fine-tuning.epochs", 12, "--fine-tuning.learning-rate", 5e-3),
        *("--shard-documents", 1, "--student.hidden", 16, "--student.word-dim", 16, "--student.character-filters", 8),
        *("--distillation.epochs", 12, "--distillation.batch-words", 100, "--workers.count", 2, "--workers.cpus", 1),
    ]
    with hosts.start(*job, "--out", tmp_path / "out") as driver:
        seen = set()
        while driver.poll() is None:
            seen |= {(host, named) for host in hosts.all for named in WORKERS if host.processes(named)}
            time.sleep(0.5)
    assert driver.returncode == 0 and seen == set(product(hosts.all, WORKERS))
    assert RunDirectory.finished_at(str(tmp_path / "out" / "entities")).summary()["documents"] == SHARDS


def test_a_link_that_is_cut_for_a_while_costs_what_was_under_way_at_most(start_cluster, slow, undisturbed, tmp_path):
    hosts, out = start_cluster(), tmp_path / "out"
    with hosts.start(*slow, "--out", out) as driver:
        await_midway(driver, hosts, out)
        hosts.cut()
        time.sleep(SHORT_CUT_S)
        assert driver.poll() is None, f"ended with exit code {driver.poll()} while the link was cut"
        hosts.mend()
        assert driver.wait(timeout=900) == 0
    assert contents(out) == undisturbed
    assert len((tmp_path / "attempts.log").read_text().split()) <= SHARDS + len(hosts.all)


def test_a_host_that_stays_cut_off_is_done_without(start_cluster, slow, undisturbed, tmp_path):
    hosts, out = start_cluster(quick=True), tmp_path / "out"
    with hosts.start(*slow, "--out", out) as driver:
        await_midway(driver, hosts, out)
        hosts.cut()
        assert driver.wait(timeout=900) == 0
    assert contents(out) == undisturbed


def test_a_host_that_loses_the_corpus_is_done_without(start_cluster, corpus, slow, undisturbed, tmp_path):
    hosts, out = start_cluster(), tmp_path / "out"
    with hosts.start(*slow, "--out", out, stderr=subprocess.PIPE, text=True) as driver:
        await_midway(driver, hosts, out)
        hosts.worker.hide(Path(corpus).parent)
        told = driver.communicate(timeout=900)[1]
    assert driver.returncode == 0, told
    assert f"on {hosts.worker.name}: {corpus}" in told
    assert contents(out) == undisturbed


def test_where_no_host_sees_the_corpus_the_job_names_them(start_cluster, corpus, slow, undisturbed, tmp_path):
    hosts, out = start_cluster(), tmp_path / "out"
    with hosts.start(*slow, "--out", out, stderr=subprocess.PIPE, text=True) as driver:
        await_midway(driver, hosts, out)
        for host in hosts.all:
            host.hide(Path(corpus).parent)
        told = driver.communicate(timeout=900)[1]
    assert driver.returncode == 2, told
    *_, error = told.partition("error: ")
    assert all(f"on {host.name}: {corpus}" in error for host in hosts.all), told
    before = finished(out)
    for host in hosts.all:
        host.show(Path(corpus).parent)
    assert hosts.run(*slow, "--out", out) == 0
    assert before.items() <= finished(out).items()
    assert contents(out) == undisturbed


def test_a_new_cluster_does_the_rest_when_the_head_is_lost(start_cluster, slow, undisturbed, tmp_path):
    hosts, out = start_cluster(), tmp_path / "out"
    with hosts.submit(*slow, "--out", out) as submitter:
        await_midway(submitter, hosts, out)
        hosts.head.lose()
        submitter.wait(timeout=60)
    hosts.worker.lose()
    before = finished(out)
    assert 5 < len(before) < SHARDS
    with start_cluster().submit(*slow, "--out", out, stdout=subprocess.PIPE, text=True) as submitter:
        told = submitter.communicate(timeout=900)[0]
    assert submitter.returncode == 0, told
    assert f"{len(before)} of {SHARDS} shards are there" in told
    assert before.items() <= finished(out).items()
    assert contents(out) == undisturbed
