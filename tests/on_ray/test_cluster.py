from __future__ import annotations

import os
import time

import pytest
import ray
from ray.exceptions import RayTaskError

from kdner.errors import InputError
from kdner.on_ray.cluster import Crew, in_fresh_process, on_one_node
from kdner.on_ray.job import input_error

pytestmark = pytest.mark.ray


def process_and_mistake(raises: bool) -> int:
    if raises:
        raise InputError("wrong input, seen in another process")
    return os.getpid()


def test_work_in_other_processes(cluster):
    first, second = in_fresh_process(process_and_mistake, False), in_fresh_process(process_and_mistake, False)
    assert len({os.getpid(), first, second}) == 3
    with pytest.raises(RayTaskError) as failed:
        on_one_node(process_and_mistake, True)
    assert str(input_error(failed.value)) == "wrong input, seen in another process"


def test_the_dashboard_shows_a_stage_by_its_name(cluster):
    from ray.util.state import list_tasks

    on_one_node(process_and_mistake, False)
    named = [("name", "=", "process_and_mistake"), ("state", "=", "FINISHED")]
    own = ray.get_runtime_context().gcs_address  # without it, the cluster that was started last, which may be gone
    deadline = time.monotonic() + 60
    while not (shown := list_tasks(own, filters=named)) and time.monotonic() < deadline:
        time.sleep(0.2)
    assert shown


class Counter:
    def __init__(self, first: int) -> None:
        self.value = first

    def add(self, number: int) -> int:
        if number < 0:
            raise InputError("wrong input, seen by a crew")
        self.value += number
        return self.value


def test_a_crew_keeps_its_objects_and_several_wait_at_once(cluster):
    with Crew(2, Counter, first=10) as first, Crew(1, Counter, 0) as second:
        assert first.ask("add", 1) == [11] * 2 and second.ask("add", 5) == [5]
        assert first.ask("add", 1) == [12] * 2
        with pytest.raises(RayTaskError) as failed:
            second.ask("add", -1)
    assert str(input_error(failed.value)) == "wrong input, seen by a crew"
