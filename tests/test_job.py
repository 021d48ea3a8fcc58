from __future__ import annotations

import pytest
from ray.exceptions import RayTaskError

from kdner.errors import InputError
from kdner.job import in_fresh_process, input_error, on_one_node, once


def test_once_does_the_work_and_then_nothing(tmp_path, caplog):
    calls = []

    def work(directory):
        calls.append(directory.path)
        return {"answer": 42}

    out = str(tmp_path / "run")
    with caplog.at_level("INFO", "kdner"):
        first = once(out, {"a": 1}, work)
        assert first["answer"] == 42 and first["stage_seconds"] >= 0
        assert once(out, {"a": 1}, work) == first
    assert calls == [out]
    assert "nothing to do" in caplog.text
    with pytest.raises(InputError, match="a"):
        once(out, {"a": 2}, work)


def test_work_that_fails_leaves_the_directory_unfinished(tmp_path):
    def fail(directory):
        raise InputError("no")

    out = str(tmp_path / "run")
    with pytest.raises(InputError):
        once(out, {"a": 1}, fail)
    assert once(out, {"a": 1}, lambda directory: {"answer": 1})["answer"] == 1


def test_the_users_mistake_is_found_behind_other_errors():
    mistake = InputError("bad.conll:2: too few columns")
    try:
        raise RuntimeError("worker died") from mistake
    except RuntimeError as error:
        assert input_error(error) is mistake
    assert input_error(RuntimeError("other")) is None


def process_and_mistake(raises: bool) -> int:
    import os

    if raises:
        raise InputError("wrong input, seen in another process")
    return os.getpid()


@pytest.mark.ray
def test_work_in_other_processes(cluster):
    import os

    first, second = in_fresh_process(process_and_mistake, False), in_fresh_process(process_and_mistake, False)
    assert len({os.getpid(), first, second}) == 3
    with pytest.raises(RayTaskError) as failed:
        on_one_node(process_and_mistake, True)
    assert str(input_error(failed.value)) == "wrong input, seen in another process"
