from __future__ import annotations

import time

import pytest

from kdner.student.step_times import StepTimes


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
