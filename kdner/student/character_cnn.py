"""The character CNN, for training: for each filter the highest answer over a word's characters.

What a character adds to the filters at each of their places is a row of a table, so that a filter's answer is a sum of
rows. Words are sorted by falling length and advance character by character together, so that nothing is padded; the
gradient goes only to the characters that gave the highest answers.

Shapes: T words, C characters of a word, M characters of all words, V known characters, K places of a filter, F filters,
E width of a character vector.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import embedding_bag, pad

from kdner.student.vocabulary import PADDING


def answers_by_place(vectors_ve: Tensor, weights_fek: Tensor) -> Tensor:
    """Return what each character adds to the filters at each of their places, [K V, F]; padding adds nothing."""
    padding = torch.tensor([PADDING], device=vectors_ve.device)
    return torch.einsum("ve,fek->kvf", vectors_ve.index_fill(0, padding, 0), weights_fek).flatten(0, 1)


def highest_answers(table: Tensor, characters: Tensor, width: int) -> Tensor:
    """Return the highest answer of each filter, without its bias, [T, F].

    Args:
        table: [K V, F] from `answers_by_place`.
        characters: int64 [T, C], padded with 0 at the end; at least one in each word.
        width: K, the characters that one filter sees.
    """
    lengths = (characters != PADDING).sum(dim=1)
    order = torch.argsort(lengths, descending=True, stable=True)
    longest = int(lengths[order[0]])
    counts = (lengths[:, None] > torch.arange(longest, device=lengths.device)).sum(dim=0).tolist()
    rows = len(table) // width * torch.arange(width, device=characters.device)
    padded = pad(characters[order, :longest], (width // 2, width // 2), value=PADDING)
    seen_ctk = padded.unfold(1, width, 1).add(rows).transpose(0, 1)
    seen_mk = torch.cat([seen_tk[:count] for seen_tk, count in zip(seen_ctk, counts, strict=True)])
    highest: Tensor = _Highest.apply(table, seen_mk, counts)
    return highest[torch.argsort(order)]


class _Highest(torch.autograd.Function):
    """From the rows that are seen at each character, int64 [M, K], all first characters first, to [T, F]."""

    @staticmethod
    def forward(ctx: Any, table: Tensor, seen_mk: Tensor, counts: list[int]) -> Tensor:
        first_answers, *later_answers = embedding_bag(seen_mk, table, mode="sum").split(counts)
        highest = first_answers.clone()
        at = torch.arange(counts[0], device=table.device)[:, None].expand(highest.shape).contiguous()
        begin = counts[0]
        for answers, count in zip(later_answers, counts[1:], strict=True):
            higher = answers > highest[:count]
            places = torch.arange(begin, begin + count, device=table.device)[:, None]
            torch.where(higher, places, at[:count], out=at[:count])
            torch.maximum(answers, highest[:count], out=highest[:count])
            begin += count
        ctx.save_for_backward(seen_mk, at)
        ctx.size = table.shape
        return highest

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None, None]:
        (d_highest,) = gradients
        seen_mk, at_tf = ctx.saved_tensors
        rows, filters = ctx.size
        d_table = d_highest.new_zeros(rows * filters)
        columns = torch.arange(filters, device=at_tf.device)
        for seen_m in seen_mk.unbind(1):
            places = seen_m[at_tf].mul_(filters).add_(columns)
            d_table.index_add_(0, places.flatten(), d_highest.reshape(-1))
        return d_table.view(rows, filters), None, None
