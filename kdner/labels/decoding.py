"""From logits to labels: the best of the label sequences that IOB2 allows.

Labels that are likeliest word by word may not fit together: an entity that no word begins, or that changes its name
midway. Few sentences have such labels; for these the best legal sequence is searched. In all others the likeliest
labels are the best legal ones.

Shapes: N words of all sentences, L labels. Words are packed as `kdner.labels.crf` says.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor, nn

from kdner.labels.crf import Chain, viterbi
from kdner.labels.grammar import iob2_costs
from kdner.labels.packing import Packing


class Grammar(nn.Module):
    """Which label may follow which by IOB2, as `kdner.labels.grammar` says, in the places of a CRF's."""

    start_transitions: Tensor  # [L]
    transitions: Tensor  # [L, L]: from, to
    end_transitions: Tensor  # [L]

    def __init__(self, labels: Sequence[str]) -> None:
        super().__init__()
        for name, cost in iob2_costs(labels).items():
            self.register_buffer(name, torch.from_numpy(cost), persistent=False)

    def restrict(self, chain: Chain) -> Chain:
        """Return the costs of a chain, without the paths that do not fit."""
        return _Restricted(
            chain.start_transitions + self.start_transitions,
            chain.transitions + self.transitions,
            chain.end_transitions + self.end_transitions,
        )


class _Restricted(NamedTuple):
    start_transitions: Tensor
    transitions: Tensor
    end_transitions: Tensor


def best_legal_labels(logits: Tensor, counts: Sequence[int], grammar: Grammar) -> Tensor:
    """Return the best label sequences that a grammar allows, int64 [N].

    Args:
        logits: [N, L], packed.
        counts: sentences that have a t-th word, for each t; sums to N and does not rise.
        grammar: which label may follow which.
    """
    labels = logits.argmax(dim=1)
    counts_t = torch.tensor(counts, device=logits.device)
    firsts = (counts_t.cumsum(0) - counts_t).repeat_interleave(counts_t)
    sentence = torch.arange(len(labels), device=logits.device) - firsts
    later = slice(counts[0], None)
    previous = labels[firsts[later] - counts_t[:-1].repeat_interleave(counts_t[1:]) + sentence[later]]
    cost = torch.cat([grammar.start_transitions[labels[: counts[0]]], grammar.transitions[previous, labels[later]]])
    wrong = torch.zeros(counts[0], dtype=torch.bool, device=logits.device)
    wrong[sentence[cost < 0]] = True
    if wrong.any():
        words = wrong[sentence]
        wrong_counts = wrong.cumsum(0)[counts_t - 1]
        labels[words] = viterbi(grammar, logits[words], wrong_counts[wrong_counts > 0].tolist())
    return labels


def best_legal_tags(logits: np.ndarray, sentences: Sequence[Sequence[str]], labels: Sequence[str]) -> list[list[str]]:
    """Return the best tags that IOB2 allows, of each sentence.

    Args:
        logits: [N, L] of all N words of all sentences, in order.
        sentences: words.
        labels: the label list.
    """
    lengths = np.array([len(words) for words in sentences], np.int64)
    word_labels = iter(best_legal_ids(logits, lengths, labels).tolist())
    return [[labels[next(word_labels)] for _ in words] for words in sentences]


def best_legal_ids(logits: np.ndarray, lengths: np.ndarray, labels: Sequence[str]) -> np.ndarray:
    """Return the best labels that IOB2 allows, int64 [N], as places in the label list.

    Args:
        logits: [N, L] of all N words of all sentences, in order.
        lengths: int, words of each sentence.
        labels: the label list.
    """
    label_ids = np.empty(len(logits), np.int64)
    if len(logits):
        packing = Packing(lengths[lengths > 0], torch.device("cpu"))
        order = packing.read[: len(logits)]
        label_ids[order] = best_legal_labels(torch.from_numpy(logits)[order].float(), packing.counts, Grammar(labels))
    return label_ids
