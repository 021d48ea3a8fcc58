from __future__ import annotations

import logging
import os
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import pytest
import ray

from kdner.on_ray.cluster import at_once, in_cluster, in_fresh_process, on_one_node
from kdner.on_ray.console import ENDED_PROCESS, _Sender, console, stage_progress, without_lines
from kdner.progress import Snapshot


def work_in_steps(name, steps):
    logging.getLogger("kdner.labeled.json_spans").warning("%s: 3 spans cut a word", name)
    logging.getLogger("ray.data").info("not for people")
    sys.stdout.write("printed by a worker\n")
    progress = stage_progress(name, "step")
    progress.begin(steps)
    for _ in range(steps):
        progress.advance(1, 10, loss=0.5)
    return name


@pytest.mark.ray
@pytest.mark.parametrize("run", [on_one_node, in_fresh_process])
def test_the_driver_shows_log_lines_and_progress_of_other_processes(cluster, run, caplog, capfd):
    with caplog.at_level(logging.INFO, "kdner"):
        assert run(work_in_steps, "teacher", 3) == "teacher"
    lines = [record.getMessage() for record in caplog.records]
    assert "teacher: 3 spans cut a word" in lines and "not for people" not in lines
    assert any(line.startswith("teacher: 3 of 3 steps, loss 0.5, ") for line in lines)
    time.sleep(0.2)  # what Ray would print comes a moment later
    assert "printed by a worker" not in "".join(capfd.readouterr())


class SlowRelay:
    def show(self, snapshot):
        time.sleep(3)


def hand_over_slowly(relay):
    began = time.time()
    done = {"total": 1, "done": 1, "before": 0, "words": 0, "numbers": {}, "seconds": 0.0}
    _Sender(relay).send(Snapshot(what="slow", unit="step", **done))
    return began, time.time()


@pytest.mark.ray
def test_a_process_that_waits_for_the_relay_keeps_its_cores(cluster):
    cores = in_cluster("CPU")
    waiting = ray.remote(num_cpus=cores)(hand_over_slowly).remote(ray.remote(num_cpus=0)(SlowRelay).remote())
    time.sleep(1)
    other = ray.remote(num_cpus=cores)(lambda: time.time()).remote()
    (began, ended), other_began = ray.get([waiting, other])
    assert ended - began > 2 and not began < other_began < ended


@pytest.mark.ray
def test_work_goes_on_where_the_relay_has_died(cluster):
    ray.kill(console.relay)
    try:
        assert on_one_node(work_in_steps, "teacher", 3) == "teacher"
    finally:
        console.start()


def test_an_error_before_there_is_a_relay_is_the_one_that_is_seen(monkeypatch):
    monkeypatch.setattr(console, "relay", None)
    with pytest.raises(ConnectionError, match="no cluster"), console.awaiting("teacher"):
        raise ConnectionError("no cluster")


@pytest.mark.ray
def test_a_step_that_says_nothing_is_shown_as_long_as_it_is_waited_for(cluster, caplog, monkeypatch):
    monkeypatch.setattr("kdner.progress.LINE_EVERY_S", 0.5)
    with caplog.at_level(logging.INFO, "kdner"):
        with console.awaiting("student"):
            time.sleep(2)
        lines = [record.getMessage() for record in caplog.records]
        assert lines and all(line.startswith("student: starting, ") for line in lines)
        time.sleep(2)
        assert len(caplog.records) == len(lines)


def meet(folder, name, other):
    """Leave a file, and wait for that of another process that runs at the same time."""
    (folder / name).touch()
    deadline = time.monotonic() + 60
    while not (folder / other).exists():
        assert time.monotonic() < deadline, "one waited for the other to end"
        time.sleep(0.05)
    return name


@pytest.mark.ray
def test_functions_at_once_share_a_node(cluster, tmp_path):
    pairs = [("teacher", "teacher-2"), ("teacher-2", "teacher")]
    assert at_once([partial(on_one_node, meet, tmp_path, *pair) for pair in pairs], most=2) == ["teacher", "teacher-2"]


@pytest.mark.ray
def test_work_at_once_stops_at_an_error_but_ends_what_has_begun(cluster):
    done = []

    def fail():
        raise ValueError("the second")

    with pytest.raises(ValueError, match="the second"):
        at_once([lambda: done.append(1), fail, lambda: done.append(3)], most=1)
    assert done == [1]


def test_one_known_line_is_kept_off_standard_error(capfd):
    with without_lines(r"core_worker\.cc.*max_restarts"):
        os.write(2, b"[E 1] core_worker.cc:1: has arguments and max_restarts > 0\n[E 2] core_worker.cc:2: died\n")
        subprocess.run([sys.executable, "-c", "import os; os.write(2, b'from a child\\n')"], check=True)
    sys.stderr.write("after\n")
    assert capfd.readouterr().err == "[E 2] core_worker.cc:2: died\nfrom a child\nafter\n"


def test_blocks_that_overlap_keep_their_lines_off_and_leave_the_streams_as_they_were(capfd):
    before = Path("/proc/self/fd/2").readlink()
    first, second = without_lines("one"), without_lines("two")
    first.__enter__()
    second.__enter__()
    os.write(2, b"one\ntwo\nthree\n")
    first.__exit__(None, None, None)
    os.write(2, b"two\nfour\n")
    second.__exit__(None, None, None)
    os.write(2, b"one, two\n")
    assert Path("/proc/self/fd/2").readlink() == before
    assert capfd.readouterr().err == "three\nfour\none, two\n"


def test_notes_on_two_jobs_of_one_name_end_one_by_one():
    with console.noting("tag_corpus", lambda: "first"):
        with console.noting("tag_corpus", lambda: "second"):
            pass
        assert [note() for _, note in console._notes.values()] == ["first"]
    assert not console._notes


def test_what_ray_says_of_a_process_that_ended_is_left_to_the_shard_map(capfd):
    told = b"(raylet) 2 Workers (tasks / actors) killed due to memory pressure (OOM)\n\n"
    with without_lines(ENDED_PROCESS):
        os.write(1, b"\33[33m(raylet)\33[0m A worker died or was killed while executing a task by ...\n")
        os.write(1, b"(raylet) Task Map(Actor).submit failed. There are infinite retries remaining, so ...\n")
        os.write(1, b"(raylet) Raylet is terminated. Last 20 lines of the Raylet logs:\n    [state-dump] mean = 1\n")
        os.write(1, b"(raylet) A worker died ")
        time.sleep(0.1)
        os.write(1, b"or was killed while executing a task, in two parts\n")
        os.write(1, b"    [2026-01-01 00:00:00,000 I 1 1] (raylet) main.cc:1: Hello\n\n" + told)
    assert capfd.readouterr().out == told.decode()


def test_a_bar_that_has_no_end_of_line_is_seen_at_once(capfd):
    with without_lines("max_restarts"):
        os.write(2, b"\r 10 %|#   |")
        deadline = time.monotonic() + 30
        while "10 %" not in (shown := capfd.readouterr().err):
            assert time.monotonic() < deadline
            time.sleep(0.01)
    assert shown == "\r 10 %|#   |"


PRINTS_ON = """
import sys
from kdner.on_ray.console import outlive_readers, without_lines
outlive_readers()
print("begun", flush=True)
with without_lines("never"):
    for _ in range(20000):
        print("more")
        print("a warning", file=sys.stderr)
open(sys.argv[1], "w").write("done")
"""


def test_a_job_goes_on_when_nobody_reads_what_it_prints(tmp_path):
    ended = tmp_path / "ended"
    command = [sys.executable, "-c", PRINTS_ON, ended]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout.readline() == "begun\n"
        process.stdout.close()
        assert process.wait(timeout=60) == 0
    assert ended.read_text() == "done"


PRINTS_AND_WAITS = """
import sys
from kdner.on_ray.console import outlive_readers
outlive_readers()
print("a line", file=sys.stderr)
sys.stdin.read()
"""


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_line_is_seen_when_it_is_written(tmp_path, unbuffered):
    log = tmp_path / "log"
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    with log.open("w") as stderr:
        command = [sys.executable, "-c", PRINTS_AND_WAITS]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stderr=stderr, env=environment) as process:
            deadline = time.monotonic() + 60
            while not (seen := log.read_text()) and time.monotonic() < deadline:
                time.sleep(0.05)
            process.stdin.close()
    assert seen == "a line\n"
