from __future__ import annotations

import json
import os
import socket
from dataclasses import asdict, replace

import pytest

from kdner.errors import InputError
from kdner.runs.lock import LOCK, Holder
from kdner.runs.run_directory import RunDirectory
from kdner.runs.status import run_status
from kdner.runs.tries import begin_try, end_tries, note_failure


def begun(path, job="tag_corpus", files=()):
    return RunDirectory.open(str(path), {"job": job}, {"files": list(files)})


def lock(path, **other):
    (path / LOCK).write_text(json.dumps(asdict(replace(Holder.this_process(), **other))))


def test_a_run_that_is_being_worked_on(tmp_path):
    begun(tmp_path, files=[f"part-{k}" for k in range(10)])
    for k in range(4):
        (tmp_path / f"part-{k}").touch()
        os.utime(tmp_path / f"part-{k}", (1e9 + 30 * k,) * 2)
    lock(tmp_path, submission="raysubmit_1")
    status = run_status(str(tmp_path))
    assert (status.state, status.files_there, status.files, status.files_per_minute) == ("working", 4, 10, 2.0)
    shown = status.report()
    assert "tag_corpus, working; 4 of 10 files; 2 a minute lately, 3 min 0 s left at this rate" in shown
    assert f"submission raysubmit_1, process {os.getpid()} on" in shown
    assert json.loads(json.dumps(status.as_json()))["files_there"] == 4


@pytest.mark.parametrize(("age_s", "state"), [(0, "working"), (300, "silent")])
def test_a_job_elsewhere_works_as_long_as_it_gives_signs(tmp_path, age_s, state):
    begun(tmp_path)
    lock(tmp_path, host="elsewhere")
    now = (tmp_path / LOCK).stat().st_mtime
    os.utime(tmp_path / LOCK, (now - age_s,) * 2)
    assert run_status(str(tmp_path)).state == state


def test_a_run_that_failed_says_why_until_it_is_tried_again(tmp_path):
    directory = begun(tmp_path, files=["part-0"])
    (tmp_path / "part-0").touch()
    tries = begin_try(directory)
    note_failure(directory, InputError("s3://bucket/x: no such file"), tries)
    status = run_status(str(tmp_path))
    assert status.state == "failed" and "s3://bucket/x: no such file" in status.report()
    assert json.loads((tmp_path / "_failed.json").read_text())["traceback"] is None
    begin_try(directory)
    status = run_status(str(tmp_path))
    assert status.state == "stopped" and len(status.tries) == 2 and "try 2" in status.report()


def test_an_error_of_ours_keeps_its_traceback(tmp_path):
    directory = begun(tmp_path)
    try:
        raise KeyError("x")
    except KeyError as error:
        note_failure(directory, error, begin_try(directory))
    assert "KeyError: 'x'" in json.loads((tmp_path / "_failed.json").read_text())["traceback"]


def test_the_runs_below_are_told_in_the_order_in_which_they_began(tmp_path):
    begun(tmp_path, job="pipeline")
    for number, name in enumerate(["teacher", "logits", "entities"]):
        directory = begun(tmp_path / name, job=name)
        tries = begin_try(directory)
        directory.write_json(".tries.json", {"tries": [{**tries[0], "began": f"2026-01-0{number + 1}"}]})
    (tmp_path / "plain folder").mkdir()
    first = RunDirectory(str(tmp_path / "teacher"))
    end_tries(first)
    first.finish({"tries": [{"began": "2026-01-01"}]})
    status = run_status(str(tmp_path))
    assert [(step.job, step.state) for step in status.steps] == [
        ("teacher", "finished"),
        ("logits", "stopped"),
        ("entities", "stopped"),
    ]


def test_what_is_no_run_is_refused(tmp_path):
    with pytest.raises(InputError, match="no job has begun"):
        run_status(str(tmp_path))
    with pytest.raises(InputError, match="no such folder"):
        run_status(str(tmp_path / "none"))


def test_input_that_is_refused_before_anything_is_made_leaves_a_note_and_the_folder_free(tmp_path):
    directory = begun(tmp_path)
    note_failure(directory, InputError("--keep-columns day: not in the corpus"), begin_try(directory))
    assert [path.name for path in tmp_path.iterdir()] == ["_failed.json"]
    begin_try(begun(tmp_path, job="another"))
    assert not (tmp_path / "_failed.json").exists()


@pytest.mark.parametrize(("error", "name"), [(KeyboardInterrupt(), "SIGINT"), (SystemExit(15), "SIGTERM")])
def test_a_run_that_somebody_stopped_has_not_failed(tmp_path, error, name):
    directory = begun(tmp_path, files=["part-0"])
    (tmp_path / "part-0").touch()
    note_failure(directory, error, begin_try(directory))
    status = run_status(str(tmp_path))
    assert status.state == "stopped" and f"{name} on {socket.gethostname()}" in status.report()
    assert "the same command goes on" in status.report() and status.failure["traceback"] is None


def test_wrong_input_that_left_nothing_but_the_reason(tmp_path):
    directory = begun(tmp_path)
    note_failure(directory, InputError("corpus.jsonl: two documents have the id 7"), begin_try(directory))
    assert not directory.begun
    status = run_status(str(tmp_path))
    assert status.state == "failed" and "two documents have the id 7" in status.report()


def test_a_finished_run_that_has_lost_a_file(tmp_path):
    directory = begun(tmp_path, files=["part-0", "part-1"])
    for name in directory.files:
        (tmp_path / name).touch()
    directory.finish({"tries": begin_try(directory)})
    end_tries(directory)
    assert run_status(str(tmp_path)).state == "finished"
    (tmp_path / "part-1").unlink()
    status = run_status(str(tmp_path))
    assert status.state == "stopped" and "1 of 2 files" in status.report() and len(status.tries) == 1


def test_a_folder_with_a_manifest_of_others_is_no_run(tmp_path):
    (tmp_path / "manifest.json").write_text('{"name": "my-app"}')
    with pytest.raises(InputError, match="no run directory"):
        run_status(str(tmp_path))
    with pytest.raises(InputError, match=r"not empty, and no kdner run directory \(holds manifest\.json\)"):
        begun(tmp_path)
