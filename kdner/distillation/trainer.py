"""Distillation: the loss and the training loop, in one process of one or several workers.

    Loss = alpha * L_task + beta * L_distillation,  alpha + beta = 1        (arXiv 1910.06294)

On a transfer sentence L_task is the cross-entropy with the teacher's most likely label (a CRF: its negative
log-likelihood) and L_distillation compares the student's logits with the teacher's. On a gold sentence the label itself
is the best teacher there is, so both terms are L_task with the gold label. All losses are means per word, for both
heads.
"""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import accumulate
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from safetensors.torch import load_file, save_file
from torch import Tensor

from kdner.data.labeled_sentence import LabeledSentence
from kdner.distillation.examples import Batch, Examples, TransferSet, labeled_examples
from kdner.distillation.gradients import average_gradients, clip_gradients
from kdner.distillation.losses import distillation_loss, task_loss
from kdner.errors import InputError
from kdner.measuring.f1 import score
from kdner.progress import Progress
from kdner.student.model import Student
from kdner.student.tagger import Tagger
from kdner.student.vocabulary import UNKNOWN, WordFeatures

MIN_EPOCH_STEPS = 50
"""A shorter epoch would spend its time on measuring and saving."""
MAX_NORM = 5.0
"""Gradients are clipped to this norm."""


@dataclass(frozen=True, kw_only=True)
class Distillation:
    """The recipe.

    The paper's four settings: labeled set only (no logits given), pseudo-labels only (alpha 1), distillation only
    (alpha 0), and both.
    """

    alpha: float = 0.5
    """Weight of L_task on transfer sentences, 0 to 1; L_distillation has the rest (beta = 1 - alpha)."""
    loss: Literal["kl", "mse"] = "kl"
    """L_distillation: KL divergence of softened distributions, or mean squared error of centred logits."""
    temperature: float = 1.0
    """Divides the logits of both in the KL divergence; the loss is multiplied by its square."""
    epochs: int = 4
    """An epoch reads as many words as the transfer set has, gold ones among them by `gold_share`, or as the labeled set
    has where there is no transfer set. More epochs where `min_steps` asks for it."""
    min_steps: int = 1500
    """Optimizer steps to take at least, so that a small set is not left half learned."""
    batch_words: int | None = None
    """Words in one optimizer step, over all workers; by default a 200th of the set's words, but from 400 to 1600."""
    gold_share: float = 0.3
    """Share (0 to 1) of each step's words that come from the labeled set, repeated as often as that takes."""
    learning_rate: float | None = None
    """Peak learning rate of AdamW, and of SparseAdam for the word vectors of a step's words; by default 5e-3, or 3e-3
    where there is no transfer set."""
    schedule: Literal["cosine", "constant"] = "cosine"
    """cosine: the learning rate rises over the first 5 % of the steps, then falls along a cosine; constant: neither."""
    weight_decay: float = 1e-3
    """AdamW's weight decay; word vectors have none."""
    word_dropout: float = 0.02
    """Share (0 to 1) of a batch's distinct words whose vector is the unknown word's, so that this one is learned."""

    def __post_init__(self) -> None:
        for name in ("alpha", "gold_share", "word_dropout"):
            if not 0 <= getattr(self, name) <= 1:
                raise InputError(f"--distillation.{name.replace('_', '-')} {getattr(self, name)}: must be from 0 to 1")
        for name in ("temperature", "learning_rate"):
            if (value := getattr(self, name)) is not None and value <= 0:
                raise InputError(f"--distillation.{name.replace('_', '-')} {value}: must be above 0")

    @property
    def beta(self) -> float:
        """The weight of L_distillation on transfer sentences."""
        return 1 - self.alpha


@dataclass
class State:
    """How far the training is: all that a checkpoint holds beside the weights and the optimizer's moments."""

    epoch: int = 0
    best_epoch: int = 0
    best_f1: float = -1.0
    words: int = 0
    """Words of all steps so far, of all workers."""
    seconds: float = field(default=0.0, compare=False)
    """Time that these steps took, without what lies between epochs."""
    history: list[dict[str, float]] = field(default_factory=list)


class Trainer:
    """One worker's training loop; workers average their gradients and stay in step.

    With a development set the best epoch's weights are kept, of equal ones the latest (a small set cannot tell the
    first that finds all its entities from the last); without one the last epoch's. `seed` decides the order of
    sentences and dropout.
    """

    def __init__(
        self,
        student: Student,
        config: Distillation,
        *,
        seed: int,
        labeled: Sequence[LabeledSentence] | Examples,
        development: Sequence[LabeledSentence] = (),
        transfer: TransferSet | None = None,
        rank: int = 0,
        workers: int = 1,
        device: torch.device | None = None,
    ) -> None:
        self.device = device or torch.device("cpu")
        self.student = student.to(self.device)
        self.best = {name: tensor.clone() for name, tensor in student.state_dict().items()}
        self.config, self.seed, self.rank, self.workers = config, seed, rank, workers
        self.development, self.transfer = development, transfer
        self.state = State()
        if labeled and not isinstance(labeled, Examples):
            labeled = labeled_examples(labeled, student.vocabulary, student.labels)
        self.gold = labeled if isinstance(labeled, Examples) else None
        whole = transfer.words if transfer else self.gold.words if self.gold else 0
        if not whole:
            raise InputError(
                "nothing to train on: no labeled sentences, or a transfer set without words; check --labeled, --logits"
            )
        batch_words = config.batch_words or min(1600, max(400, whole // 200))
        self.batch_words = max(1, batch_words // workers)
        self.steps_per_epoch = max(MIN_EPOCH_STEPS, round(whole / batch_words))
        self.epochs = max(config.epochs, math.ceil(config.min_steps / self.steps_per_epoch))
        rows = student.row_parameters
        others = [parameter for parameter in student.parameters() if all(parameter is not row for row in rows)]
        rate = self.learning_rate = config.learning_rate or (5e-3 if transfer else 3e-3)
        self.optimizers: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(others, lr=rate, weight_decay=config.weight_decay, fused=True)
        ]
        if rows:  # no momentum: of a word that is read now and then it would keep back nine tenths of each step
            self.optimizers.append(torch.optim.SparseAdam(rows, lr=rate, betas=(0.0, 0.999)))

    def train(self, on_epoch: Callable[[dict[str, float]], None], progress: Progress) -> None:
        """Train from the current epoch to the last.

        Args:
            on_epoch: called after each epoch, on every worker, with its metrics; the place to save a checkpoint.
            progress: counts steps.
        """
        steps = self.epochs * self.steps_per_epoch
        progress.begin(steps, done=self.state.epoch * self.steps_per_epoch)
        while self.state.epoch < self.epochs:
            epoch = self.state.epoch
            seed = np.random.SeedSequence([self.seed, epoch, self.rank])
            torch.manual_seed(int(seed.generate_state(1)[0]))
            rng = np.random.default_rng(seed)
            gold = self._gold_batches(rng)
            transfer = self._transfer_batches(rng)
            self.student.train()
            total, started = 0.0, time.monotonic()
            last = (epoch + 1) * self.steps_per_epoch - 1
            for step in range(epoch * self.steps_per_epoch, last + 1):
                rate = self.learning_rate * self._rate(step, steps)
                loss, words = self._step(next(gold, None), next(transfer, None), rate)
                total += loss
                self.state.words += words * self.workers
                numbers = {"loss": loss, "learning_rate": rate}
                if step == last:
                    self.state.seconds += time.monotonic() - started
                    numbers |= self._finish_epoch(total / self.steps_per_epoch)
                progress.advance(1, words, **numbers)
            on_epoch(self.state.history[-1])

    def save(self, folder: Path) -> None:
        """Write a checkpoint: weights, best weights, the optimizers' moments, and the state; no pickle."""
        names: dict[Tensor, str] = {parameter: name for name, parameter in self.student.named_parameters()}
        moments = {
            f"{names[parameter]}/{key}": torch.as_tensor(value).contiguous()
            for optimizer in self.optimizers
            for parameter, entry in optimizer.state.items()
            for key, value in entry.items()
        }
        save_file(_contiguous(self.student.state_dict()), folder / "model.safetensors")
        save_file(_contiguous(self.best), folder / "best.safetensors")
        save_file(moments, folder / "optimizer.safetensors")
        (folder / "state.json").write_text(json.dumps(vars(self.state)), encoding="utf-8")

    def restore(self, folder: Path) -> None:
        """Go on from what `save` wrote."""
        device = str(self.device)
        self.student.load_state_dict(load_file(folder / "model.safetensors", device=device))
        self.best = load_file(folder / "best.safetensors", device=device)
        parameters = dict(self.student.named_parameters())
        owners = {one: optimizer for optimizer in self.optimizers for one in optimizer.param_groups[0]["params"]}
        for key, value in load_file(folder / "optimizer.safetensors", device=device).items():
            name, moment = key.rsplit("/", 1)
            optimizer = owners[parameters[name]]
            counted = moment == "step" and isinstance(optimizer, torch.optim.SparseAdam)
            optimizer.state[parameters[name]][moment] = int(value) if counted else value
        self.state = State(**json.loads((folder / "state.json").read_text("utf-8")))

    @staticmethod
    def best_student(checkpoint: Path, initial: Path) -> tuple[Student, State]:
        """Return the best epoch's student of a checkpoint, with the state of the last epoch.

        Args:
            checkpoint: what `save` wrote.
            initial: the student directory that training began with; gives shape and vocabulary.
        """
        student = Student.from_pretrained(initial)
        student.load_state_dict(load_file(checkpoint / "best.safetensors"))
        return student, State(**json.loads((checkpoint / "state.json").read_text("utf-8")))

    def _step(self, gold: Batch | None, transfer: Batch | None, rate: float) -> tuple[float, int]:
        share = 0.0 if gold is None else 1.0 if transfer is None else self.config.gold_share
        weighted = [(batch, weight) for batch, weight in ((gold, share), (transfer, 1 - share)) if batch and weight > 0]
        batches = [batch.to(self.device) for batch, _ in weighted]
        losses = map(self._loss, batches, self._emissions(batches))
        loss = torch.stack([weight * own for (_, weight), own in zip(weighted, losses, strict=True)]).sum()
        if not torch.isfinite(loss):
            raise InputError(f"the loss is {loss.item()}: training diverged. Lower --distillation.learning-rate")
        self.student.zero_grad(set_to_none=True)
        loss.backward()
        average_gradients(self.student.parameters(), self.workers)
        clip_gradients(self.student.parameters(), MAX_NORM)
        for optimizer in self.optimizers:
            optimizer.param_groups[0]["lr"] = rate
            optimizer.step()
        return loss.item(), sum(len(batch.index) for batch in batches)

    def _emissions(self, batches: Sequence[Batch]) -> tuple[Tensor, ...]:
        """Return the emissions of each batch; the student reads all sentences at once."""
        features = WordFeatures.join([batch.features for batch in batches])
        table = self.student.encode(_drop_words(features, self.config.word_dropout))
        firsts = accumulate((len(batch.features) for batch in batches), initial=0)
        index = torch.cat([batch.index + first for batch, first in zip(batches, firsts, strict=False)])
        lengths = np.concatenate([batch.lengths for batch in batches])
        emissions: Tensor = self.student(table, index, lengths)
        return emissions.split([len(batch.index) for batch in batches])

    def _loss(self, batch: Batch, emissions: Tensor) -> Tensor:
        if batch.logits is None:
            return task_loss(self.student, emissions, batch.tags, batch.lengths)
        alpha, loss = self.config.alpha, emissions.new_zeros(())
        if alpha > 0:
            loss = loss + alpha * task_loss(self.student, emissions, batch.tags, batch.lengths)
        if self.config.beta > 0:
            kind, temperature = self.config.loss, self.config.temperature
            loss = loss + self.config.beta * distillation_loss(emissions, batch.logits, kind, temperature)
        return loss

    def _rate(self, step: int, steps: int) -> float:
        """Return the share of the peak learning rate: a linear rise over 5 % of the steps, then a cosine to 1 %."""
        warmup = max(1, round(0.05 * steps))
        if self.config.schedule == "constant":
            return 1.0
        if step < warmup:
            return (step + 1) / warmup
        return 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * (step - warmup) / max(1, steps - warmup)))

    def _gold_batches(self, rng: np.random.Generator) -> Iterator[Batch]:
        words = round(self.batch_words * (self.config.gold_share if self.transfer else 1.0))
        while self.gold is not None and words > 0:
            yield from self.gold.batches(words, rng, self.gold.share(self.rank, self.workers))

    def _transfer_batches(self, rng: np.random.Generator) -> Iterator[Batch]:
        words = round(self.batch_words * (1 - self.config.gold_share if self.gold else 1.0))
        while self.transfer is not None and words > 0:
            for examples in self.transfer.examples(self.student.vocabulary, rng):
                yield from examples.batches(words, rng, examples.share(self.rank, self.workers))

    def _finish_epoch(self, loss: float) -> dict[str, float]:
        """Measure, and keep the best; returns what was measured."""
        self.state.epoch += 1
        metrics: dict[str, float] = {"epoch": self.state.epoch, "loss": loss}
        f1 = self.state.epoch / self.epochs
        if self.development:
            micro = score(Tagger(self.student).tags, self.development)["micro"]
            f1 = metrics["development_f1"] = micro.f1
        if f1 >= self.state.best_f1:
            self.state.best_f1, self.state.best_epoch = f1, self.state.epoch
            self.best = {name: tensor.clone() for name, tensor in self.student.state_dict().items()}
        self.state.history.append(metrics)
        return {"development_f1": f1} if self.development else {}


def _drop_words(features: WordFeatures, share: float) -> WordFeatures:
    if share == 0:
        return features
    dropped = torch.rand(features.words.shape, device=features.words.device) < share
    return WordFeatures(features.words.masked_fill(dropped, UNKNOWN), features.shapes, features.characters)


def _contiguous(state: dict[str, Any]) -> dict[str, Tensor]:
    return {name: tensor.contiguous() for name, tensor in state.items()}
