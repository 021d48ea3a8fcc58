"""Padded batches: windows of alike sizes side by side, for CPUs and for models that cannot be packed.

On a GPU that has much to do they have few shapes, for each of which the model is compiled once.

Shapes: N words and W windows of all batches, B windows in a batch, S pieces of its longest.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kdner.teacher.encoder import layers
from kdner.teacher.pieces import Windows

logger = logging.getLogger(__name__)

BATCH_PIECES = {"cpu": 2048, "cuda": 16384}
"""Pieces in one forward pass: on a CPU 512 to 2048 were best (BERT-base, bfloat16)."""
FIXED_SIZES = (16, 32, 48, 64, 96, 128, 256)
"""Pieces of a window, padding included, in batches of fixed shapes; the encoder's longest window is another."""
MAX_PADDING = 0.02
"""Share of a batch that may be padding; small batches may have more."""


class PaddedBatches:
    """Runs a model over windows in padded batches."""

    def __init__(
        self, model: Any, padding: int, *, batch_pieces: int | None = None, fixed_up_to: int | None = None
    ) -> None:
        """Prepare a model.

        Args:
            model: a Hugging Face token classifier on its device.
            padding: id of the piece that pads.
            batch_pieces: pieces in one forward pass, padding included, by default what the device is fastest with.
            fixed_up_to: where batches should have few shapes, for which the model is compiled on a GPU, the pieces of a
                window at most.
        """
        self.model, self.padding = model, padding
        self.device: torch.device = model.device
        self.batch_pieces = batch_pieces or BATCH_PIECES[self.device.type]
        self.sizes = [*(size for size in FIXED_SIZES if size < fixed_up_to), fixed_up_to] if fixed_up_to else []
        if fixed_up_to and self.device.type == "cuda":
            _compile(model, torch.full((self.batch_pieces // self.sizes[0], self.sizes[0]), padding))

    def __call__(
        self, windows: Windows, width: int, select: Callable[[Any], Tensor], dtype: torch.dtype, **options: bool
    ) -> Tensor:
        """Return what is selected of the model's output at each word's first piece, [N, width] on the device.

        Args:
            windows: of all N words.
            width: of what is selected.
            select: takes the model's output of a batch, and returns [B, S, width].
            dtype: of what is returned.
            options: for the model.
        """
        selected = torch.empty((len(windows.firsts), width), dtype=dtype, device=self.device)
        stops = np.cumsum(windows.words)
        places_n = windows.firsts - np.repeat(np.cumsum(windows.lengths) - windows.lengths, windows.words)
        with torch.inference_mode():
            for batch, shape in self.shapes(windows.lengths):
                pieces, mask = padded(windows, batch, self.padding, shape)
                output = self.model(input_ids=pieces.to(self.device), attention_mask=mask.to(self.device), **options)
                words = ranges(stops[batch] - windows.words[batch], windows.words[batch])
                rows = np.repeat(np.arange(len(batch)), windows.words[batch])
                row, column, place = (torch.from_numpy(a).to(self.device) for a in (rows, places_n[words], words))
                selected[place] = select(output)[row, column].to(dtype)
        return selected

    def shapes(self, lengths: np.ndarray) -> Iterator[tuple[np.ndarray, tuple[int, int]]]:
        """Cut windows into batches; yields the numbers of each batch's windows, and its shape [B, S].

        Args:
            lengths: int [W], the pieces of each window.
        """
        if not self.sizes:
            for batch in batch_windows(lengths, self.batch_pieces):
                yield batch, (len(batch), int(lengths[batch[0]]))
            return
        size_w = np.searchsorted(self.sizes, lengths)
        for number, size in enumerate(self.sizes):
            inside = np.flatnonzero(size_w == number)
            count = max(1, self.batch_pieces // size)
            for first in range(0, len(inside), count):
                yield inside[first : first + count], (count, size)


def _compile(model: Any, example: Tensor) -> None:
    """Compile the layers of a model, unless that fails with an example batch of piece ids [B, S]."""
    for layer in layers(model):
        layer.forward = torch.compile(layer.forward, dynamic=False)
    try:
        with torch.inference_mode():
            model(input_ids=example.to(model.device), attention_mask=torch.ones_like(example).to(model.device))
    except Exception as error:  # whatever the compiler may raise
        logger.warning("not compiled, so slower: %s", (str(error) or type(error).__name__).splitlines()[0])
        for layer in layers(model):
            del layer.forward


def padded(
    windows: Windows, batch: np.ndarray, padding: int, shape: tuple[int, int] | None = None
) -> tuple[Tensor, Tensor]:
    """Return piece ids and attention mask of some windows, both int64 [B, S].

    Args:
        windows: of which some are taken.
        batch: int, their numbers.
        padding: id of the piece that pads.
        shape: [B, S], where it should be more than the windows need; a window of padding sees its first piece.
    """
    lengths = windows.lengths[batch]
    starts = (np.cumsum(windows.lengths) - windows.lengths)[batch]
    count, longest = shape or (len(batch), int(lengths.max()))
    mask = np.zeros((count, longest), np.int64)
    mask[: len(batch)] = np.arange(longest) < lengths[:, None]
    pieces = np.full(mask.shape, padding, np.int64)
    pieces[mask > 0] = windows.pieces[ranges(starts, lengths)]
    mask[len(batch) :, 0] = 1
    return torch.from_numpy(pieces), torch.from_numpy(mask)


def ranges(starts: np.ndarray, counts: np.ndarray) -> np.ndarray:
    """Return the integers of each range that has a start and a count, one range after the other."""
    return np.arange(int(counts.sum())) + np.repeat(starts - (np.cumsum(counts) - counts), counts)


def batch_windows(sizes: np.ndarray, batch_pieces: int) -> list[np.ndarray]:
    """Group windows of alike sizes into batches, the longest first; return the numbers of each batch's windows.

    A batch holds at most `batch_pieces` pieces, padded to its first; a new one begins before padding is more than
    `MAX_PADDING` of a batch that is at least an eighth of that.

    Args:
        sizes: int [W], the pieces of each window.
        batch_pieces: pieces of a batch at most, padding included.
    """
    order = np.argsort(-np.asarray(sizes), kind="stable")
    bounds = [0]
    pieces, longest = 0, 0
    for place, size in enumerate(np.asarray(sizes)[order].tolist()):
        longest = longest or size
        count = place - bounds[-1] + 1
        too_loose = count * longest > batch_pieces // 8 and pieces + size < (1 - MAX_PADDING) * count * longest
        if count > 1 and (count * longest > batch_pieces or too_loose):
            bounds.append(place)
            pieces, longest = 0, size
        pieces += size
    return [order[first:last] for first, last in zip(bounds, [*bounds[1:], len(order)], strict=True) if last > first]
