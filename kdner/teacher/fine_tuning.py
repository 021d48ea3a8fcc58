"""Fine-tuning a teacher on the labeled set: AdamW, linear warm-up and decay, loss on the first piece of each word."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.nn.functional import cross_entropy

from kdner.device import best_dtype
from kdner.progress import Progress
from kdner.teacher.model import Teacher
from kdner.teacher.padded_batches import padded, ranges

IGNORED = -100
"""The label id of pieces that the loss passes over: all but the first piece of each word."""


@dataclass(frozen=True, kw_only=True)
class FineTuning:
    """How the teacher is fine-tuned on the labeled set: AdamW, linear warm-up and decay."""

    epochs: int = 10
    """Passes over the labeled set; raised where that is fewer than `min_steps` steps."""
    min_steps: int = 200
    """Optimizer steps to take at least, so that a very small labeled set is not left half learned."""
    batch_sentences: int = 16
    """Sentences in one optimizer step."""
    learning_rate: float | None = None
    """Peak learning rate; by default 1e-4 for a hidden size under 768, else 5e-5."""
    warmup_share: float = 0.1
    """Share of all steps (0 to 1) over which the learning rate rises from 0."""
    weight_decay: float = 0.01
    """AdamW's weight decay, on matrices only."""


def fine_tune(
    base: str,
    sentences: Sequence[tuple[Sequence[str], Sequence[str]]],
    labels: Sequence[str],
    config: FineTuning,
    *,
    seed: int,
    progress: Progress,
) -> Teacher:
    """Fine-tune an encoder on a labeled set.

    Args:
        base: `minilm`, a model directory, or a name on the Hugging Face hub.
        sentences: words and tags of each sentence, as the splitter sees them.
        labels: the label list; its order is the order of the logits.
        config: the recipe.
        seed: decides the head's weights, the order of sentences, and dropout.
        progress: counts steps.
    """
    torch.manual_seed(seed)
    teacher = Teacher.untrained(base, labels)
    model, device = teacher.model, teacher.device
    ids = {label: i for i, label in enumerate(labels)}
    gold_n = np.array([ids[tag] for _, tags in sentences for tag in tags], np.int64)
    windows = teacher.pieces.windows([words for words, _ in sentences])
    ends_w = np.cumsum(windows.words)
    columns_n = windows.firsts - np.repeat(np.cumsum(windows.lengths) - windows.lengths, windows.words)
    per_epoch = -(-len(windows.lengths) // config.batch_sentences)
    epochs = max(config.epochs, -(-config.min_steps // per_epoch))
    steps = epochs * per_epoch
    warmup = max(1, round(config.warmup_share * steps))
    optimizer = _optimizer(model, config)
    schedule = torch.optim.lr_scheduler.LambdaLR(
        optimizer, lambda step: min((step + 1) / warmup, (steps - step) / max(1, steps - warmup))
    )
    half = best_dtype(device) is torch.bfloat16
    rng = np.random.default_rng(seed)
    model.train()
    progress.begin(steps)
    for _ in range(epochs):
        for batch in _random_batches(windows.lengths, config.batch_sentences, rng):
            pieces, mask = padded(windows, batch, teacher.tokenizer.pad_token_id)
            words = ranges(ends_w[batch] - windows.words[batch], windows.words[batch])
            gold = np.full(pieces.shape, IGNORED, dtype=np.int64)
            gold[np.repeat(np.arange(len(batch)), windows.words[batch]), columns_n[words]] = gold_n[words]
            with torch.autocast(device.type, torch.bfloat16, enabled=half):
                logits = model(input_ids=pieces.to(device), attention_mask=mask.to(device)).logits
            loss = cross_entropy(
                logits.float().flatten(0, 1),
                torch.from_numpy(gold).to(device).flatten(),
                ignore_index=IGNORED,
            )
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            optimizer.zero_grad(set_to_none=True)
            progress.advance(1, len(words), loss=loss.item())
    model.eval()
    return teacher


def _optimizer(model: Any, config: FineTuning) -> torch.optim.Optimizer:
    """Return AdamW with weight decay on matrices only."""
    matrices = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    biases_and_scales = [parameter for parameter in model.parameters() if parameter.ndim <= 1]
    groups = [
        {"params": matrices, "weight_decay": config.weight_decay},
        {"params": biases_and_scales, "weight_decay": 0.0},
    ]
    rate = config.learning_rate or (1e-4 if model.config.hidden_size < 768 else 5e-5)
    return torch.optim.AdamW(groups, lr=rate, fused=True)


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
