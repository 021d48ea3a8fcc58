"""Packed rows: all windows of many sentences, one after the other, in rows of one length, without padding.

All rows have one shape, so that the model is compiled once and a GPU replays it row by row. The positions of each
window begin anew, and attention stays within it (`kdner.teacher.window_attention`).

Shapes: N words, W windows and P pieces of all rows, R pieces of a row.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch import Tensor

from kdner.teacher.encoder import LONGEST_WINDOW, layers, quiet_transformers
from kdner.teacher.pieces import Windows
from kdner.teacher.products import join_products
from kdner.teacher.window_attention import KERNEL, KERNEL_WIDTHS, RUNS, VARLEN, RowWindows, Runs, runs_of

logger = logging.getLogger(__name__)

ROW_PIECES = LONGEST_WINDOW
"""Pieces in a row: enough to fill a GPU (two and four times as many are no faster on an H100), few enough that the
last row of a shard, which is padded, is a small share of it."""
ROWS_AHEAD = 16
"""Rows that are handed to the GPU before the first of them is waited for: 100 ms of BERT-base on an H200, in which
another thread can begin with the next shard."""
MAX_DIFFERENCE = 1e-3
"""Largest difference, relative to their size, between float32 logits of packed windows and of windows alone."""


@dataclass(frozen=True, slots=True)
class Row:
    """Windows that follow one another, up to the length of a row."""

    windows: slice
    words: slice
    pieces: slice


def cut_rows(windows: Windows, row_pieces: int) -> Iterator[Row]:
    """Cut windows into rows of at most so many pieces.

    Raises:
        ValueError: a window has more.
    """
    pieces, words = (np.concatenate([[0], np.cumsum(counts)]) for counts in (windows.lengths, windows.words))
    first = 0
    while first < len(windows.lengths):
        last = int(np.searchsorted(pieces, pieces[first] + row_pieces, side="right")) - 1
        if last == first:
            raise ValueError(f"a window of {windows.lengths[first]} pieces has no room in a row of {row_pieces}")
        bounds = (slice(int(sums[first]), int(sums[last])) for sums in (words, pieces))
        yield Row(slice(first, last), *bounds)
        first = last


class PackedRows:
    """Runs a model over windows in packed rows, for one caller at a time."""

    def __init__(self, model: Any, first_position: int, longest: int, *, row_pieces: int = ROW_PIECES) -> None:
        """Prepare a model for which `first_position_in_rows` gave a number; on a GPU its modules are rebuilt.

        Args:
            model: a Hugging Face token classifier on its device.
            first_position: the position of a window's first piece.
            longest: pieces of a window at most.
            row_pieces: the length of a row.
        """
        self.model, self.first_position, self.longest, self.row_pieces = model, first_position, longest, row_pieces
        self.device: torch.device = model.device
        self.attention = RUNS if self.device.type == "cpu" else KERNEL if _kernel_runs(model) else VARLEN
        self._places = torch.arange(row_pieces + 1, dtype=torch.int32, device=self.device)
        self._ids = torch.zeros(row_pieces, dtype=torch.int64, device=self.device)
        self._positions = self._ids.clone()
        cuts = self._places if self.attention == VARLEN else None
        self._windows = RowWindows(self._places[:-1].clone(), self._places[1:].clone(), cuts, longest)
        self._runs: Runs = [(row_pieces, 1)]
        self._recorded: dict[tuple[str, ...], tuple[torch.cuda.CUDAGraph, Any]] = {}
        model.set_attn_implementation(self.attention)
        if self.device.type == "cuda":
            join_products(layers(model), lambda: self._compute({}))
        if self.attention == KERNEL:
            for layer in layers(model):
                layer.compile(dynamic=False)

    def __call__(
        self, windows: Windows, width: int, select: Callable[[Any], Tensor], dtype: torch.dtype, **options: bool
    ) -> Tensor:
        """Return what is selected of the model's output at each word's first piece, [N, width] on the device.

        On a GPU it returns before all is computed, as torch does.

        Args:
            windows: of all N words.
            width: of what is selected.
            select: takes the model's output of a row, and returns [1, R, width].
            dtype: of what is returned.
            options: for the model.
        """
        selected = torch.empty((len(windows.firsts), width), dtype=dtype, device=self.device)
        pieces, firsts, lengths = map(self._moved, (windows.pieces, windows.firsts, windows.lengths))
        stops_w = lengths.cumsum(0)
        starts = torch.repeat_interleave(stops_w - lengths, lengths, output_size=len(pieces))
        stops = torch.repeat_interleave(stops_w, lengths, output_size=len(pieces))
        running: list[torch.cuda.Event] = []
        with torch.inference_mode():
            for row in cut_rows(windows, self.row_pieces):
                if len(running) >= ROWS_AHEAD:
                    running.pop(0).synchronize()
                begin = row.pieces.start
                self._fill(pieces[row.pieces], starts[row.pieces] - begin, stops[row.pieces] - begin)
                if self.attention == VARLEN:
                    padding = self._places[row.pieces.stop - begin + 1 :]
                    cuts = torch.cat([self._places[:1], stops_w[row.windows] - begin, padding])
                    self._windows = self._windows._replace(cuts=cuts.int())
                if self.attention == RUNS:
                    lengths_w = windows.lengths[row.windows]
                    self._runs = [*runs_of(lengths_w), (self.row_pieces - int(lengths_w.sum()), 1)]
                output = self._replay(options) if self.attention == KERNEL else self._compute(options)
                selected[row.words] = select(output)[0, firsts[row.words] - begin].to(dtype)
                if self.device.type == "cuda":
                    running.append(torch.cuda.Event())
                    running[-1].record()
        return selected

    def _fill(self, pieces: Tensor, starts: Tensor, stops: Tensor) -> None:
        """Fill the inputs of a row; each piece of its padding is a window."""
        used = len(pieces)
        self._ids[:used], self._ids[used:] = pieces, 0
        self._positions[:used] = self._places[:used] - starts + self.first_position
        self._positions[used:] = self.first_position
        self._windows.starts[:used], self._windows.starts[used:] = starts, self._places[used:-1]
        self._windows.ends[:used], self._windows.ends[used:] = stops, self._places[used + 1 :]

    def _compute(self, options: dict[str, bool]) -> Any:
        row = self._runs if self.attention == RUNS else self._windows
        return self.model(input_ids=self._ids[None], position_ids=self._positions[None], row=row, **options)

    def _replay(self, options: dict[str, bool]) -> Any:
        """Compute a row as a CUDA graph, which is recorded at the first call: nothing then waits for Python."""
        key = tuple(sorted(name for name, value in options.items() if value))
        if key not in self._recorded:
            for _ in range(2):  # compiles, and lets libraries choose their kernels
                self._compute(options)
            torch.cuda.synchronize()
            graph = torch.cuda.CUDAGraph()
            with torch.cuda.graph(graph, capture_error_mode="thread_local"):
                output = self._compute(options)
            self._recorded[key] = graph, output
        graph, output = self._recorded[key]
        graph.replay()
        return output

    def _moved(self, values: np.ndarray) -> Tensor:
        tensor = torch.from_numpy(values)
        return tensor.pin_memory().to(self.device, non_blocking=True) if self.device.type == "cuda" else tensor


def first_position_in_rows(model: Any) -> int | None:
    """Return the position that a window's first piece has in a packed row; None where a model cannot be packed.

    Whether it can is found by behaviour, because some families ignore the attention that they are given, and some
    count positions from the padding's on: float32 logits of packed windows are compared with those of each alone.

    Args:
        model: a Hugging Face token classifier in float32.
    """
    padding = model.config.pad_token_id or 0
    draw = np.random.default_rng(0)
    sizes = [9, 3, 31, 1, 17]
    others = draw.integers(0, model.config.vocab_size - 1, sum(sizes))
    ids = torch.from_numpy(others + (others >= padding)).to(model.device)  # all but the padding's
    places = torch.cat([torch.arange(size, device=model.device) for size in sizes])
    usual = model.config._attn_implementation
    with torch.inference_mode(), quiet_transformers():
        try:
            alone = torch.cat([model(input_ids=window[None]).logits[0] for window in ids.split(sizes)])
            model.set_attn_implementation(RUNS)
            for first in (0, padding + 1):
                positions = (places + first)[None]
                packed = model(input_ids=ids[None], position_ids=positions, row=runs_of(np.array(sizes))).logits
                if (packed[0] - alone).norm() <= MAX_DIFFERENCE * (alone - alone.mean(0)).norm():
                    return first
        except Exception as error:  # a family may refuse the arguments in any way
            logger.debug("%s cannot be packed: %s", type(model).__name__, error)
        finally:
            model.set_attn_implementation(usual)
    return None


def _kernel_runs(model: Any) -> bool:
    """Tell whether the Triton kernel runs here, and say in the log why not."""
    width = model.config.hidden_size // model.config.num_attention_heads
    try:
        if width not in KERNEL_WIDTHS:
            raise ValueError(f"heads are {width} wide, and not {', '.join(map(str, KERNEL_WIDTHS))}")
        from kdner.teacher.window_kernel import try_kernel

        try_kernel(width, model.dtype)
    except Exception as error:  # whatever Triton, the C compiler or the driver may raise
        logger.warning("not compiled, so slower: %s", (str(error) or type(error).__name__).splitlines()[0])
        return False
    return True
