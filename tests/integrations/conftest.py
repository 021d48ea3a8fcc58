from __future__ import annotations

import pytest

from kdner.distillation.recipe import Distillation
from kdner.distillation.trainer import Trainer
from kdner.progress import Progress


@pytest.fixture(scope="session")
def taught(make_student, toy):
    """A tiny student that has learned the toy set."""
    student = make_student(dropout=0.0)
    recipe = Distillation(epochs=15, min_steps=1, batch_words=100)
    Trainer(student, recipe, seed=1, labeled=toy).train(lambda _: None, Progress("taught", "step"))
    return student.eval()
