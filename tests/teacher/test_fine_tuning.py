from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kdner.measuring.f1 import measure_f1
from kdner.progress import Progress
from kdner.teacher.fine_tuning import FineTuning, fine_tune
from kdner.teacher.model import Teacher


def tuned(base, toy, labels, recipe, seed=1):
    progress = Progress("fine-tune", "step")
    sentences = [sentence.words() for sentence in toy]
    return fine_tune(base, sentences, labels, recipe, seed=seed, progress=progress), progress


@pytest.fixture(scope="module")
def short():
    return FineTuning(epochs=1, min_steps=1, batch_sentences=8)


def test_it_learns_the_labeled_set(teacher, toy):
    assert measure_f1(teacher.tags, toy)["micro"].f1 > 0.98


@pytest.mark.parametrize("base", ["roberta_base", "deberta_base"])
def test_other_encoders_learn_it_too(base, request, toy, labels, toy_recipe):
    recipe = replace(toy_recipe, epochs=30)
    teacher, _ = tuned(request.getfixturevalue(base), toy, labels, recipe)
    assert measure_f1(teacher.tags, toy)["micro"].f1 > 0.9


def test_equal_seeds_give_equal_teachers(bert_base, toy, labels, short):
    words = [sentence.words()[0] for sentence in toy[:4]]
    first, again, other = (tuned(bert_base, toy, labels, short, seed)[0].score(words) for seed in (1, 1, 2))
    assert all(np.array_equal(a, b) for a, b in zip(first, again, strict=True))
    assert not any(np.array_equal(a, b) for a, b in zip(first, other, strict=True))


def test_a_loaded_teacher_scores_as_the_saved_one(bert_base, toy, labels, short, tmp_path):
    order = labels[::-1]
    teacher, _ = tuned(bert_base, toy, order, short)
    teacher.save(tmp_path)
    loaded = Teacher.load(tmp_path, device=teacher.device, dtype=teacher.model.dtype)
    assert loaded.labels == teacher.labels == order
    words = [sentence.words()[0] for sentence in toy[:4]]
    for a, b in zip(teacher.score(words), loaded.score(words), strict=True):
        np.testing.assert_array_equal(a, b)


def test_sentences_longer_than_a_window_are_trained_on_whole(bert_base, toy, labels, short):
    words, tags = toy[0].words()
    sentences = [(words * 30, tags * 30)]
    progress = Progress("fine-tune", "step")
    fine_tune(bert_base, sentences, labels, short, seed=1, progress=progress)
    assert progress.words == 30 * len(words)


def test_a_small_set_gets_its_least_number_of_steps(bert_base, toy, labels):
    recipe = FineTuning(epochs=1, min_steps=7, batch_sentences=2)
    _, progress = tuned(bert_base, toy[:5], labels, recipe)
    assert progress.done == progress.total == 9
    assert progress.words == 3 * sum(len(sentence.words()[0]) for sentence in toy[:5])
