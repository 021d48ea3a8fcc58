from __future__ import annotations

from dataclasses import replace

import pytest
from huggingface_hub import ModelCard

from kdner.errors import InputError
from kdner.jobs.distill_student import DistillStudent, distill_student
from kdner.on_ray.student_job import write_test_quality
from kdner.runs.run_directory import RunDirectory

SUMMARY = {
    "labels": ["O", "B-PER", "I-PER"],
    "parameters": 2_999_000,
    "vocabulary_words": 27_000,
    "labeled_sentences": 638,
    "development_sentences": 0,
    "transfer_words": 1_500_000,
    "best_epoch": 7,
    "development_f1": None,
    "examples": [
        {"text": "Rain in Rome .", "entities": {"student": [], "gold": [[8, 12, "LOC"]]}},
        {"text": "Anna left .", "entities": {"student": [[0, 4, "PER"]], "gold": [[0, 4, "PER"]]}},
    ],
}
EVALUATION = {"test_set": "test.conll", "sentences": 600}


@pytest.mark.parametrize("quickstart", [True, False])
def test_finished_students_get_the_quality_that_was_measured(tmp_path, quickstart):
    paths = [str(tmp_path / name) for name in ("student", "baseline")]
    models = {path: {"f1": f1, "precision": 0.5, "recall": 0.25} for path, f1 in zip(paths, (0.9, 0.6), strict=True)}
    made = {"student": {"hidden": 96}, "distillation": {"alpha": 0.5}}
    for path in paths:
        RunDirectory.open(path, made, {"files": []}).finish(SUMMARY)
    write_test_quality(paths, {**EVALUATION, "models": models}, quickstart=quickstart)
    for path, f1 in zip(paths, (0.9, 0.6), strict=True):
        card = ModelCard.load(f"{path}/README.md")
        assert {result.metric_type: result.metric_value for result in card.data.eval_results} == {
            "f1": f1,
            "precision": 0.5,
            "recall": 0.25,
        }
        assert f"F1 {f1:.4f}" in card.text and "600 sentences of the test set test.conll" in card.text
        assert "| hidden | 96 |\n| alpha | 0.5 |" in card.text
        assert "student*   [Anna PER] left ." in card.text and ".tag('Anna left .')" in card.text
        assert ("for looking, not for use" in card.text) == quickstart
        assert RunDirectory.finished_at(path).summary() == SUMMARY


def test_another_seed_is_another_student_also_without_a_labeled_set(train_file, logits_folder, tmp_path):
    config = DistillStudent(logits=(logits_folder,), vectors="random", out=str(tmp_path / "student"))
    RunDirectory.open(config.out, {"job": "distill_student", "labeled": {"seed": config.seed}})
    with pytest.raises(InputError, match=r"labeled\.seed: there 1, now 2"):
        distill_student(replace(config, seed=config.seed + 1))
