from __future__ import annotations

import json
from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from files import unusual_permissions

from kdner.distillation.checkpoint import State, best_student
from kdner.distillation.examples import TransferSet
from kdner.distillation.recipe import Distillation
from kdner.distillation.trainer import Trainer
from kdner.distillation.untrained_student import write_untrained_student
from kdner.measuring.f1 import measure_f1
from kdner.progress import Progress
from kdner.student.config import StudentConfig
from kdner.student.tagger import Tagger

SMALL = Distillation(epochs=2, min_steps=1, batch_words=40, learning_rate=3e-2)


def train(network, **sets):
    trainer = Trainer(network, SMALL, seed=1, **sets)
    trainer.train(lambda _: None, Progress("distill", "step"))
    return trainer


@pytest.mark.parametrize("head", ["softmax", "crf"])
def test_a_restored_checkpoint_goes_on_bit_for_bit(make_network, toy, logits_folder, tmp_path, head):
    sets = {"labeled": toy, "development": toy[:12], "transfer": TransferSet([logits_folder])}
    undisturbed = train(make_network(head), **sets)
    disturbed = Trainer(make_network(head), SMALL, seed=1, **sets)

    def break_off(record):
        if record["epoch"] == 1:
            disturbed.save(tmp_path)
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        disturbed.train(break_off, Progress("distill", "step"))
    assert {path.suffix for path in tmp_path.iterdir()} == {".json", ".safetensors"}
    resumed = Trainer(make_network(head, seed=99), SMALL, seed=1, **sets)
    resumed.restore(tmp_path)
    assert resumed.state.epoch == 1
    progress = Progress("distill", "step")
    resumed.train(lambda _: None, progress)
    assert progress.before == resumed.steps_per_epoch and progress.done == progress.total == 2 * progress.before
    for weights, expected in (
        (resumed.network.state_dict(), undisturbed.network.state_dict()),
        (resumed.best, undisturbed.best),
    ):
        assert all(torch.equal(weights[name], expected[name]) for name in expected)
    assert resumed.state == undisturbed.state


def test_the_best_epoch_is_kept_and_not_the_last(make_network, toy, tmp_path):
    network = make_network()
    network.saved().save(tmp_path)
    trainer = Trainer(network, replace(SMALL, epochs=3), seed=1, labeled=toy, development=toy[:12])
    checkpoint = tmp_path / "checkpoint"
    checkpoint.mkdir()

    def spoil_after_the_second(record):
        if record["epoch"] >= 2:
            with torch.no_grad():
                network.output.bias[network.labels.index("O")] = 1000
        trainer.save(checkpoint)

    trainer.train(spoil_after_the_second, Progress("distill", "step"))
    f1s = [row["development_f1"] for row in trainer.state.history]
    assert f1s[-1] == 0 < max(f1s)
    best, state = best_student(checkpoint, tmp_path)
    best_epochs = [epoch for epoch, f1 in enumerate(f1s, 1) if f1 == max(f1s)]
    assert state.best_epoch == best_epochs[-1] < 3 and state.best_f1 == max(f1s)
    assert state == trainer.state
    assert measure_f1(Tagger(best).tags, toy[:12]).f1 == pytest.approx(max(f1s))
    assert measure_f1(Tagger(network).tags, toy[:12]).f1 == 0


def test_the_state_of_a_checkpoint_is_plain_json(make_network, toy, tmp_path):
    trainer = train(make_network(), labeled=toy, development=toy[:4])
    trainer.save(tmp_path)
    state = json.loads((tmp_path / "state.json").read_text())
    assert state["epoch"] == len(state["history"]) == SMALL.epochs
    assert state == asdict(trainer.state) and set(state["history"][0]) == {"epoch", "loss", "development_f1"}


def test_without_a_development_set_a_checkpoint_knows_no_f1(make_network, toy, tmp_path):
    initial, checkpoint = tmp_path / "initial", tmp_path / "checkpoint"
    initial.mkdir()
    checkpoint.mkdir()
    make_network().saved().save(initial)
    trainer = train(make_network(), labeled=toy)
    trainer.save(checkpoint)
    student, state = best_student(checkpoint, initial)
    assert state == trainer.state and state.best_f1 is None and state.best_epoch == SMALL.epochs
    assert json.loads((checkpoint / "state.json").read_text())["best_f1"] is None
    last = trainer.network.saved().weights
    assert all(np.array_equal(values, last[name]) for name, values in student.weights.items())
    assert State().best_f1 is None


def test_all_whom_the_umask_lets_may_read_a_checkpoint_and_a_first_student(make_network, toy, labels, umask, tmp_path):
    (tmp_path / "checkpoint").mkdir()
    train(make_network(), labeled=toy).save(tmp_path / "checkpoint")
    shape = StudentConfig(word_dim=8, character_dim=4, character_filters=6, hidden=12)
    write_untrained_student(
        tmp_path / "initial",
        shape,
        labels=labels,
        labeled=toy,
        transfer=None,
        vectors="random",
        teacher=None,
        language="en",
        seed=1,
    )
    assert len(list(tmp_path.rglob("*.safetensors"))) == 4
    assert not unusual_permissions(tmp_path)
