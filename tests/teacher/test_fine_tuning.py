from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from kdner.errors import InputError
from kdner.measuring.f1 import measure_f1
from kdner.progress import Progress
from kdner.teacher.fine_tuning import FineTuning, State, _optimizer, fine_tune
from kdner.teacher.model import Teacher


def tuned(base, toy, labels, recipe, seed=1):
    progress = Progress("fine-tune", "step")
    sentences = [sentence.words() for sentence in toy]
    return fine_tune(base, sentences, labels, recipe, seed=seed, progress=progress), progress


@pytest.fixture(scope="module")
def short():
    return FineTuning(learned=1.0, epochs=1, min_steps=1, batch_sentences=8)


def test_it_learns_the_labeled_set(teacher, toy):
    assert measure_f1(teacher.tags, toy).f1 > 0.98


@pytest.mark.parametrize("base", ["roberta_base", "deberta_base"])
def test_other_encoders_learn_it_too(base, request, toy, labels, toy_recipe):
    recipe = replace(toy_recipe, epochs=30)
    teacher, _ = tuned(request.getfixturevalue(base), toy, labels, recipe)
    assert measure_f1(teacher.tags, toy).f1 > 0.9


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
    recipe = FineTuning(learned=1.0, epochs=1, min_steps=7, batch_sentences=2)
    _, progress = tuned(bert_base, toy[:5], labels, recipe)
    assert progress.done == progress.total == 7
    words = [len(sentence.words()[0]) for sentence in toy[:5]]
    assert 2 * sum(words) < progress.words < 3 * sum(words)


def test_it_goes_on_until_the_set_is_learned_and_as_long_again(bert_base, toy, labels):
    seen = []
    progress = Progress("fine-tune", "step", watchers=[lambda progress: seen.append((progress.done, progress.total))])
    sentences = [sentence.words() for sentence in toy]
    recipe = FineTuning(epochs=1, min_steps=1, batch_sentences=8, learning_rate=5e-3)
    teacher = fine_tune(bert_base, sentences, labels, recipe, seed=1, progress=progress)
    totals = [total for _, total in seen]
    assert progress.done == progress.total == totals[-1] > 20 and totals == sorted(totals)
    learned_at = next(done for done, total in seen if total == totals[-1])
    assert progress.total // 2 - learned_at in (0, 1)
    assert measure_f1(teacher.tags, toy).f1 > 0.95
    bounded = replace(recipe, max_steps=6)
    _, progress = tuned(bert_base, toy, labels, bounded)
    assert progress.done == 6


def test_a_model_that_only_guesses_is_begun_anew_with_half_the_learning_rate(
    bert_base, toy, labels, monkeypatch, caplog
):
    monkeypatch.setattr("kdner.teacher.fine_tuning.GUESSING_STEPS", 12)
    hopeless = FineTuning(
        epochs=1, min_steps=1, max_steps=30, batch_sentences=8, learning_rate=1e-9, head_learning_rate=1e-9
    )
    _, progress = tuned(bert_base, toy, labels, hopeless)
    warnings = [record.getMessage() for record in caplog.records if "begun anew" in record.getMessage()]
    assert len(warnings) == 2 and "0.5 times" in warnings[0] and "0.25 times" in warnings[1]
    assert progress.done == progress.total == 30


def test_a_draw_without_any_entity_is_learned_at_once(bert_base, toy, labels, monkeypatch, caplog):
    monkeypatch.setattr("kdner.teacher.fine_tuning.GUESSING_STEPS", 12)
    sentences = [(words, ["O"] * len(words)) for words, _ in (sentence.words() for sentence in toy)]
    progress = Progress("fine-tune", "step")
    recipe = FineTuning(epochs=1, min_steps=20, max_steps=200, batch_sentences=8)
    teacher = fine_tune(bert_base, sentences, labels, recipe, seed=1, progress=progress)
    assert progress.done == progress.total == 20 and "begun anew" not in caplog.text
    assert set(teacher.tags([["Rain", "is", "expected"]])[0]) == {"O"}


@pytest.mark.parametrize(
    "options",
    [
        {"epochs": -1},
        {"epochs": 0, "min_steps": 0},
        {"max_steps": 0},
        {"batch_sentences": 0},
        {"learning_rate": 0.0},
        {"head_learning_rate": -1.0},
        {"warmup_steps": -1},
        {"learned": -0.1},
        {"weight_decay": float("nan")},
    ],
)
def test_impossible_recipes_name_the_flag(options):
    name = next(iter(options)).replace("_", "-")
    with pytest.raises(InputError, match=f"--fine-tuning.{name} "):
        FineTuning(**options)


def test_the_learning_rate_may_begin_at_its_peak(bert_base, toy, labels, short):
    assert tuned(bert_base, toy, labels, replace(short, warmup_steps=0))[1].done > 0


def test_a_training_that_was_cut_off_ends_as_if_nothing_had_happened(bert_base, toy, labels, monkeypatch, tmp_path):
    monkeypatch.setattr("kdner.teacher.fine_tuning.CHECKPOINT_S", 0.0)
    recipe = FineTuning(epochs=2, min_steps=1, batch_sentences=8, learning_rate=5e-3)
    sentences = [sentence.words() for sentence in toy]
    undisturbed, whole = tuned(bert_base, toy, labels, recipe)
    began_at = []

    def run(stop_at):
        def watch(progress):
            began_at.append(progress.before)
            if progress.done == stop_at:
                raise KeyboardInterrupt

        progress = Progress("fine-tune", "step", watchers=[watch])
        return fine_tune(bert_base, sentences, labels, recipe, seed=1, progress=progress, checkpoints=tmp_path)

    for stop_at in (4, 8, 27):
        with pytest.raises(KeyboardInterrupt):
            run(stop_at)
    resumed = run(None)
    assert sorted(set(began_at)) == [0, 6, 24] and whole.done > 27
    words = [words for words, _ in sentences]
    for a, b in zip(undisturbed.score(words), resumed.score(words), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-4)
    assert sum(path.is_dir() for path in tmp_path.iterdir()) == 1


def test_the_head_learns_faster_than_the_encoder(bert_base, labels):
    model = Teacher.untrained(bert_base, labels).model
    rates = {
        id(parameter): group["initial_lr"]
        for group in _optimizer(model, FineTuning(), 0.5).param_groups
        for parameter in group["params"]
    }
    assert len(rates) == len(list(model.parameters()))
    assert {rates[id(parameter)] for parameter in model.base_model.parameters()} == {5e-5}
    assert {rates[id(parameter)] for parameter in model.classifier.parameters()} == {5e-4}


def test_a_labeled_set_without_words_teaches_nothing(bert_base, labels, short):
    with pytest.raises(InputError, match="nothing to train on: the labeled set holds no words"):
        fine_tune(bert_base, [([], [])], labels, short, seed=1, progress=Progress("teacher", "step"))


def test_checkpoints_of_two_attempts_are_two():
    assert State(attempt=1, step=60).name != State(attempt=2, step=60).name
