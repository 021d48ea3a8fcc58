"""From a finished teacher with labels of another scheme to a student of it, without any labeled set."""

from __future__ import annotations

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kdner.distillation.recipe import Distillation
from kdner.jobs.distill_student import DistillStudent, distill_student
from kdner.jobs.evaluate import Evaluate, evaluate
from kdner.jobs.finetune_teacher import FinetuneTeacher, finetune_teacher
from kdner.jobs.precompute_logits import PrecomputeLogits, precompute_logits
from kdner.runs.run_directory import RunDirectory
from kdner.student.config import StudentConfig
from kdner.student.model import Student

LABELS = ["O", "B-PER", "I-PER", "B-PLACE", "I-PLACE"]
TEXTS = ["Mira met Tuva in Oslo .", "Bergen is far from Oslo .", "Tuva left Bergen .", "Nobody was there ."]
TEST = "Mira B-PER\nsaw O\nOslo B-PLACE\n. O\n\nTuva B-PER\nleft O\n. O\n"
SMALL = StudentConfig(head="softmax", word_dim=12, character_dim=4, character_filters=4, hidden=12, dropout=0.0)
SHORT = Distillation(epochs=4, min_steps=200, batch_words=60, word_dropout=0.0)


@pytest.mark.ray
@pytest.mark.cluster
def test_a_student_learns_from_a_finished_teacher_alone(cluster, tmp_path, write):
    texts = [TEXTS[k % 4] for k in range(60)]
    pq.write_table(pa.table({"id": list(map(str, range(60))), "text": texts}), tmp_path / "corpus.parquet")
    rename = ("LOC=PLACE",)
    logits, student = str(tmp_path / "logits"), str(tmp_path / "student")
    teachers = ("own_teachers:Iob1", "own_teachers:Types")
    corpus = (str(tmp_path / "corpus.parquet"),)
    precompute_logits(PrecomputeLogits(corpus=corpus, teacher=teachers, label_map=rename, out=logits))
    run = RunDirectory.finished_at(logits)
    assert run.manifest()["labels"] == LABELS
    assert run.manifest()["fingerprint"]["label_map"] == {"LOC": "PLACE"}

    flags = {"vectors": "random", "student": SMALL, "distillation": SHORT, "out": student}
    summary = distill_student(DistillStudent(logits=(logits,), **flags))
    assert summary["labeled_sentences"] == 0 and Student.from_pretrained(student).labels == LABELS

    test = write("test.conll", TEST)
    models = (*teachers, student)
    measured = evaluate(Evaluate(test=test, models=models, label_map=rename, out=str(tmp_path / "evaluation")))
    assert {name: measures["f1"] for name, measures in measured["models"].items()} == dict.fromkeys(models, 1.0)


def test_teachers_that_cannot_be_used_are_refused_before_work_starts(
    refused, tmp_path, bert_base, train_file, corpus_file
):
    (tmp_path / "slow").mkdir()
    (tmp_path / "slow/config.json").write_text('{"model_type": "canine"}')
    (tmp_path / "slow/model.safetensors").write_text("")
    flags = ("--corpus", corpus_file, "--out", tmp_path / "logits", "--teacher")
    for teacher, message in (
        (bert_base, "not a tagger"),
        ("org/no-such-model", "no such folder, and the hub gives nothing of this name"),
        ("own_teachers:Missing", "has no attribute"),
        ("spacy:no_such_pipeline", "spacy:no_such_pipeline: "),
        (tmp_path / "slow", "has no fast form"),
    ):
        assert message in refused(PrecomputeLogits, precompute_logits, *flags, teacher)
    teachers = ("own_teachers:Types", "own_teachers:Masked")
    message = refused(PrecomputeLogits, precompute_logits, *flags, *teachers)
    assert "only own_teachers:Types has B-LOC, I-LOC" in message and "--label-map" in message
    message = refused(PrecomputeLogits, precompute_logits, *flags, *teachers, "--label-map", "GPE=LOC")
    assert "--label-map GPE=: no model has this type. They have LOC, PER" in message
    flags = ("--labeled", train_file, "--out", tmp_path / "teacher", "--teacher", tmp_path / "slow")
    assert "has no fast form" in refused(FinetuneTeacher, finetune_teacher, *flags)
    assert not (tmp_path / "logits").exists() and not (tmp_path / "teacher").exists()


def test_a_student_learns_from_something(refused, tmp_path):
    message = refused(DistillStudent, distill_student, "--vectors", "random", "--out", tmp_path / "student")
    assert "nothing to learn from: give --labeled, or --logits, or both" in message
