"""The student's arithmetic as machine code for the CPU that runs it: no compiler is needed for it, only llvmlite.

`machine_code` says how functions are written and compiled; they are in `lstm`, `labels`, `product` and `words`, and
`trie` arranges what one of them reads. Every result is computed in one order, whatever is computed beside it, by how
many threads, and on which processor: the same digits everywhere. Its files import nothing of kdner but each other.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from llvmlite import ir

from kdner.kernels import labels, lstm, product, words
from kdner.kernels.machine_code import COMPILING, compiled, lanes_of_processor


class Kernels(NamedTuple):
    """Machine code by the names of the functions that write it, whose docstrings say what they take.

    Arrays are given by their addresses, and whole numbers as they are.
    """

    lanes: int
    """Numbers of a vector."""
    recur: Callable[..., None]
    product: Callable[..., None]
    enter: Callable[..., None]
    pieces: Callable[..., None]
    encode: Callable[..., None]
    enter_words: Callable[..., None]
    viterbi: Callable[..., None]
    softmax: Callable[..., None]
    marginals: Callable[..., None]


def kernels(lanes: int | None = None) -> Kernels:
    """Return the machine code for this processor; takes some tenths of a second once.

    Args:
        lanes: numbers of a vector, 8 or 16; by default as many as the processor computes at once.
    """
    lanes = lanes or lanes_of_processor() or 8
    with COMPILING:
        return _compiled(lanes)


@cache
def _compiled(lanes: int) -> Kernels:
    module = ir.Module("kdner")
    enter, pieces, encode = lstm.enter(module, lanes), words.pieces(module), words.encode(module, lanes)
    functions = {
        "recur": lstm.recur(module, lanes),
        "product": product.product(module, lanes),
        "enter": enter,
        "pieces": pieces,
        "encode": encode,
        "enter_words": words.enter_words(module, pieces, encode, enter),
        "viterbi": labels.viterbi(module, lanes),
        "softmax": labels.softmax(module, lanes),
        "marginals": labels.marginals(module, lanes),
    }
    return Kernels(lanes, **compiled(module, functions))
