"""The training loop of distillation and its loss, in one process of one or several workers.

    Loss = alpha * L_task + beta * L_distillation,  alpha + beta = 1        (arXiv 1910.06294)

On a transfer sentence L_task is the cross-entropy with the teacher's most likely label (a CRF: its negative
log-likelihood) and L_distillation compares the student's logits with the teacher's. On a gold sentence the label itself
is the best teacher there is, so both terms are L_task with the gold label. All losses are means per word, for both
heads.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import accumulate
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from kdner.distillation.checkpoint import State, read_checkpoint, write_checkpoint
from kdner.distillation.examples import Batch, Examples, TransferSet, labeled_examples
from kdner.distillation.gradients import average_gradients, clip_gradients, mean_loss
from kdner.distillation.losses import distillation_loss, task_loss
from kdner.distillation.recipe import Distillation
from kdner.errors import InputError
from kdner.labeled.sentence import LabeledSentence
from kdner.measuring.f1 import measure_f1
from kdner.progress import Progress
from kdner.student.network import Network
from kdner.student.tagger import Tagger
from kdner.student.vocabulary import PADDING
from kdner.student.word_features import WordFeatures

MIN_EPOCH_STEPS = 50
"""A shorter epoch would spend its time on measuring and saving."""
MAX_NORM = 5.0
"""Gradients are clipped to this norm."""


class Diverged(InputError):
    """The training diverged: all workers raise it at the same step, and would again."""


class Trainer:
    """One worker's training loop; workers average their gradients and stay in step.

    With a development set the best epoch's weights are kept, of equal ones the latest (a small set cannot tell the
    first that finds all its entities from the last); without one the last epoch's. `seed` decides the order of
    sentences and dropout.
    """

    def __init__(
        self,
        network: Network,
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
        self.network = network.to(self.device)
        self.best = {name: tensor.clone() for name, tensor in network.state_dict().items()}
        self.config, self.seed, self.rank, self.workers = config, seed, rank, workers
        self.development, self.transfer = development, transfer
        self.state = State()
        if labeled and not isinstance(labeled, Examples):
            labeled = labeled_examples(labeled, network.vocabulary, network.labels)
        self.gold = labeled if isinstance(labeled, Examples) and labeled.words else None
        set_words = transfer.words if transfer else self.gold.words if self.gold else 0
        if not set_words:
            raise InputError(
                "nothing to train on: no labeled sentences, or a transfer set without words; check --labeled, --logits"
            )
        batch_words = config.batch_words or min(1600, max(400, set_words // 200))
        self.batch_words = max(1, batch_words // workers)
        self.steps_per_epoch = max(MIN_EPOCH_STEPS, round(set_words / batch_words))
        self.epochs = max(config.epochs, math.ceil(config.min_steps / self.steps_per_epoch))
        rows = network.row_parameters
        dense = [parameter for parameter in network.parameters() if all(parameter is not row for row in rows)]
        rate = self.learning_rate = config.learning_rate or (5e-3 if transfer else 3e-3)
        self.optimizers: list[torch.optim.Optimizer] = [
            torch.optim.AdamW(dense, lr=rate, weight_decay=config.weight_decay, fused=True)
        ]
        if rows:  # no momentum: of a word that is read now and then it would keep back nine tenths of each step
            self.optimizers.append(torch.optim.SparseAdam(rows, lr=rate, betas=(0.0, 0.999)))

    def train(self, on_epoch: Callable[[dict[str, float]], None], progress: Progress) -> None:
        """Train from the current epoch to the last.

        Args:
            on_epoch: called after each epoch, on every worker, with its record; the place to save a checkpoint.
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
            transfer = self._transfer_batches(rng, np.random.default_rng([self.seed, epoch]))
            self.network.train()
            total, started = 0.0, time.monotonic()
            last = (epoch + 1) * self.steps_per_epoch - 1
            for step in range(epoch * self.steps_per_epoch, last + 1):
                rate = self.learning_rate * self.config.rate_share(step, steps)
                loss, words = self._step(next(gold, None), next(transfer, None), rate)
                total += loss
                self.state.words += words * self.workers
                numbers = {"loss": loss, "learning_rate": rate}
                if step == last:
                    self.state.seconds += time.monotonic() - started
                    numbers |= self._finish_epoch(mean_loss(total / self.steps_per_epoch, self.workers, self.device))
                progress.advance(1, words, **numbers)
            on_epoch(self.state.history[-1])

    def save(self, folder: Path) -> None:
        """Write a checkpoint: weights, best weights, the optimizers' moments, and the state; no pickle."""
        write_checkpoint(folder, self.network, self.best, self.optimizers, self.state)

    def restore(self, folder: Path) -> None:
        """Go on from what `save` wrote."""
        self.best, self.state = read_checkpoint(folder, self.network, self.optimizers, self.device)

    def _step(self, gold: Batch | None, transfer: Batch | None, rate: float) -> tuple[float, int]:
        """Take one optimizer step on a gold batch and a transfer batch; return its loss and the words of both."""
        share = 0.0 if gold is None else 1.0 if transfer is None else self.config.gold_share
        weighted = [(batch, weight) for batch, weight in ((gold, share), (transfer, 1 - share)) if batch and weight > 0]
        batches = [batch.to(self.device) for batch, _ in weighted]
        losses = map(self._loss, batches, self._emissions(batches))
        shares = [weight * loss for (_, weight), loss in zip(weighted, losses, strict=True)]
        loss = torch.stack(shares).sum()
        self.network.zero_grad(set_to_none=True)
        loss.backward()
        average_gradients(self.network.parameters(), self.workers)
        if not torch.isfinite(clip_gradients(self.network.parameters(), MAX_NORM)):
            raise Diverged(
                f"the gradient is not finite, at a loss of {loss.item()}: training diverged. Lower "
                "--distillation.learning-rate"
            )
        for optimizer in self.optimizers:
            optimizer.param_groups[0]["lr"] = rate
            optimizer.step()
        return loss.item(), sum(len(batch.index) for batch in batches)

    def _emissions(self, batches: Sequence[Batch]) -> tuple[Tensor, ...]:
        """Return the emissions of each batch; the student reads all sentences at once."""
        features = WordFeatures.join([batch.features for batch in batches])
        table = self.network.encode(_drop_words(features, self.config.word_dropout))
        firsts = accumulate((len(batch.features) for batch in batches), initial=0)
        index = torch.cat([batch.index + first for batch, first in zip(batches, firsts, strict=False)])
        lengths = np.concatenate([batch.lengths for batch in batches])
        emissions: Tensor = self.network(table, index, lengths)
        return emissions.split([len(batch.index) for batch in batches])

    def _loss(self, batch: Batch, emissions: Tensor) -> Tensor:
        """Return the mean loss per word of a batch, from its emissions [N, L]."""
        if batch.logits is None:
            return task_loss(self.network, emissions, batch.tags, batch.lengths)
        alpha, loss = self.config.alpha, emissions.new_zeros(())
        if alpha > 0:
            loss = loss + alpha * task_loss(self.network, emissions, batch.tags, batch.lengths)
        if self.config.beta > 0:
            kind, temperature = self.config.loss, self.config.temperature
            loss = loss + self.config.beta * distillation_loss(emissions, batch.logits, kind, temperature)
        return loss

    def _gold_batches(self, rng: np.random.Generator) -> Iterator[Batch]:
        words = round(self.batch_words * (self.config.gold_share if self.transfer else 1.0))
        while self.gold is not None and words > 0:
            yield from self.gold.batches(words, rng, self.gold.share(self.rank, self.workers))

    def _transfer_batches(self, rng: np.random.Generator, order: np.random.Generator) -> Iterator[Batch]:
        """Yield this worker's share of the transfer set again and again; `order` is the same for all workers."""
        words = round(self.batch_words * (1 - self.config.gold_share if self.gold else 1.0))
        while self.transfer is not None and words > 0:
            for examples in self.transfer.examples(self.network.vocabulary, order):
                yield from examples.batches(words, rng, examples.share(self.rank, self.workers))

    def _finish_epoch(self, loss: float) -> dict[str, float]:
        """Measure the student, keep the best epoch's weights and the epoch's record; return what was measured."""
        state = self.state
        state.epoch += 1
        measured: dict[str, float] = {}
        if self.development:
            measured["development_f1"] = measure_f1(Tagger(self.network).tags, self.development).f1
        f1 = measured.get("development_f1")
        if f1 is None or state.best_f1 is None or f1 >= state.best_f1:
            state.best_f1, state.best_epoch = f1, state.epoch
            self.best = {name: tensor.clone() for name, tensor in self.network.state_dict().items()}
        state.history.append({"epoch": state.epoch, "loss": loss, **measured})
        return measured


def _drop_words(features: WordFeatures, share: float) -> WordFeatures:
    if share == 0:
        return features
    dropped = torch.rand(features.words.shape, device=features.words.device) < share
    return replace(features, words=features.words.masked_fill(dropped, PADDING))
