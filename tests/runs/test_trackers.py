"""Numbers of a training in tracking services, each without a network, read back by its own package."""

from __future__ import annotations

import logging
import sys
from types import SimpleNamespace

import pytest

from kdner.errors import InputError
from kdner.progress import Progress
from kdner.runs.trackers import PROJECT, Tracker, check_tracker


def train(service, folder, *, first=0, steps=3):
    """Go through steps as a training does."""
    progress = Progress("student", "step", display=lambda _: None, watchers=[Tracker(service, folder)])
    progress.begin(first + steps, done=first)
    for step in range(first, first + steps):
        progress.advance(1, 100, loss=1.0 / (step + 1))


def test_mlflow(tmp_path, monkeypatch):
    mlflow = pytest.importorskip("mlflow", reason="mlflow is not installed")
    monkeypatch.setenv("MLFLOW_ALLOW_FILE_STORE", "true")
    mlflow.set_tracking_uri(f"file:{tmp_path / 'mlruns'}")
    train("mlflow", tmp_path / "student")
    train("mlflow", tmp_path / "student", first=3)  # goes on
    train("mlflow", tmp_path / "other" / "student")
    client = mlflow.MlflowClient()
    runs = client.search_runs([client.get_experiment_by_name(PROJECT).experiment_id])
    assert [run.info.run_name for run in runs] == ["student", "student"]
    (run,) = (run for run in runs if run.data.params["out"] == str(tmp_path / "student"))
    history = client.get_metric_history(run.info.run_id, "loss")
    assert [(metric.step, metric.value) for metric in history] == [(k, 1 / k) for k in range(1, 7)]
    assert run.data.metrics["words_per_second"] > 0 and run.info.status == "FINISHED"


def test_trackio(tmp_path, monkeypatch):
    pytest.importorskip("trackio", reason="trackio is not installed")
    from trackio.sqlite_storage import SQLiteStorage

    monkeypatch.setattr("trackio.utils.TRACKIO_DIR", tmp_path / "trackio")
    monkeypatch.setattr("trackio.sqlite_storage.TRACKIO_DIR", tmp_path / "trackio", raising=False)
    train("trackio", tmp_path / "student")
    (run,) = SQLiteStorage.get_runs(PROJECT)
    logs = SQLiteStorage.get_logs(PROJECT, run)
    assert [(row["step"], row["loss"]) for row in logs] == [(k, 1 / k) for k in (1, 2, 3)]
    assert run.startswith("student-")


def test_wandb(tmp_path, monkeypatch):
    pytest.importorskip("wandb", reason="wandb is not installed")
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_DIR", str(tmp_path))
    monkeypatch.setenv("WANDB_SILENT", "true")
    train("wandb", tmp_path / "student")
    (file,) = tmp_path.glob("wandb/offline-run-*/run-*.wandb")
    content = file.read_bytes()
    assert b"loss" in content and b"words_per_second" in content and b"student" in content


def test_a_service_that_is_not_installed_is_named_before_any_work(monkeypatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"--tracker mlflow: its package is not installed.*kdner\[mlflow\]"):
        check_tracker("mlflow")
    check_tracker(None)


def test_a_service_that_cannot_be_begun_with_ends_the_training_with_a_line(monkeypatch, tmp_path):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=lambda **_: 1 / 0))
    with pytest.raises(InputError, match=r"--tracker wandb: cannot be begun with \(ZeroDivisionError"):
        train("wandb", tmp_path / "student")


def test_a_service_that_fails_later_costs_one_warning(monkeypatch, tmp_path, caplog):
    class Run:
        def log(self, numbers, step):
            if step == 2:
                raise OSError("no connection")

    monkeypatch.setattr("importlib.util.find_spec", lambda name: name)
    monkeypatch.setitem(sys.modules, "wandb", SimpleNamespace(init=lambda **_: Run()))
    with caplog.at_level(logging.WARNING):
        train("wandb", tmp_path / "student", steps=5)
    (record,) = caplog.records
    assert "--tracker wandb: takes no more numbers (OSError: no connection)" in record.getMessage()
