"""Fine-tuning a teacher on the labeled set: AdamW until the set is learned, then the learning rate falls to 0.

How many steps are needed depends on the encoder and on the set, and the training loss tells: MiniLM learns 300
sentences in 110 steps, an encoder of BERT-base size in 170 or more. The loss of a word is that of its first piece.

Shapes: N words of all sentences, W windows.
"""

from __future__ import annotations

import json
import logging
import math
import shutil
import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from kdner.device import best_dtype
from kdner.errors import InputError
from kdner.progress import Progress
from kdner.runs.storage import commit
from kdner.runs.training_state import read_training_state, write_training_state
from kdner.teacher.model import Teacher
from kdner.teacher.padded_batches import padded, ranges
from kdner.teacher.pieces import Windows

logger = logging.getLogger(__name__)

IGNORED = -100
"""The label id of pieces that the loss passes over: all but the first piece of each word."""
LOSS_STEPS = 50
"""Steps whose mean loss tells whether the labeled set is learned; one pass where that has fewer."""
MIN_LOSS_STEPS = 10
"""Of these so many at least."""
GUESSING_STEPS, GUESSING_SHARE = 300, 0.8
"""A model whose loss is still this share of a guess's after so many steps will not learn: it is begun anew."""
ATTEMPTS = 3
"""How often a model is begun, each time with half the learning rate of the last."""
CHECKPOINT_S = 60.0
"""Seconds after which the next pass over the labeled set ends with a checkpoint."""
STATE = "state.json"


@dataclass(kw_only=True)
class State:
    """How far a fine-tuning is: all that a checkpoint holds beside the weights and the optimizer's moments."""

    attempt: int = 1
    step: int = 0
    """Steps that were taken."""
    steps: int = 0
    """Steps in all, as far as it is known."""
    falls_from: int = 0
    """The step from which the learning rate falls; 0 before the labeled set is learned."""
    losses: list[float] = field(default_factory=list)
    """Those of the latest steps."""

    @property
    def name(self) -> str:
        """Of its checkpoint: no other one is written in its place."""
        return f"{self.attempt}-{self.step}"

    @property
    def slower(self) -> float:
        """What the learning rates are multiplied by."""
        return float(0.5 ** (self.attempt - 1))


@dataclass(frozen=True, kw_only=True)
class FineTuning:
    """How the teacher is fine-tuned: AdamW until the labeled set is learned, then the learning rate falls to 0."""

    learned: float = 0.13
    """The labeled set counts as learned when the mean loss has fallen to this share of the loss that guessing by the
    labels' frequency has. From then on the learning rate falls, in as many steps as were taken. With 1, training
    stops after `epochs` and `min_steps`."""
    epochs: int = 10
    """Passes over the labeled set at least."""
    min_steps: int = 200
    """Optimizer steps at least."""
    max_steps: int = 3000
    """Optimizer steps at most, unless `epochs` or `min_steps` are more."""
    batch_sentences: int = 16
    """Sentences in one optimizer step."""
    learning_rate: float | None = None
    """Learning rate of the encoder; by default 1e-4 for a hidden size up to 768, else 3e-5."""
    head_learning_rate: float | None = None
    """Learning rate of the new layer on top of it; by default 1e-3, or the encoder's where that is higher."""
    warmup_steps: int = 50
    """Steps over which the learning rate rises from 0."""
    weight_decay: float = 0.01
    """AdamW's weight decay, on matrices only."""

    def __post_init__(self) -> None:
        at_least = {"epochs": 0, "min_steps": 0, "max_steps": 1, "batch_sentences": 1, "warmup_steps": 0}
        for name, least in (at_least | {"learned": 0, "weight_decay": 0}).items():
            if not least <= getattr(self, name) < math.inf:
                raise InputError(f"{_flag(name)} {getattr(self, name)}: must be at least {least}")
        for name in ("learning_rate", "head_learning_rate"):
            if (value := getattr(self, name)) is not None and not 0 < value < math.inf:
                raise InputError(f"{_flag(name)} {value}: must be above 0")
        if not (self.epochs or self.min_steps):
            raise InputError(f"{_flag('epochs')} 0: nothing would be learned; give more, or {_flag('min_steps')}")


def _flag(name: str) -> str:
    return f"--fine-tuning.{name.replace('_', '-')}"


def fine_tune(
    base: str,
    sentences: Sequence[tuple[Sequence[str], Sequence[str]]],
    labels: Sequence[str],
    config: FineTuning,
    *,
    seed: int,
    progress: Progress,
    checkpoints: Path | None = None,
) -> Teacher:
    """Fine-tune an encoder on a labeled set.

    Args:
        base: `minilm`, a model directory, or a name on the Hugging Face hub.
        sentences: words and tags of each sentence, as the splitter sees them.
        labels: the label list; its order is the order of the logits.
        config: the recipe.
        seed: decides the head's weights, the order of sentences, and dropout.
        progress: counts steps; how many there will be is known when the set is learned.
        checkpoints: folder of what a training that was cut off goes on from; by default there is none.

    Raises:
        InputError: no sentence has a word, or the encoder cannot be loaded.
    """
    if not any(words for words, _ in sentences):
        raise InputError("nothing to train on: the labeled set holds no words")
    state = State()
    if checkpoints and (checkpoints / STATE).is_file():
        state = State(**json.loads((checkpoints / STATE).read_text("utf-8")))
    while True:
        torch.manual_seed(seed + (state.attempt - 1) * 1_000_003)
        teacher = Teacher.untrained(base, labels)
        optimizer = _optimizer(teacher.model, config, state.slower)
        if state.step and checkpoints:
            read_training_state(checkpoints / state.name, teacher.model, [optimizer], teacher.device)
        if _learn(teacher, sentences, optimizer, config, state, seed, progress, checkpoints):
            break
        state = State(attempt=state.attempt + 1)
        logger.warning(
            "%s: after %d steps it still guesses by the labels' frequency; begun anew with %g times the learning rate",
            progress.what,
            GUESSING_STEPS,
            state.slower,
        )
    teacher.model.eval()
    return teacher


def _learn(
    teacher: Teacher,
    sentences: Sequence[tuple[Sequence[str], Sequence[str]]],
    optimizer: torch.optim.Optimizer,
    config: FineTuning,
    state: State,
    seed: int,
    progress: Progress,
    checkpoints: Path | None,
) -> bool:
    """Train a teacher from a state on; returns False where it gave up, because the teacher did no better than a guess.

    Randomness begins anew with each pass over the labeled set, so that a training goes on after any of them.
    """
    ids = {label: i for i, label in enumerate(teacher.labels)}
    gold_n = np.array([ids[tag] for _, tags in sentences for tag in tags], np.int64)
    windows = teacher.pieces.windows([words for words, _ in sentences])
    schedule = _Schedule(config, state, -(-len(windows.lengths) // config.batch_sentences), _entropy(gold_n))
    saved = time.monotonic()
    teacher.model.train()
    progress.begin(state.steps, done=state.step)
    while state.step < state.steps:
        seeds = np.random.SeedSequence([seed, state.attempt, state.step // schedule.per_pass])
        torch.manual_seed(int(seeds.generate_state(1)[0]))
        for batch in _random_batches(windows.lengths, config.batch_sentences, np.random.default_rng(seeds)):
            for group in optimizer.param_groups:
                group["lr"] = schedule.rate() * group["initial_lr"]
            loss, words = _loss(teacher, windows, gold_n, batch)
            loss.backward()
            torch.nn.utils.clip_grad_norm_(teacher.model.parameters(), 1.0)
            optimizer.step()
            optimizer.zero_grad(set_to_none=True)
            schedule.record(loss.item())
            if schedule.guesses and state.attempt < ATTEMPTS:
                return False
            progress.total = state.steps
            progress.advance(1, words, loss=state.losses[-1])
            if state.step == state.steps:
                return True
        if checkpoints and time.monotonic() - saved >= CHECKPOINT_S:
            _write_checkpoint(checkpoints, teacher, optimizer, state)
            saved = time.monotonic()
    return True


class _Schedule:
    """The learning rate and the number of steps, decided by the losses so far.

    Args:
        config: the recipe.
        state: how far the training is; it is kept up to date.
        per_pass: steps of a pass over the labeled set.
        guess: mean loss of guessing by the labels' frequency.
    """

    def __init__(self, config: FineTuning, state: State, per_pass: int, guess: float) -> None:
        self.config, self.state, self.per_pass, self.guess = config, state, per_pass, guess
        self.least = max(config.epochs * per_pass, config.min_steps)
        self.warmup = max(1, min(config.warmup_steps, self.least // 4))
        self.latest = min(LOSS_STEPS, max(MIN_LOSS_STEPS, per_pass))
        state.steps = state.steps or self.least

    def rate(self) -> float:
        """Return what the learning rates are multiplied by in the next step, 0 to 1."""
        state = self.state
        if not state.falls_from:
            return min(1.0, (state.step + 1) / self.warmup)
        return (state.steps - state.step) / (state.steps - state.falls_from)

    def record(self, loss: float) -> None:
        """Count a step with its loss."""
        state, config = self.state, self.config
        state.losses = [*state.losses[1 - self.latest :], loss]
        state.step += 1
        if state.falls_from:
            return
        is_learned = self._share <= config.learned or config.learned >= 1 or 2 * state.step >= config.max_steps
        if 2 * state.step >= self.least and is_learned:
            state.falls_from = state.step
        earliest = 2 * state.step <= self.least + 1
        state.steps = self.least if earliest else 2 * (state.step if state.falls_from else state.step + 1)

    @property
    def guesses(self) -> bool:
        """Whether the model, after so many steps that it should, knows no more than the labels' frequency."""
        state = self.state
        return state.step == GUESSING_STEPS and not state.falls_from and self._share > GUESSING_SHARE

    @property
    def _share(self) -> float:
        """The mean of the latest losses, as a share of a guess's; 1 before there are enough of them.

        Where all words have one label, as where no entity was drawn, a guess knows all, and the share is 0.
        """
        if not self.guess:
            return 0.0
        return float(np.mean(self.state.losses)) / self.guess if len(self.state.losses) == self.latest else 1.0


def _write_checkpoint(folder: Path, teacher: Teacher, optimizer: torch.optim.Optimizer, state: State) -> None:
    """Write a checkpoint; the one before is kept until this one is whole."""
    written = folder / state.name
    written.mkdir(parents=True, exist_ok=True)
    write_training_state(written, teacher.model, [optimizer])
    with commit(str(folder / STATE)) as file:
        file.write(json.dumps(asdict(state)).encode())
    for other in folder.iterdir():
        if other.is_dir() and other != written:
            shutil.rmtree(other)


def _loss(teacher: Teacher, windows: Windows, gold_n: np.ndarray, batch: np.ndarray) -> tuple[Tensor, int]:
    """Return the mean loss of the words of some windows, and how many words that are.

    Args:
        teacher: its model may be in training.
        windows: of all N words.
        gold_n: int [N], the label of each.
        batch: int, numbers of the windows.
    """
    device = teacher.device
    ends_w = np.cumsum(windows.words)
    columns_n = windows.firsts - np.repeat(np.cumsum(windows.lengths) - windows.lengths, windows.words)
    pieces, mask = padded(windows, batch, teacher.tokenizer.pad_token_id)
    words = ranges(ends_w[batch] - windows.words[batch], windows.words[batch])
    gold = np.full(pieces.shape, IGNORED, dtype=np.int64)
    gold[np.repeat(np.arange(len(batch)), windows.words[batch]), columns_n[words]] = gold_n[words]
    with torch.autocast(device.type, torch.bfloat16, enabled=best_dtype(device) is torch.bfloat16):
        logits = teacher.model(input_ids=pieces.to(device), attention_mask=mask.to(device)).logits
    gold_p = torch.from_numpy(gold).to(device).flatten()
    return cross_entropy(logits.float().flatten(0, 1), gold_p, ignore_index=IGNORED), len(words)


def _entropy(gold_n: np.ndarray) -> float:
    """Return the mean loss of a word if its label is guessed by the labels' frequency alone, in nats."""
    shares = np.unique(gold_n, return_counts=True)[1] / max(1, len(gold_n))
    return float(-(shares * np.log(shares)).sum())


def _optimizer(model: Any, config: FineTuning, slower: float) -> torch.optim.Optimizer:
    """Return AdamW with weight decay on matrices only, and another learning rate for the head.

    Args:
        model: a Hugging Face token classifier.
        config: the recipe.
        slower: what the learning rates are multiplied by.
    """
    rate = config.learning_rate or (1e-4 if model.config.hidden_size <= 768 else 3e-5)
    head_rate = config.head_learning_rate or max(rate, 1e-3)
    encoder = {id(parameter) for parameter in model.base_model.parameters()}
    groups: dict[tuple[bool, bool], list[Tensor]] = {}
    for parameter in model.parameters():
        groups.setdefault((id(parameter) in encoder, parameter.ndim > 1), []).append(parameter)
    return torch.optim.AdamW(
        [
            {
                "params": parameters,
                "initial_lr": slower * (rate if of_encoder else head_rate),
                "weight_decay": config.weight_decay if is_matrix else 0.0,
            }
            for (of_encoder, is_matrix), parameters in groups.items()
        ],
        fused=True,
    )


def _random_batches(sizes: np.ndarray, count: int, rng: np.random.Generator) -> Iterator[np.ndarray]:
    """Cut a random order into batches of alike sizes: sorted within pools of 16 batches, then shuffled again."""
    order = rng.permutation(len(sizes))
    batches = []
    for first in range(0, len(order), 16 * count):
        pool = order[first : first + 16 * count]
        pool = pool[np.argsort(sizes[pool], kind="stable")]
        batches += [pool[i : i + count] for i in range(0, len(pool), count)]
    for b in rng.permutation(len(batches)):
        yield batches[b]
