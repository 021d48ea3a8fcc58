from __future__ import annotations

import json

import pytest

from kdner.jobs.measure_throughput import MeasureThroughput, main

pytestmark = pytest.mark.ray


@pytest.mark.benchmarks
def test_it_reports_every_figure(
    cluster, run_job, capsys, make_student, teacher_folder, corpus_file, train_file, tmp_path
):
    student, out = tmp_path / "student", tmp_path / "out"
    student.mkdir()
    make_student().save(student)
    run_job(
        *(MeasureThroughput, main, "--student", student, "--corpus", corpus_file, "--out", out, "--rounds", 1),
        *("--teachers", teacher_folder, "--batches", 1, 8, "--sentences", 16, "--teacher-sentences", 8),
        *("--peers", "transformers", "--peer-documents", 20, "--growth", 50, 500),
        *("--test", train_file, "--models", teacher_folder, "--actors", 1),
    )
    measured = json.loads((out / "measurement.json").read_text())
    models = {(row["batch"], row["model"]) for row in measured["batches"]}
    assert len(measured["batches"]) == len(models) == 2 * 3
    assert {batch for batch, _ in models} == {1, 8}
    for row in measured["batches"]:
        assert 0 < row["least"] <= row["words_per_second"] <= row["most"] and 0 < row["p50_ms"] <= row["p99_ms"]
    assert [row["actors"] for row in measured["actors"]] == [1]
    assert all(row["words_per_second"] > 0 and row["actor_peak_memory_mb"] > 50 for row in measured["actors"])
    assert [row["peer"].split(",")[0] for row in measured["peers"]] == ["transformers pipeline"]
    assert measured["steps"]["words"] == measured["words"]
    assert len(measured["growth"]) == 3
    assert set(measured["models"]) == {str(student), teacher_folder}
    assert (out / "throughput.png").read_bytes().startswith(b"\x89PNG")
    shown = capsys.readouterr().out
    for part in (", sorted", "tag_corpus, actors 1", "transformers pipeline", "look up", "F1", "throughput.png"):
        assert part in shown


def test_wrong_input_is_refused_before_anything_is_measured(refused, tmp_path, corpus_file, make_student):
    flags = (MeasureThroughput, main, "--corpus", corpus_file)
    assert "not a student" in refused(*flags, "--student", tmp_path)
    make_student().save(tmp_path)
    assert "no such folder" in refused(*flags, "--student", tmp_path, "--teachers", tmp_path / "none")
    assert "no such file" in refused(*flags[:2], "--corpus", tmp_path / "none.parquet", "--student", tmp_path)
