from __future__ import annotations

import json

import pytest

from kdner.jobs.measure_teacher import MeasureTeacher, main

pytestmark = pytest.mark.ray


@pytest.mark.benchmarks
def test_it_reports_every_figure(cluster, run_job, capsys, teacher_folder, corpus_file, tmp_path):
    out = tmp_path / "out"
    run_job(
        *(MeasureTeacher, main, "--corpus", corpus_file, "--teacher", teacher_folder, "--out", out, "--rounds", 1),
        *("--words", 200, "--shard-documents", 8, "--actors", 1, 2, "--peer-documents", 2, "--dtype", "float32"),
    )
    measured = json.loads((out / "measurement.json").read_text())
    assert measured["teacher"] == teacher_folder and measured["dtype"] == "float32" and 150 <= measured["words"] <= 260
    for key in ("peak_flops", "flops", "share", "words_per_second", "pieces_per_second", "times_pipeline_float32"):
        assert 0 < measured[key]["min"] <= measured[key]["median"] <= measured[key]["max"]
    assert measured["share"]["max"] < 1
    assert measured["flops"]["median"] / measured["pieces_per_second"]["median"] > 2 * 2 * (4 * 32 * 32 + 2 * 32 * 64)
    assert [row["actors"] for row in measured["shard_map"]] == [1, 2]
    assert all(row["words_per_second"] > 0 and row["times_loop"] > 0 for row in measured["shard_map"])
    shown = capsys.readouterr().out
    assert "share of the peak" in shown and "shard map, 2 actors" in shown and "transformers pipeline" in shown


def test_a_corpus_without_documents_and_a_teacher_that_is_none(refused, tmp_path, corpus_file, teacher_folder):
    assert "not a teacher" in refused(MeasureTeacher, main, "--corpus", corpus_file, "--teacher", tmp_path)
    nothing = tmp_path / "none.parquet"
    assert "no such file" in refused(MeasureTeacher, main, "--corpus", nothing, "--teacher", teacher_folder)
