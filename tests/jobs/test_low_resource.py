from __future__ import annotations

import json
import logging
import os
import re
from dataclasses import replace

import pytest

from kdner.distillation.recipe import Distillation
from kdner.errors import InputError
from kdner.jobs.low_resource import LowResource, low_resource, main
from kdner.runs.json_lines import read_lines
from kdner.student.config import StudentConfig
from kdner.teacher.fine_tuning import FineTuning

SMALL = StudentConfig(word_dim=16, character_dim=8, character_filters=8, hidden=16)


@pytest.fixture
def config(train_file, test_file, corpus_file, bert_base, tmp_path):
    return LowResource(
        labeled=train_file,
        test=test_file,
        corpus=(corpus_file,),
        transfer_words=0,
        sizes=(12, 24),
        seeds=1,
        teacher=(bert_base,),
        students=("labeled", "both"),
        pseudo_sizes=(10,),
        fine_tuning=FineTuning(learned=1.0, epochs=6, min_steps=1, batch_sentences=8, learning_rate=5e-3),
        student=SMALL,
        distillation=Distillation(epochs=2, min_steps=30, batch_words=60, learning_rate=1e-2),
        out=str(tmp_path / "study"),
    )


@pytest.mark.ray
def test_trials_are_run_once_and_more_can_be_asked_for(cluster, config, tmp_path, capsys, caplog):
    path = tmp_path / "study" / "trials.jsonl"
    with caplog.at_level(logging.INFO, "kdner"):
        low_resource(config)
    for stage in ("teacher 12-1", "teacher 24-1", "student-labeled 12-1", "student-both 24-1"):
        assert any(re.match(rf"{stage}: [\d,]+ of [\d,]+ steps", line) for line in caplog.messages), stage
    assert not any("are there" in line for line in caplog.messages)
    first = read_lines(path)
    assert {(trial["size"], trial["seed"]) for trial in first} == {(12, 1), (24, 1)}
    assert list(first[0]["students"]) == ["labeled", "both", "both,transfer_sentences=10"]
    assert not any((tmp_path / "study" / "work").iterdir())

    path.write_bytes(path.read_bytes() + b'{"size": 12, "se')  # as a killed driver would leave it
    caplog.clear()
    with caplog.at_level(logging.INFO, "kdner"):
        main(replace(config, seeds=2))
        assert "low_resource: 2 of 4 trials are there" in caplog.messages
        caplog.clear()
        for path_read in (config.labeled, config.test, *config.corpus):
            os.utime(path_read, (0, 0))  # as a new mount or checkout has it
        low_resource(replace(config, seeds=2))
    said = [record.getMessage() for record in caplog.records if record.name.startswith("kdner")]
    assert said == [f"low_resource: everything is there already, in {tmp_path / 'study'}"]
    trials = read_lines(path)
    assert trials[:2] == first and len(trials) == 4
    table = (tmp_path / "study" / "table.md").read_text()
    assert table in capsys.readouterr().out and "| trials | 2 | 2 |" in table


@pytest.mark.ray
@pytest.mark.benchmarks
def test_a_line_says_how_its_trial_is_repeated_and_more_students_reuse_its_teachers(cluster, config, tmp_path):
    low_resource(replace(config, sizes=(12,), first_seed=2))
    (trial,) = read_lines(tmp_path / "study" / "trials.jsonl")
    settings = trial["config"]
    again = replace(config, sizes=tuple(settings["sizes"]), first_seed=settings["first_seed"], seeds=settings["seeds"])
    low_resource(replace(again, out=str(tmp_path / "again"), keep=True))
    (repeated,) = read_lines(tmp_path / "again" / "trials.jsonl")
    for kind in ("teachers", "students"):
        assert {k: row["f1"] for k, row in repeated[kind].items()} == {k: row["f1"] for k, row in trial[kind].items()}
    work = tmp_path / "again" / "work" / f"{repeated['size']}-2"
    teacher = work / "teacher" / "model.safetensors"
    before = teacher.stat().st_mtime_ns

    more = replace(again, students=("pseudo-labels", "both"), pseudo_sizes=(), reference="both")
    low_resource(replace(more, out=str(tmp_path / "again"), keep=True))
    first, second = read_lines(tmp_path / "again" / "trials.jsonl")
    assert first == repeated and list(second["students"]) == second["config"]["students"] == ["pseudo-labels"]
    assert teacher.stat().st_mtime_ns == before
    table = (work.parents[1] / "table.md").read_text()
    assert {"both", "pseudo-labels"} <= set(re.findall(r"^\| ([\w-]+) \|", table, re.M))
    assert "| less both, mean" in table


@pytest.mark.ray
def test_a_trial_that_fails_does_not_take_others_with_it(cluster, config, tmp_path):
    quick = replace(config, students=("labeled",), pseudo_sizes=())
    low_resource(replace(quick, sizes=(24,)))
    broken = tmp_path / "study" / "work" / "12-1"
    broken.mkdir()
    (broken / "teacher.json").write_text(json.dumps({"f1": 0.1, "seconds": 0, "parameters": 1}))
    (broken / "student-labeled-initial").mkdir()  # not a student's folder
    with pytest.raises(InputError, match=r"1 trials failed, the first: 12 sentences, seed 1: .* not a student"):
        low_resource(replace(quick, sizes=(12, 24, 30)))
    assert {trial["size"] for trial in read_lines(tmp_path / "study" / "trials.jsonl")} == {24, 30}


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--sizes", 100], "--sizes 100: .* has 48 sentences"),
        (["--students", "gold"], "'gold' is none of"),
        (["--students", "both", "both"], "one is named twice"),
        (["--reference", "both,head=crf"], "--reference both,head=crf: is none of the models of the table"),
        (["--teacher", "fixed:/nowhere"], "no such folder"),
        (["--teacher", "/nowhere"], "no such folder"),
        (["--students", "both,development_share=1.0"], "both,development_share=1.0: development_share 1.0: must be"),
        (["--students", "both,transfer_sentences=-4"], "transfer_sentences -4: must be at least 0"),
        (["--development-share", 1.5], "development_share 1.5: must be at least 0 and under 1"),
    ],
)
def test_mistakes_are_found_before_any_trial(config, refused, flags, message, tmp_path):
    sets = ["--labeled", config.labeled, "--test", config.test, "--sizes", 12, "--out", config.out]
    found = refused(LowResource, main, *sets, *flags)
    assert re.search(message, found)
    assert not (tmp_path / "study").exists()
