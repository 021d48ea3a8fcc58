from __future__ import annotations

import json

import pytest

from jobs.measure_teacher import MeasureTeacher, main

pytestmark = pytest.mark.ray


@pytest.mark.benchmarks
def test_it_reports_every_figure(cluster, run_job, capsys, teacher_folder, corpus_file, tmp_path):
    out = tmp_path / "out"
    run_job(
        *(MeasureTeacher, main, "--corpus", corpus_file, "--teacher", teacher_folder, "--out", out, "--rounds", 1),
        *("--words", 200, "--shard-documents", 8, "--actors", 1, 2, "--peer-documents", 2, "--dtype", "float32"),
    )
    found = json.loads((out / "measurement.json").read_text())
    assert found["teacher"] == teacher_folder and found["dtype"] == "float32" and 150 <= found["words"] <= 260
    for key in ("peak_flops", "flops", "share", "words_per_second", "pieces_per_second", "times_pipeline_float32"):
        assert 0 < found[key]["min"] <= found[key]["median"] <= found[key]["max"]
    assert found["share"]["max"] < 1
    assert found["flops"]["median"] / found["pieces_per_second"]["median"] > 2 * 2 * (4 * 32 * 32 + 2 * 32 * 64)
    assert [one["actors"] for one in found["shard_map"]] == [1, 2]
    assert all(one["words_per_second"] > 0 and one["times_loop"] > 0 for one in found["shard_map"])
    shown = capsys.readouterr().out
    assert "share of the peak" in shown and "shard map, 2 actors" in shown and "transformers pipeline" in shown


def test_a_corpus_without_documents_and_a_teacher_that_is_none(refused, tmp_path, corpus_file, teacher_folder):
    assert "not a teacher" in refused(MeasureTeacher, main, "--corpus", corpus_file, "--teacher", tmp_path)
    nothing = tmp_path / "none.parquet"
    assert "no such file" in refused(MeasureTeacher, main, "--corpus", nothing, "--teacher", teacher_folder)
