from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from kdner.distillation.teachers import FEATURE_RECIPE
from kdner.errors import InputError
from kdner.labeled.sets import read_labeled
from kdner.measuring.f1 import entities_found, measure_f1, recall_by_words
from kdner.progress import Progress
from kdner.runs.run_directory import RunDirectory
from kdner.study.trial import Trial
from kdner.teacher.by_name import largest_vocabulary, load_model
from kdner.teacher.model import Teacher


def make(study, folder, size=32, seed=1):
    return Trial(study, size, seed, folder, Progress)


def test_a_trial_measures_all_its_teachers_and_students(study, tmp_path, test_file):
    result = make(study, tmp_path).run()
    assert list(result["teachers"]) == list(study.teachers) and list(result["students"]) == list(study.students)
    first, second = result["teachers"].values()
    assert result["mean"]["parameters"] == 2 * first["parameters"]
    words = [["Anna", "flew", "to", "Paris"]]
    logits = [load_model(tmp_path / folder).score_words(words) for folder in ("teacher", "teacher-2")]
    assert (logits[0] != logits[1]).any()
    for folder, row in zip(("teacher", "teacher-2"), [first, second], strict=True):
        model = load_model(tmp_path / folder)
        assert row["f1"] == pytest.approx(measure_f1(model.tags, read_labeled(test_file)).f1, abs=1e-4)
    for name, row in result["students"].items():
        model = load_model(tmp_path / f"student-{name}")
        assert row["f1"] == pytest.approx(measure_f1(model.tags, read_labeled(test_file)).f1, abs=1e-4)
    whole, small = result["students"]["both"], result["students"]["distillation,teachers=2,hidden=8"]
    assert small["parameters"] < whole["parameters"] and whole["f1"] > 0.5
    assert all(row["words_per_second"] > 1000 for row in result["students"].values())
    words = [row["known_words"] for row in [*result["teachers"].values(), result["mean"], whole, small]]
    assert len({row["support"] for row in words}) == 1 and words[0]["support"] > 0
    test = read_labeled(test_file)
    known = largest_vocabulary(str(tmp_path / f"student-{name}") for name in study.students).knows
    tags = load_model(tmp_path / "teacher").tags([sentence.words()[0] for sentence in test])
    assert {**first, **recall_by_words(entities_found(tags, test), test, known)} == first and "found" not in first
    assert result["transfer"]["documents"] == 16 + 61
    assert result["seconds"] >= max(row["seconds"] for row in result["students"].values())


def test_equal_trials_have_equal_results_whatever_else_there_is(study, tmp_path):
    def f1s(study, folder):
        result = make(study, tmp_path / folder).run()
        return {name: row["f1"] for name, row in [*result["teachers"].items(), *result["students"].items()]}

    whole = f1s(study, "whole")
    fewer = f1s(replace(study, students=study.students[1:2]), "fewer")
    assert fewer.items() <= whole.items()


def test_a_trial_that_was_killed_goes_on_with_the_next_step(study, tmp_path, monkeypatch):
    monkeypatch.setattr("kdner.study.transfer.PART_CHARACTERS", 500)
    undisturbed = make(study, tmp_path / "undisturbed").run()
    folder = tmp_path / "disturbed"
    scored = RunDirectory.write_table
    left = 2

    def die_later(self, *args, **kwargs):
        nonlocal left
        left -= 1
        if left == 0:
            raise KeyboardInterrupt
        scored(self, *args, **kwargs)

    monkeypatch.setattr(RunDirectory, "write_table", die_later)
    with pytest.raises(KeyboardInterrupt):
        make(study, folder).run()
    monkeypatch.setattr(RunDirectory, "write_table", scored)
    kept = [
        folder / "teacher.json",
        folder / "logits" / "part-00000.parquet",
        folder / "logits" / "rest-00000.parquet",
    ]
    times = {path: path.stat().st_mtime_ns for path in kept if path.exists()}
    assert len(times) == 2
    resumed = make(study, folder).run()
    assert times == {path: path.stat().st_mtime_ns for path in times}
    for name, row in undisturbed["students"].items():
        assert resumed["students"][name]["f1"] == row["f1"]


def test_students_that_learn_from_a_part_of_the_transfer_set(study, tmp_path):
    students = (
        "nlp-architect,epochs=1",
        "both,transfer=corpus",
        "both,transfer_sentences=9",
        "both,transfer_sentences=100000",
    )
    trial = make(replace(study, students=students), tmp_path)
    trial.run()
    rest, corpus, nine, all_of_it = (
        trial._transfer(spec, tmp_path / f"student-{name}-logits")
        for name, spec in zip(students, trial.students, strict=True)
    )
    assert sum(len(table) for table in rest.runs[0].tables(["id"])) == 16
    assert sum(len(table) for table in corpus.runs[0].tables(["id"])) == 61
    lengths = [row for table in nine.runs[0].tables(["sentence_words"]) for row in table["sentence_words"].to_pylist()]
    sentences = [len(row) for row in lengths]
    assert 9 <= sum(sentences) <= 10
    assert all_of_it.words > rest.words + nine.words


def test_teachers_of_other_kinds_and_of_another_labeled_set(
    study, tmp_path, bert_base, train_file, teacher_folder, monkeypatch
):
    monkeypatch.setattr("kdner.distillation.teachers.FEATURE_RECIPE", replace(FEATURE_RECIPE, epochs=2, min_steps=1))
    teachers = (f"features:{bert_base}", f"{bert_base}@{train_file}", f"fixed:{teacher_folder}")
    result = make(replace(study, teachers=teachers, students=("both,teachers=3",)), tmp_path, size=12).run()
    features, generalist, fixed = (result["teachers"][name] for name in teachers)
    assert features["parameters"] > generalist["parameters"] == fixed["parameters"]
    assert generalist["f1"] > 0.5 and not (tmp_path / "teacher-3").exists()
    logits = RunDirectory.finished_at(str(tmp_path / "logits"))
    (row,) = next(logits.tables(["words", "logits"])).slice(0, 1).to_pylist()
    expected = load_model(teacher_folder).score_words([row["words"]])
    stored = np.array(row["logits"]).reshape(len(row["words"]), 3, -1)[:, 2]
    np.testing.assert_allclose(stored, expected, atol=0.1)


def test_trials_share_the_vectors_of_a_frozen_encoder(study, tmp_path, bert_base, monkeypatch):
    monkeypatch.setattr("kdner.distillation.teachers.FEATURE_RECIPE", replace(FEATURE_RECIPE, epochs=2, min_steps=1))
    study = replace(study, teachers=(f"features:{bert_base}",), students=("both",))
    calls = []
    vectors = Teacher.contextual_vectors
    monkeypatch.setattr(Teacher, "contextual_vectors", lambda self, words: calls.append(words) or vectors(self, words))
    for size in (12, 24):
        Trial(study, size, 1, tmp_path / str(size), Progress, vector_folder=tmp_path / "vectors").run()
    test = [sentence.words()[0] for sentence in read_labeled(study.test)]
    assert [list(map(list, words)) for words in calls].count(test) == 1
    assert len(calls) == 6  # the test set and the corpus once, what was drawn and what was not for each trial


def test_a_step_that_is_done_is_not_done_again(study, tmp_path):
    (tmp_path / "teacher.json").write_text(json.dumps({"f1": 0.5, "seconds": 1.0, "parameters": 1}))
    trial = make(replace(study, students=("labeled,word_dim=4",), teachers=study.teachers[:1]), tmp_path)
    with pytest.raises(InputError, match="no such folder"):
        trial.run()
