from __future__ import annotations

import logging
import threading
import time

import pytest

from kdner.errors import InputError
from kdner.labeled.remarks import Remarks
from kdner.on_ray.job import Stages, input_error, once, run_job
from kdner.runs.lock import hold
from kdner.runs.run_directory import RunDirectory


def test_once_does_the_work_and_then_nothing(tmp_path, caplog):
    calls = []

    def work(directory):
        calls.append(directory.path)
        return {"answer": 42}

    out = str(tmp_path / "run")
    with caplog.at_level("INFO", "kdner"):
        first = once(out, {"a": 1}, work, configuration={"corpus": "s3://id:hush@bucket/news?secret=hush"})
        assert first["answer"] == 42 and first["stage_seconds"] >= 0
        assert first["provenance"]["configuration"] == {"corpus": "s3://bucket/news"}
        assert first["provenance"]["versions"]["kdner"] and first["provenance"]["ended"].endswith("+00:00")
        assert once(out, {"a": 1}, work) == first
    assert calls == [out]
    assert not [path.name for path in (tmp_path / "run").iterdir() if b"hush" in path.read_bytes()]
    assert caplog.messages == [f"run: everything is there already, in {out}"]
    with pytest.raises(InputError, match="a"):
        once(out, {"a": 2}, work)


def test_what_another_start_goes_on_from_stays_until_the_run_is_finished(tmp_path, monkeypatch):
    def work(directory):
        (directory.local_path / ".checkpoints").mkdir(exist_ok=True)
        return {}

    def full(self, summary):
        raise OSError("no space left on device")

    run = RunDirectory(str(tmp_path / "run"))
    with monkeypatch.context() as patch, pytest.raises(OSError):
        patch.setattr(RunDirectory, "finish", full)
        once(run.path, {}, work, scratch=[".checkpoints"])
    assert (run.local_path / ".checkpoints").is_dir()
    once(run.path, {}, work, scratch=[".checkpoints"])
    assert run.finished and not (run.local_path / ".checkpoints").exists()


def test_a_try_that_fails_leaves_the_reason_and_the_summary_tells_all_tries(tmp_path):
    def fail(directory):
        raise OSError("s3://id:hush@bucket/news?secret=hush is away")

    out = str(tmp_path / "run")
    with pytest.raises(OSError):
        once(out, {"a": 1}, fail)
    failure = (tmp_path / "run" / "_failed.json").read_text()
    assert '"error": "OSError"' in failure and "s3://bucket/news is away" in failure and "hush" not in failure
    summary = once(out, {"a": 1}, lambda directory: {})
    assert len(summary["tries"]) == 2 and summary["tries"][0]["began"] <= summary["tries"][1]["began"]
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == ["_SUCCESS", "_manifest.json", "_summary.json"]


def test_what_was_odd_about_labeled_sets_is_listed_in_the_directory_and_counted_in_the_summary(tmp_path):
    remarks = Remarks()
    remarks.add("empty tokens, passed over", "train.conll:7")
    summary = once(str(tmp_path / "run"), {}, lambda _: {"answer": 42}, remarks=remarks)
    assert summary["remarks"] == {"empty tokens, passed over": 1}
    listed = (tmp_path / "run" / "_remarks.jsonl").read_text("utf-8")
    assert '"where": "train.conll:7"' in listed and listed.count("\n") == 1
    assert "remarks" not in once(str(tmp_path / "other"), {}, lambda _: {"answer": 42}, remarks=Remarks())
    assert not (tmp_path / "other" / "_remarks.jsonl").exists()


def test_a_finished_job_is_called_as_its_stage_in_the_log(tmp_path, caplog, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with caplog.at_level(logging.INFO, "kdner"):
        for stage in (None, "precompute_logits"):
            for _ in range(2):
                once(f"runs/{stage}-2/", {"a": 1}, lambda directory: {}, stage=stage)
    assert caplog.messages == [
        "None-2: everything is there already, in runs/None-2",
        "precompute_logits: everything is there already, in runs/precompute_logits-2",
    ]


def test_a_job_of_several_steps_says_which_are_there(tmp_path, caplog):
    steps = ("transfer", "logits", "student", "teacher", "teacher-2")
    directory = RunDirectory.open(str(tmp_path / "pipeline"), {})
    with caplog.at_level(logging.INFO, "kdner"):
        Stages(4, directory, steps)
        assert not caplog.messages
        for step in ("teacher-2", "transfer"):
            once(f"{directory.path}/{step}", {}, lambda directory: {})
        RunDirectory.open(f"{directory.path}/logits", {})
        Stages(4, directory, steps)
    assert caplog.messages == ["pipeline: 2 of 5 steps are there: transfer, teacher-2"]


def test_work_that_fails_leaves_the_directory_unfinished(tmp_path):
    def fail(directory):
        raise InputError("no")

    out = str(tmp_path / "run")
    with pytest.raises(InputError):
        once(out, {"a": 1}, fail)
    assert once(out, {"a": 1}, lambda directory: {"answer": 1})["answer"] == 1


def test_a_second_job_is_refused_before_it_touches_anything(tmp_path):
    (tmp_path / f".part-00000.parquet.tmp-{'0' * 16}").write_text("the first job writes this")
    with hold(str(tmp_path)):
        before = {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()}
        with pytest.raises(InputError, match="another job works here"):
            once(str(tmp_path), {"a": 1}, lambda directory: {})
        assert {path.name: path.stat().st_mtime_ns for path in tmp_path.iterdir()} == before
    assert once(str(tmp_path), {"a": 1}, lambda directory: {"answer": 42})["answer"] == 42
    assert sorted(path.name for path in tmp_path.iterdir()) == ["_SUCCESS", "_manifest.json", "_summary.json"]


def test_a_finished_directory_needs_no_lock(tmp_path):
    first = once(str(tmp_path), {"a": 1}, lambda directory: {"answer": 42})
    with hold(str(tmp_path)):
        assert once(str(tmp_path), {"a": 1}, lambda directory: {}) == first
        with pytest.raises(InputError, match="differs"):
            once(str(tmp_path), {"a": 2}, lambda directory: {})


def test_jobs_that_start_at_once_do_the_work_once(tmp_path):
    calls, summaries = [], []

    def work(directory):
        calls.append(directory)
        time.sleep(0.05)
        return {"answer": 42}

    def persist():
        start.wait()
        while True:
            try:
                summaries.append(once(str(tmp_path), {"a": 1}, work))
                return
            except InputError as refusal:
                assert "another job works here" in str(refusal)

    start = threading.Barrier(4, timeout=60)
    jobs = [threading.Thread(target=persist) for _ in range(4)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    assert len(calls) == 1 and summaries == summaries[:1] * 4


def test_the_users_mistake_is_found_behind_other_errors():
    mistake = InputError("bad.conll:2: too few columns")
    try:
        raise RuntimeError("worker died") from mistake
    except RuntimeError as error:
        assert input_error(error) is mistake
    assert input_error(RuntimeError("other")) is None


def test_a_finished_run_makes_files_again_that_were_deleted(tmp_path):
    def work(directory):
        for name in directory.pending():
            directory.write_bytes(name, b"made")
        return {}

    out = tmp_path / "run"
    once(str(out), {}, work, files=["a", "b"])
    (out / "b").unlink()
    summary = once(str(out), {}, work, files=["a", "b"])
    assert (out / "b").read_bytes() == b"made" and RunDirectory(str(out)).finished
    assert [a_try["files_there"] for a_try in summary["tries"]] == [0, 1]


class Nothing:
    pass


@pytest.mark.parametrize(("end", "code"), [(KeyboardInterrupt(), 130), (SystemExit(15), 143), (SystemExit(3), 3)])
def test_a_job_that_is_stopped_says_that_it_goes_on(monkeypatch, capsys, end, code):
    def stopped(_):
        raise end

    monkeypatch.setattr("kdner.on_ray.job.parse", lambda *_: Nothing())
    with pytest.raises(SystemExit) as left:
        run_job(Nothing, stopped)
    assert left.value.code == code
    assert ("the same command goes on" in capsys.readouterr().err) == (code != 3)
