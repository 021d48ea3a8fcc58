from __future__ import annotations

import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from kdner.step_times import StepTimes


def test_seconds_add_up_by_step_also_of_what_fails():
    times = StepTimes()
    with times.step("short"):
        pass
    for _ in range(2):
        with pytest.raises(RuntimeError), times.step("long"):
            time.sleep(0.02)
            raise RuntimeError
    assert times.seconds["long"] >= 0.04 > times.seconds["short"] > 0
    assert list(times.seconds) == ["short", "long"] and times.seconds["never"] == 0


def test_reset_forgets():
    times = StepTimes()
    with times.step("step"):
        pass
    times.reset()
    assert not times.seconds


def test_no_seconds_are_lost_where_threads_share_the_clocks(monkeypatch):
    times, now = StepTimes(), threading.local()

    def one_later():
        now.seconds = getattr(now, "seconds", 0) + 1
        return now.seconds

    def take_steps(count):
        for _ in range(count):
            with times.step("step"):
                pass

    monkeypatch.setattr("kdner.step_times.time.perf_counter", one_later)
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        with ThreadPoolExecutor(8) as threads:
            list(threads.map(take_steps, [2000] * 8))
    finally:
        sys.setswitchinterval(interval)
    assert times.seconds == {"step": 8 * 2000}
