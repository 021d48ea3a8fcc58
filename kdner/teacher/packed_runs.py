"""Packed runs: on a CPU, all windows of a batch one after the other, runs of equal lengths together, without padding.

All but attention computes on the pieces of a batch at once, however short its windows are; attention computes one run
after the other (`kdner.teacher.window_attention`).

Shapes: N words and W windows of all batches, B pieces of a batch.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kdner.teacher.padded_batches import BATCH_PIECES, ranges
from kdner.teacher.pieces import Windows
from kdner.teacher.window_attention import RUNS, runs_of


class PackedRuns:
    """Runs a model over windows in packed runs."""

    def __init__(self, model: Any, first_position: int, *, batch_pieces: int = BATCH_PIECES["cpu"]) -> None:
        """Prepare a model for which `first_position_in_rows` gave a number.

        Args:
            model: a Hugging Face token classifier on the CPU.
            first_position: the position of a window's first piece.
            batch_pieces: pieces in one forward pass at most, give or take a window.
        """
        self.model, self.first_position, self.batch_pieces = model, first_position, batch_pieces
        model.set_attn_implementation(RUNS)

    def __call__(
        self, windows: Windows, width: int, select: Callable[[Any], Tensor], dtype: torch.dtype, **options: bool
    ) -> Tensor:
        """Return what is selected of the model's output at each word's first piece, [N, width].

        Args:
            windows: of all N words.
            width: of what is selected.
            select: takes the model's output of a batch, and returns [1, B, width].
            dtype: of what is returned.
            options: for the model.
        """
        selected = torch.empty((len(windows.firsts), width), dtype=dtype)
        starts, word_starts = (np.cumsum(counts) - counts for counts in (windows.lengths, windows.words))
        places_n = windows.firsts - np.repeat(starts, windows.words)
        with torch.inference_mode():
            for batch in self.batches(windows.lengths):
                lengths = windows.lengths[batch]
                begins = np.cumsum(lengths) - lengths
                pieces = windows.pieces[ranges(starts[batch], lengths)]
                positions = ranges(np.full(len(batch), self.first_position), lengths)
                ids, position_ids = (torch.from_numpy(values.astype(np.int64))[None] for values in (pieces, positions))
                output = self.model(input_ids=ids, position_ids=position_ids, row=runs_of(lengths), **options)
                words = ranges(word_starts[batch], windows.words[batch])
                firsts = np.repeat(begins, windows.words[batch]) + places_n[words]
                selected[torch.from_numpy(words)] = select(output)[0, torch.from_numpy(firsts)].to(dtype)
        return selected

    def batches(self, lengths: np.ndarray) -> list[np.ndarray]:
        """Cut windows into batches of about equal work, the longest first; return the numbers of each batch's windows.

        Args:
            lengths: int [W], the pieces of each window.
        """
        order = np.argsort(-lengths, kind="stable")
        stops = np.cumsum(lengths[order])
        count = -(-int(lengths.sum()) // self.batch_pieces)
        cuts = np.searchsorted(stops, np.arange(1, count) * lengths.sum() / max(1, count))
        return [batch for batch in np.split(order, np.unique(cuts)) if len(batch)]
