from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from kdner.distillation.examples import Batch, TransferSet
from kdner.distillation.recipe import Distillation
from kdner.distillation.trainer import Trainer
from kdner.errors import InputError
from kdner.measuring.f1 import measure_f1
from kdner.progress import Progress
from kdner.runs.run_directory import RunDirectory
from kdner.runs.schema import LOGITS
from kdner.student.model import Student
from kdner.student.network import Network
from kdner.student.tagger import Tagger
from kdner.student.vocabulary import PADDING
from kdner.student.word_features import WordFeatures

SMALL = Distillation(epochs=2, min_steps=1, batch_words=40, learning_rate=3e-2)
heads = pytest.mark.parametrize("head", ["softmax", "crf"])


@pytest.fixture
def transfer(logits_folder):
    return TransferSet([logits_folder])


def train(network, config, *, on_epoch=lambda _: None, seed=1, **sets):
    trainer = Trainer(network, config, seed=seed, **{"labeled": [], **sets})
    trainer.train(on_epoch, Progress("distill", "step"))
    return trainer


def log_softmax(x):
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


def batch_of(network, rng, *, with_logits):
    """Two sentences of 2 and 3 words."""
    logits = torch.from_numpy(rng.normal(0, 2, (5, 5)).astype(np.float32))
    features = WordFeatures.of(network.vocabulary, ["Anna", "flew", "Paris", "said"])
    tags = torch.tensor([3, 4, 0, 1, 2])
    return Batch(features, torch.tensor([3, 2, 0, 1, 2]), np.array([2, 3]), tags, logits if with_logits else None)


@heads
@pytest.mark.parametrize("with_logits", [True, False])
@pytest.mark.parametrize(
    "config",
    [
        Distillation(alpha=1.0),
        Distillation(alpha=0.0, temperature=1.0),
        Distillation(alpha=0.0, temperature=4.0),
        Distillation(alpha=0.3, temperature=2.0),
        Distillation(alpha=0.0, loss="mse"),
        Distillation(alpha=0.6, loss="mse"),
    ],
    ids=lambda config: f"alpha {config.alpha} {config.loss} t {config.temperature}",
)
def test_the_loss_is_the_formula(make_network, head, with_logits, config, toy):
    network = make_network(head, dropout=0.0)
    trainer = Trainer(network, replace(config, word_dropout=0.0), seed=1, labeled=toy)
    batch = batch_of(network, np.random.default_rng(1), with_logits=with_logits)
    with torch.no_grad():
        emissions = network(network.encode(batch.features), batch.index, batch.lengths)
        loss = trainer._loss(batch, emissions).item()

    own = emissions.numpy().astype(np.float64)
    tags = [3, 4, 0, 1, 2]
    if head == "softmax":
        task = -log_softmax(own)[np.arange(5), tags].mean()
    else:
        with torch.no_grad():
            sentences = [(emissions[None, :2], [[3, 4]]), (emissions[None, 2:], [[0, 1, 2]])]
            task = -sum(network.crf(e, torch.tensor(t)).item() for e, t in sentences) / 5
    if not with_logits:
        assert loss == pytest.approx(task, rel=1e-4)
        return
    theirs = batch.logits.numpy().astype(np.float64)
    if config.loss == "mse":
        difference = (own - own.mean(axis=1, keepdims=True)) - (theirs - theirs.mean(axis=1, keepdims=True))
        distillation = (difference**2).mean()
    else:
        p, q = log_softmax(theirs / config.temperature), log_softmax(own / config.temperature)
        distillation = (np.exp(p) * (p - q)).sum(axis=1).mean() * config.temperature**2
    assert loss == pytest.approx(config.alpha * task + (1 - config.alpha) * distillation, rel=1e-4)


def test_batches_that_are_read_at_once_are_read_as_if_alone(make_network, toy, transfer):
    network = make_network(dropout=0.0)
    trainer = Trainer(network, replace(SMALL, word_dropout=0.0), seed=1, labeled=toy, transfer=transfer)
    rng = np.random.default_rng(1)
    batches = [next(trainer._gold_batches(rng)), next(trainer._transfer_batches(rng, rng))]
    with torch.no_grad():
        for batch, together in zip(batches, trainer._emissions(batches), strict=True):
            (alone,) = trainer._emissions([batch])
            torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-6)


def test_words_that_a_batch_lacks_keep_their_vectors(make_network, toy):
    network = make_network()
    before = network.words.weight.detach().clone()
    trainer = Trainer(network, replace(SMALL, word_dropout=0.0), seed=1, labeled=toy[:2])
    batch = next(trainer._gold_batches(np.random.default_rng(1)))
    trainer._step(batch, None, 1e-2)
    changed = (network.words.weight.detach() != before).any(dim=1).nonzero()[:, 0].tolist()
    read = torch.cat([batch.features.words, batch.features.pieces.flatten()]).unique()
    assert changed == read[read != PADDING].tolist()


@heads
@pytest.mark.parametrize(
    ("alpha", "with_gold", "with_transfer"),
    [(1.0, True, False), (1.0, False, True), (0.0, False, True), (0.5, True, True)],
    ids=["labeled set only", "pseudo-labels only", "distillation only", "both"],
)
def test_each_setting_learns(make_network, toy, transfer, head, alpha, with_gold, with_transfer):
    config = replace(SMALL, alpha=alpha)
    sets = {"labeled": toy if with_gold else [], "transfer": transfer if with_transfer else None}
    trainer = train(make_network(head), config, **sets)
    losses = [row["loss"] for row in trainer.state.history]
    assert len(losses) == SMALL.epochs and losses[-1] < losses[0] / 2
    assert measure_f1(Tagger(trainer.network).tags, toy).f1 > 0.8


def test_gold_sentences_teach_gold_and_not_what_the_teacher_says(make_network, toy, transfer):
    wrong = [replace(sentence, tags=["O"] * len(sentence.tags)) for sentence in toy]
    assert measure_f1(Tagger(train(make_network(), SMALL, labeled=wrong).network).tags, toy).f1 < 0.1
    all_gold = replace(SMALL, gold_share=1.0)
    network = train(make_network(), all_gold, labeled=wrong, transfer=transfer).network
    assert measure_f1(Tagger(network).tags, toy).f1 < 0.1
    no_gold = replace(SMALL, gold_share=0.0)
    network = train(make_network(), no_gold, labeled=wrong, transfer=transfer).network
    assert measure_f1(Tagger(network).tags, toy).f1 > 0.8


def test_equal_seeds_give_equal_students(make_network, toy, transfer):
    first, again, other = (
        train(make_network(), replace(SMALL, epochs=1), seed=seed, labeled=toy, transfer=transfer).network.state_dict()
        for seed in (1, 1, 2)
    )
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert any(not torch.equal(first[name], other[name]) for name in first)


def test_all_workers_share_out_the_same_parts_of_the_transfer_set(make_network, transfer, monkeypatch):
    parts, examples = [[], []], TransferSet.examples
    monkeypatch.setattr("kdner.distillation.trainer.average_gradients", lambda *_: None)
    monkeypatch.setattr("kdner.distillation.trainer.mean_loss", lambda loss, *_: loss)
    for rank in (0, 1):

        def recorded(self, vocabulary, order, rank=rank):
            for part in examples(self, vocabulary, order):
                parts[rank].append(part.logits.tobytes())
                yield part

        monkeypatch.setattr(TransferSet, "examples", recorded)
        train(make_network(), replace(SMALL, epochs=1), transfer=transfer, rank=rank, workers=2)
    assert all(one == other for one, other in zip(*parts, strict=False)) and len(set(parts[0])) > 1


def test_a_small_set_gets_its_least_number_of_steps(make_network, toy):
    config = replace(SMALL, epochs=1, min_steps=60)
    progress = Progress("distill", "step")
    trainer = Trainer(make_network(), config, seed=1, labeled=toy[:4])
    trainer.train(lambda _: None, progress)
    assert progress.done == progress.total == len(trainer.state.history) * trainer.steps_per_epoch >= 60


def test_of_equally_good_epochs_the_latest_is_kept(make_network, toy):
    nothing_to_find = [sentence for sentence in toy if set(sentence.tags) == {"O"}]
    trainer = train(make_network(), SMALL, labeled=toy, development=nothing_to_find)
    assert len({row["development_f1"] for row in trainer.state.history}) == 1
    assert trainer.state.best_epoch == len(trainer.state.history) > 1


def test_without_a_development_set_the_last_epoch_is_kept(make_network, toy):
    trainer = train(make_network(), SMALL, labeled=toy)
    assert trainer.state.best_epoch == SMALL.epochs and trainer.state.best_f1 is None
    last = trainer.network.state_dict()
    assert all(torch.equal(trainer.best[name], last[name]) for name in last)
    assert all("development_f1" not in row for row in trainer.state.history)


def test_the_student_to_begin_with_is_not_changed_on_disk(make_network, toy, tmp_path):
    make_network().saved().save(tmp_path)
    before = (tmp_path / "model.safetensors").read_bytes()
    train(Network.of(Student.from_pretrained(tmp_path)), replace(SMALL, epochs=1), labeled=toy)
    assert (tmp_path / "model.safetensors").read_bytes() == before


def test_a_loss_that_diverges_is_an_input_error(make_network, toy):
    with pytest.raises(InputError, match=r"training diverged. Lower --distillation.learning-rate"):
        train(make_network(), replace(SMALL, learning_rate=1e30, epochs=20), labeled=toy)


def test_nothing_to_train_on_is_an_input_error(make_network, tmp_path, labels):
    with pytest.raises(InputError, match="nothing to train on"):
        Trainer(make_network(), SMALL, seed=1, labeled=[])
    run = RunDirectory.open(str(tmp_path), {"job": "test"}, {"files": ["a.parquet"], "labels": labels, "teachers": 1})
    run.write_table("a.parquet", LOGITS.empty_table(), LOGITS)
    run.finish({})
    with pytest.raises(InputError, match="nothing to train on"):
        Trainer(make_network(), SMALL, seed=1, labeled=[], transfer=TransferSet([str(tmp_path)]))


def test_where_there_is_a_transfer_set_the_default_learning_rate_is_higher(make_network, toy, transfer):
    default = replace(SMALL, learning_rate=None)
    assert Trainer(make_network(), default, seed=1, labeled=toy).learning_rate == 3e-3
    assert Trainer(make_network(), default, seed=1, labeled=toy, transfer=transfer).learning_rate == 5e-3
    assert Trainer(make_network(), SMALL, seed=1, labeled=toy, transfer=transfer).learning_rate == 3e-2
