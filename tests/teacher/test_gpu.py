"""What must hold on a machine with a GPU: run with `pytest -m gpu`; needs no Ray."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from kdner.device import best_device, best_dtype
from kdner.distillation.recipe import Distillation
from kdner.distillation.trainer import Trainer
from kdner.progress import Progress
from kdner.student.model import Student
from kdner.student.tagger import Tagger
from kdner.teacher.model import Teacher

pytestmark = pytest.mark.gpu


def test_the_teacher_scores_as_on_the_cpu(teacher_folder, toy):
    words = [sentence.words()[0] for sentence in toy]
    assert best_device().type == "cuda"
    on_gpu = Teacher.load(teacher_folder, dtype=torch.float32).score(words)
    on_cpu = Teacher.load(teacher_folder, device=torch.device("cpu"), dtype=torch.float32).score(words)
    for a, b in zip(on_gpu, on_cpu, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-3)
    assert best_dtype(best_device()) is torch.bfloat16
    half = Teacher.load(teacher_folder).score(words)
    same = sum((a.argmax(1) == b.argmax(1)).sum() for a, b in zip(half, on_cpu, strict=True))
    assert same >= 0.99 * sum(len(b) for b in on_cpu)


def test_a_student_trains_on_the_gpu(student_folder, toy):
    student = Student.from_pretrained(student_folder)
    trainer = Trainer(
        student,
        Distillation(epochs=2, min_steps=1, batch_words=100),
        seed=1,
        labeled=toy,
        development=toy[:8],
        device=best_device(),
    )
    trainer.train(lambda record: None, Progress("distill", "step"))
    assert trainer.state.history[-1]["loss"] < trainer.state.history[0]["loss"]
    assert Tagger(student).network.output.weight.is_cuda
