from __future__ import annotations

import pytest

from kdner.errors import InputError
from kdner.labeled.sentence import LabeledSentence
from kdner.measuring.evaluation import add_analysis, evaluate, evaluate_models
from kdner.measuring.f1 import measure_f1
from kdner.measuring.predictions import predictions
from kdner.memory import peak_memory_mb
from kdner.progress import Progress
from kdner.student.model import Student
from kdner.student.tagger import Tagger


@pytest.fixture
def student_folder(make_student, tmp_path):
    make_student("crf", seed=3).save(tmp_path)
    return tmp_path


def test_a_teacher_is_measured(teacher_folder, teacher, toy):
    row, tagged = evaluate(teacher_folder, toy, "toy")
    assert tagged.probabilities is None and tagged.tags == teacher.tags([sentence.words()[0] for sentence in toy])
    expected = measure_f1(teacher.tags, toy)
    assert row["f1"] == pytest.approx(expected.f1, abs=0.02) and row["support"] == expected.support
    assert set(row["per_label"]) == {"PER", "LOC"}
    assert row["parameters"] == sum(p.numel() for p in teacher.model.parameters())
    assert 0 < row["seconds_per_document"] < 5 and 0 < row["peak_memory_mb"] <= peak_memory_mb() + 1


def test_a_student_is_measured(student_folder, toy):
    row, tagged = evaluate(student_folder, toy, "toy")
    tagger = Tagger(Student.from_pretrained(student_folder))
    decoded = tagger.decode(sentence.words()[0] for sentence in toy)
    assert tagged.probabilities == [probabilities.tolist() for _, probabilities in decoded]
    assert row["f1"] == round(measure_f1(tagger.tags, toy).f1, 4)
    assert row["parameters"] == tagger.parameters


def test_a_label_that_training_never_saw(student_folder):
    gold = [LabeledSentence.of_gold_words("set:1", 0, ["Anna"], ["B-MISC"])]
    with pytest.raises(InputError, match=r"other\.conll: sentence set:1 has the label 'B-MISC'"):
        evaluate(student_folder, gold, "other.conll")


def test_a_model_whose_process_is_killed_is_named(toy):
    progress = Progress("evaluate", "model")
    with pytest.raises(InputError, match="own_teachers:Killed: the process that evaluated it was killed"):
        evaluate_models(["own_teachers:Iob1", "own_teachers:Killed"], toy, "toy", progress)
    assert progress.done == 1


def test_models_are_measured_in_processes_of_their_own(teacher_folder, student_folder, toy):
    progress = Progress("evaluate", "model")
    evaluations = evaluate_models([teacher_folder, str(student_folder)], toy, "toy", progress)
    of_teacher, of_student = (evaluation.measures for evaluation in evaluations)
    for kind in ("known_words", "unknown_words"):
        assert of_teacher[kind]["support"] == of_student[kind]["support"] > 0
        assert of_teacher[kind]["recall"] > of_student[kind]["recall"]
    assert progress.finished and progress.done == 2
    for name, evaluation in zip([teacher_folder, str(student_folder)], evaluations, strict=True):
        here = evaluate(name, toy, "toy")
        assert evaluation.tagged == here.tagged and evaluation.measures["f1"] == here.measures["f1"]
        assert 50 < evaluation.measures["peak_memory_mb"] <= peak_memory_mb() + 1


def test_a_users_mistake_in_such_a_process_is_theirs_to_read(student_folder):
    gold = [LabeledSentence.of_gold_words("set:1", 0, ["Anna"], ["B-MISC"])]
    with pytest.raises(InputError, match="which training never saw"):
        evaluate_models([str(student_folder)], gold, "other.conll", Progress("evaluate", "model"))


def test_the_analysis_fits_what_was_measured(student_folder, toy):
    measured = {"student": evaluate(student_folder, toy, "toy")}
    found = predictions(toy, {name: evaluation.tagged for name, evaluation in measured.items()})
    measures = {name: evaluation.measures for name, evaluation in measured.items()}
    add_analysis(measures, found)
    own = measures["student"]
    assert own["f1_interval"][0] <= own["f1"] <= own["f1_interval"][1] and own["against"] == {}
    right, gold = own["kinds"]["correct"], own["support"]
    assert round(right / gold, 4) == own["recall"] and own["score"]["thresholds"][0]["f1"] == own["f1"]
    for label, row in own["per_label"].items():
        assert sum(own["confusion"][label].values()) == row["support"]
        assert row["f1_interval"][0] <= row["f1"] <= row["f1_interval"][1]
