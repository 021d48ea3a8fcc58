from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from kdner.data.corpus import plan_corpus
from kdner.data.labeled_sets import read_labeled
from kdner.distillation.teachers import FEATURE_RECIPE
from kdner.distillation.trainer import Distillation
from kdner.errors import InputError
from kdner.measuring.f1 import score
from kdner.progress import Progress
from kdner.runs.run_directory import RunDirectory
from kdner.student.model import StudentConfig
from kdner.study.specs import StudentSpec, Study, TeacherSpec, check
from kdner.study.trial import Trial
from kdner.teacher.by_name import load_model
from kdner.teacher.fine_tuning import FineTuning
from kdner.teacher.model import Teacher

SHAPE = StudentConfig(word_dim=16, character_dim=8, character_filters=8, hidden=16, dropout=0.1)


@pytest.fixture
def study(train_file, test_file, corpus_file, bert_base):
    return Study(
        labeled=train_file,
        test=test_file,
        corpus=plan_corpus([corpus_file]),
        transfer_words=0,
        teachers=(bert_base, f"{bert_base}#7"),
        students=("labeled", "both", "distillation,teachers=2,hidden=8", "both,transfer=rest,head=crf"),
        fine_tuning=FineTuning(epochs=8, min_steps=1, batch_sentences=8, learning_rate=5e-3),
        student=SHAPE,
        distillation=Distillation(epochs=2, min_steps=40, batch_words=60, learning_rate=1e-2),
        development_share=0.15,
    )


def make(study, folder, size=32, seed=1):
    return Trial(study, size, seed, folder, Progress)


def test_a_trial_scores_all_its_teachers_and_students(study, tmp_path, test_file):
    found = make(study, tmp_path).run()
    assert list(found["teachers"]) == list(study.teachers) and list(found["students"]) == list(study.students)
    first, second = found["teachers"].values()
    assert found["mean"]["parameters"] == 2 * first["parameters"]
    words = [["Anna", "flew", "to", "Paris"]]
    logits = [load_model(tmp_path / f"teacher-{number}").score_words(words) for number in (1, 2)]
    assert (logits[0] != logits[1]).any()
    for number, row in enumerate([first, second], start=1):
        model = load_model(tmp_path / f"teacher-{number}")
        assert row["f1"] == pytest.approx(score(model.tags, read_labeled(test_file))["micro"].f1, abs=1e-4)
    for name, row in found["students"].items():
        model = load_model(tmp_path / f"student-{name}")
        assert row["f1"] == pytest.approx(score(model.tags, read_labeled(test_file))["micro"].f1, abs=1e-4)
    whole, small = found["students"]["both"], found["students"]["distillation,teachers=2,hidden=8"]
    assert small["parameters"] < whole["parameters"] and whole["f1"] > 0.5
    assert found["transfer"]["documents"] == 16 + 61
    assert found["seconds"] >= max(row["seconds"] for row in found["students"].values())


def test_equal_trials_have_equal_results_whatever_else_there_is(study, tmp_path):
    def scores(study, folder):
        found = make(study, tmp_path / folder).run()
        return {name: row["f1"] for name, row in [*found["teachers"].items(), *found["students"].items()]}

    whole = scores(study, "whole")
    fewer = scores(replace(study, students=study.students[1:2]), "fewer")
    assert fewer.items() <= whole.items()


def test_a_trial_that_was_killed_goes_on_with_the_next_step(study, tmp_path, monkeypatch):
    monkeypatch.setattr("kdner.study.trial.PART_CHARACTERS", 500)
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
        folder / "teacher-1.json",
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
    students = ("nlp-architect,epochs=1", "both,transfer_sentences=9", "both,transfer_sentences=100000")
    trial = make(replace(study, students=students), tmp_path)
    trial.run()
    rest, nine, all_of_it = (
        trial._transfer(spec, tmp_path / f"student-{name}-logits")
        for name, spec in zip(students, trial.students, strict=True)
    )
    assert sum(len(table) for table in rest.runs[0].tables(["id"])) == 16
    sentences = [
        len(own) for table in nine.runs[0].tables(["sentence_words"]) for own in table["sentence_words"].to_pylist()
    ]
    assert 9 <= sum(sentences) <= 10
    assert all_of_it.words > rest.words + nine.words


def test_teachers_of_other_kinds_and_of_another_labeled_set(
    study, tmp_path, bert_base, train_file, teacher_folder, monkeypatch
):
    monkeypatch.setattr("kdner.distillation.teachers.FEATURE_RECIPE", replace(FEATURE_RECIPE, epochs=2, min_steps=1))
    teachers = (f"features:{bert_base}", f"{bert_base}@{train_file}", f"fixed:{teacher_folder}")
    found = make(replace(study, teachers=teachers, students=("both,teachers=3",)), tmp_path, size=12).run()
    features, generalist, fixed = (found["teachers"][name] for name in teachers)
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
        Trial(study, size, 1, tmp_path / str(size), Progress, vectors=tmp_path / "vectors").run()
    test = [sentence.words()[0] for sentence in read_labeled(study.test)]
    assert [list(map(list, words)) for words in calls].count(test) == 1
    assert len(calls) == 6  # the test set and the corpus once, what was drawn and what was not for each trial


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("minilm", ("minilm", False, None, 0)),
        ("features:minilm#2", ("features:minilm", False, None, 2)),
        ("/models/bert@/sets/wiki gold.conll#3", ("/models/bert", False, "/sets/wiki gold.conll", 3)),
        ("fixed:my_module:Class", ("my_module:Class", True, None, 0)),
    ],
)
def test_names_of_teachers(name, expected):
    spec = TeacherSpec.read(name)
    assert (spec.source, spec.fixed, spec.labeled, spec.seed) == expected


def test_names_of_students(study):
    spec = StudentSpec.read(
        "pseudo-labels,head=crf,temperature=1,batch-words=200,learning_rate=1e-3,loss=mse,teachers=1", study
    )
    assert spec.recipe == replace(
        study.distillation, alpha=1.0, temperature=1, batch_words=200, loss="mse", learning_rate=1e-3
    )
    assert spec.shape == replace(SHAPE, head="crf") and spec.teachers == (1,)
    assert StudentSpec.read("both", study).recipe == study.distillation
    shares = [StudentSpec.read(f"both{change}", study).development_share for change in ("", ",development_share=0")]
    assert shares == [study.development_share, 0]
    theirs = StudentSpec.read("nlp-architect,epochs=2", study)
    assert (theirs.recipe.epochs, theirs.recipe.schedule, theirs.transfer, theirs.vectors) == (
        2,
        "constant",
        "rest",
        "random",
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gold", "'gold' is none of labeled, pseudo-labels, distillation, both, nlp-architect"),
        ("both,width=3", "unknown key 'width'"),
        ("both,shape=3", "unknown key 'shape'"),
        ("both,teachers=3", "there are 2 teachers"),
        ("both,transfer=gold", "transfer is one of all, rest"),
        ("both,temperature=0", "must be above 0"),
        ("both,head=hmm", "head is one of softmax, crf"),
        ("both,epochs=many", "epochs is a number"),
        ("both,epochs=1.5", "epochs is a number"),
        ("both,teachers=1-2", "teachers are numbers"),
    ],
)
def test_names_that_mean_nothing(study, name, message):
    with pytest.raises(InputError, match=message):
        StudentSpec.read(name, study)


def test_a_password_in_a_teachers_name_is_not_kept(study, monkeypatch):
    monkeypatch.setattr("kdner.study.specs.model_fingerprint", lambda _: {})
    found = check(replace(study, teachers=("fixed:s3://key:secret@bucket/teacher",), students=("both",)), sizes=[12])
    assert list(found) == ["fixed:s3://bucket/teacher"]


def test_a_step_that_is_done_is_not_done_again(study, tmp_path):
    (tmp_path / "teacher-1.json").write_text(json.dumps({"f1": 0.5, "seconds": 1.0, "parameters": 1}))
    found = make(replace(study, students=("labeled,word_dim=4",), teachers=study.teachers[:1]), tmp_path)
    with pytest.raises(InputError, match="not a model directory"):  # its folder is not there
        found.run()
