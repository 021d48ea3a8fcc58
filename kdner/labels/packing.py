"""Packed sentences: words of sentences of any lengths in the order in which they are read together, without padding.

Sentences are sorted by falling length. All first words come first, then all second words, and so on, so that at word t
only the sentences longer than t take part. `counts` says how many those are. What reads backward begins with all last
words.

Shapes: B sentences, N words of all.
"""

from __future__ import annotations

import numpy as np
import torch


class Packing:
    """The order in which the words of B sentences are read."""

    def __init__(self, lengths: np.ndarray, device: torch.device) -> None:
        """Find the order of the words.

        Args:
            lengths: int64 [B], at least 1; the words of a sentence follow one another.
            device: where the words are.
        """
        order = np.argsort(-lengths, kind="stable")
        words, longest = int(lengths.sum()), int(lengths[order[0]])
        counts = len(lengths) - np.searchsorted(lengths[order][::-1], np.arange(longest), side="right")
        self.counts: list[int] = counts.tolist()
        """How many sentences have a t-th word, for each t."""
        step = np.repeat(np.arange(longest), counts)
        within = np.arange(words) - np.repeat(np.cumsum(counts) - counts, counts)
        sentence = order[within]
        first = (np.cumsum(lengths) - lengths)[sentence]
        read = np.concatenate([first + step, words + first + lengths[sentence] - 1 - step])
        states = np.empty(2 * words, np.int64)
        states[read] = np.arange(2 * words)
        before = np.cumsum([0, counts[0], *counts[:-2]])[:longest]
        self.read = torch.from_numpy(read).to(device)
        """Word of each row, [2 N]; of the rows back, plus N."""
        self.states = torch.from_numpy(states).to(device)
        """Row of each word, [2 N]: ahead for all words, then back."""
        self.before = torch.from_numpy(np.repeat(before, counts) + within).to(device)
        """Row of the state before each word, [N]; the first B rows are those before any word."""
