from __future__ import annotations

import json
import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from contextlib import contextmanager
from dataclasses import asdict, replace

import pytest

import kdner.runs.lock
from kdner.errors import InputError
from kdner.runs.lock import Holder, hold


@contextmanager
def job_in(path):
    """Hold a directory's lock in another process until the block ends."""
    script = "import sys; from kdner.runs.lock import hold\n"
    script += "with hold(sys.argv[1]): print('held', flush=True); sys.stdin.read()"
    job = subprocess.Popen([sys.executable, "-c", script, str(path)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert job.stdout.readline() == b"held\n"
    try:
        yield job
    finally:
        job.communicate()


def lock_of(path, *, ahead_s=0.0, **other):
    """Leave the lock of another holder, like this process except for what is given."""
    path.mkdir(exist_ok=True)
    (path / ".lock").write_text(json.dumps(asdict(replace(Holder.this_process(), **other))))
    os.utime(path / ".lock", (time.time() + ahead_s,) * 2)


def dead(path):
    lock_of(path, started=1)  # the process identifier is in use, by a process that began later


def names(path):
    return sorted(file.name for file in path.iterdir())


def test_a_second_job_is_refused_while_the_first_lives(tmp_path):
    with job_in(tmp_path) as first:
        with pytest.raises(InputError) as refusal, hold(str(tmp_path)):
            raise AssertionError("two jobs hold one directory")
        shown = json.loads((tmp_path / ".lock").read_text())
        for part in (str(tmp_path), f"process {first.pid} on {shown['host']}", shown["since"], "Wait until it ends"):
            assert part in str(refusal.value)
        assert names(tmp_path) == [".lock"]
    with hold(str(tmp_path)):
        assert json.loads((tmp_path / ".lock").read_text())["pid"] == os.getpid()
    assert names(tmp_path) == []


@pytest.mark.parametrize("buried", [False, True])
def test_a_killed_job_is_taken_over_from_at_once(tmp_path, buried):
    with job_in(tmp_path) as first:
        first.send_signal(signal.SIGKILL)
        os.waitid(os.P_PID, first.pid, os.WEXITED | (0 if buried else os.WNOWAIT))  # unless buried it stays a zombie
        with hold(str(tmp_path)) as unseen:
            assert names(tmp_path) == [".lock"] and not unseen


ELSEWHERE = [{"host": "elsewhere"}, {"kernel": "another boot"}, {"host": "elsewhere", "pid": os.getpid()}]


@pytest.mark.parametrize("other", ELSEWHERE, ids=["host", "boot", "host with this process's number"])
def test_a_job_on_another_machine_lives_if_it_gives_a_sign(tmp_path, monkeypatch, other):
    monkeypatch.setattr(kdner.runs.lock, "WATCH_S", 0.02)
    lock_of(tmp_path, ahead_s=-1000, **other)  # its clock is behind, or this one ahead
    sign = threading.Timer(0.3, os.utime, [tmp_path / ".lock"])
    sign.start()
    with pytest.raises(InputError, match="another job works here"):
        hold(str(tmp_path)).__enter__()
    sign.join()
    assert names(tmp_path) == [".lock"]


@pytest.mark.parametrize("other", ELSEWHERE, ids=["host", "boot", "host with this process's number"])
@pytest.mark.parametrize("ahead_s", [-1000, 1000])
def test_a_job_on_another_machine_that_stays_silent_is_taken_over_from(tmp_path, monkeypatch, caplog, other, ahead_s):
    monkeypatch.setattr(kdner.runs.lock, "WATCH_S", 0.02)
    monkeypatch.setattr(kdner.runs.lock, "DEAD_AFTER_S", 0.4)
    lock_of(tmp_path, ahead_s=ahead_s, **other)
    started = time.monotonic()
    with caplog.at_level(logging.INFO, "kdner"), hold(str(tmp_path)) as unseen:
        assert time.monotonic() - started > 0.4 and unseen
        assert json.loads((tmp_path / ".lock").read_text())["kernel"] == Holder.this_process().kernel
    assert "taken over from if it gives no sign of life for 0 s" in caplog.text


def test_who_takes_over_twice_remembers_that_the_first_holder_may_still_write(tmp_path, monkeypatch):
    monkeypatch.setattr(kdner.runs.lock, "WATCH_S", 0.02)
    monkeypatch.setattr(kdner.runs.lock, "DEAD_AFTER_S", 0.1)
    bury, quicker = kdner.runs.lock._bury, [dead]

    def bury_beside_a_quicker_job(path, holder):
        bury(path, holder)
        if quicker:
            quicker.pop()(tmp_path)

    monkeypatch.setattr(kdner.runs.lock, "_bury", bury_beside_a_quicker_job)
    lock_of(tmp_path, host="elsewhere")
    with hold(str(tmp_path)) as unseen:
        assert unseen and not quicker


def test_a_job_on_another_machine_may_end_while_it_is_watched(tmp_path, monkeypatch):
    monkeypatch.setattr(kdner.runs.lock, "WATCH_S", 0.02)
    lock_of(tmp_path, host="elsewhere")
    end = threading.Timer(0.3, (tmp_path / ".lock").unlink)
    end.start()
    with hold(str(tmp_path)):
        assert names(tmp_path) == [".lock"]
    end.join()


def test_a_living_process_of_this_machine_may_be_silent(tmp_path):
    with job_in(tmp_path):
        os.utime(tmp_path / ".lock", (0, 0))
        with pytest.raises(InputError, match="another job works here"):
            hold(str(tmp_path)).__enter__()


def test_a_process_that_has_the_identifier_of_a_dead_one_is_another(tmp_path):
    dead(tmp_path)
    with hold(str(tmp_path)):
        assert names(tmp_path) == [".lock"]


def test_the_lock_goes_when_the_job_fails(tmp_path):
    for error in (RuntimeError, KeyboardInterrupt, SystemExit):
        with pytest.raises(error), hold(str(tmp_path / "new" / "run")):
            assert names(tmp_path / "new" / "run") == [".lock"]
            raise error
        assert names(tmp_path / "new" / "run") == []


def test_a_file_that_is_no_lock_is_left_alone(tmp_path):
    for content in ("", "[]", '{"pid": 1}'):
        (tmp_path / ".lock").write_text(content)
        with pytest.raises(InputError, match=r"\.lock: cannot be read.*delete it if no job works here"):
            hold(str(tmp_path)).__enter__()
        assert (tmp_path / ".lock").read_text() == content


def eventually(happened):
    deadline = time.monotonic() + 10
    while not happened():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_signs_of_life(tmp_path, monkeypatch):
    monkeypatch.setattr(kdner.runs.lock, "BEAT_S", 0.02)
    with hold(str(tmp_path)):
        for _ in range(3):
            os.utime(tmp_path / ".lock", (0, 0))
            eventually(lambda: time.time() - (tmp_path / ".lock").stat().st_mtime < 5)
        assert names(tmp_path) == [".lock"]
    assert names(tmp_path) == []


def test_a_job_that_lost_its_lock_says_so_and_leaves_the_others(tmp_path, monkeypatch, caplog):
    monkeypatch.setattr(kdner.runs.lock, "BEAT_S", 0.02)
    with caplog.at_level(logging.WARNING, "kdner"), hold(str(tmp_path)):
        lock_of(tmp_path, host="elsewhere")
        theirs = (tmp_path / ".lock").read_bytes()
        eventually(lambda: "another job" in caplog.text)
    assert (tmp_path / ".lock").read_bytes() == theirs


def race(path, start, tried, holding):
    """Try to hold a directory at the same moment as others, for as long as they all try."""
    start.wait()
    try:
        with hold(str(path)):
            holding.append(1)
            tried.wait()
    except InputError:
        tried.wait()


@pytest.mark.parametrize("round", range(20))
@pytest.mark.parametrize("left", [None, dead], ids=["nothing", "dead"])
def test_of_racing_threads_one_wins(tmp_path, left, round):
    if left:
        left(tmp_path)
    holding = []
    start, tried = threading.Barrier(8, timeout=60), threading.Barrier(8, timeout=60)
    threads = [threading.Thread(target=race, args=(tmp_path, start, tried, holding)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(holding) == 1 and names(tmp_path) == []


def race_often(folder, rounds, barrier, wins):
    for k in range(rounds):
        won = []
        race(folder / str(k), barrier, barrier, won)
        with wins.get_lock():
            wins[k] += len(won)


def test_of_racing_processes_one_wins(tmp_path):
    rounds, processes = 60, multiprocessing.get_context("spawn")
    for k in range(0, rounds, 2):
        dead(tmp_path / str(k))
    barrier, wins = processes.Barrier(4, timeout=60), processes.Array("i", rounds)
    jobs = [processes.Process(target=race_often, args=(tmp_path, rounds, barrier, wins)) for _ in range(4)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    assert list(wins) == [1] * rounds
    assert all(names(tmp_path / str(k)) == [] for k in range(rounds))


def test_a_job_whose_file_a_quicker_one_has_cleaned_up_tries_again(tmp_path, monkeypatch):
    write, failures = kdner.runs.lock._write, [FileNotFoundError(), PermissionError()]

    def write_at_second_try(lock, holder):
        if failures:
            raise InputError(f"{lock}: cannot be written") from failures.pop(0)
        write(lock, holder)

    monkeypatch.setattr(kdner.runs.lock, "_write", write_at_second_try)
    with pytest.raises(InputError, match="cannot be written"), hold(str(tmp_path)):
        raise AssertionError("the second failure is not the quicker job's doing")
    assert failures == []
    failures.append(FileNotFoundError())
    with hold(str(tmp_path)):
        assert (tmp_path / ".lock").exists()
