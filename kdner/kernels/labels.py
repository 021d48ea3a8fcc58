"""The decoding of labels as machine code: the best label sequence, and the probabilities of labels.

Shapes: G sentences of a group, N words of them, L labels, rounded up to whole vectors.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import reduce
from operator import add

from llvmlite import ir

from kdner.kernels.machine_code import FLOAT, INT, LONG, Array, Function, Value, vector
from kdner.kernels.product import BLOCK

LEAST_LOGIT = -1e30
"""Of labels that only fill a vector up."""
SMALLEST = 1e-30
"""Keeps a sum of probabilities, each too small for a float, from being 0."""
LEAST_WEIGHT = 1e-20
"""Of a label at a word, beside 1 of the likeliest: so that where that one cannot follow, another still can."""


def viterbi(module: ir.Module, lanes: int) -> Function:
    """Write the search for the best label sequence of each sentence.

    Parameters:
        logits: float32 [N, L].
        places: int64 [G], the place of each sentence's first word in `logits`.
        lengths: int64 [G], words of each.
        sentences: G.
        start: float32 [L], what the first label adds.
        transitions: float32 [L, L], what each label adds after each: from, to.
        end: float32 [L], what the last label adds.
        totals: float32 [2, L], scratch.
        arrows: int32 [longest, L], scratch.
        labels: int64 [N], written.
        width: L.
        known: labels that are not there to fill a vector up.
    """
    arrays = {"logits": FLOAT, "places": LONG, "lengths": LONG, "sentences": None, "start": FLOAT}
    arrays |= {"transitions": FLOAT, "end": FLOAT, "totals": FLOAT, "arrows": INT, "labels": LONG}
    f = Function(module, "viterbi", arrays | dict.fromkeys(("width", "known")))
    width, known = f["width"], f["known"]
    with f.loop(f["sentences"]) as sentence:
        place, length = f["places"][sentence], f["lengths"][sentence]
        logits = f["logits"].from_(place * width)
        with f.loop(width, step=lanes) as to:
            f["totals"].set_several(to, f["start"].several(to, lanes) + logits.several(to, lanes))
        with f.loop(length, start=1) as step:
            before = f["totals"].from_((step - 1) % 2 * width)
            after = f["totals"].from_(step % 2 * width)
            highest = _highest(f, before, width, lanes)
            with f.loop(width, step=lanes) as to:
                best = f.variable(f.number(float("-inf"), vector(FLOAT, lanes)))
                arrow = f.variable(f.zeros(INT, lanes))
                with f.loop(known) as origin:
                    total = before[origin].spread(lanes) + f["transitions"].several(origin * width + to, lanes)
                    better = total > best.get()
                    best.set(f.where(better, total, best.get()))
                    arrow.set(f.where(better, origin.to(INT).spread(lanes), arrow.get()))
                following = best.get() + logits.several(step * width + to, lanes)
                after.set_several(to, following - highest.spread(lanes))
                f["arrows"].set_several(step * width + to, arrow.get())
        totals = f["totals"].from_((length - 1) % 2 * width)
        label, most = f.variable(f.number(0, LONG)), f.variable(f.number(float("-inf"), FLOAT))
        with f.loop(known) as last:
            total = totals[last] + f["end"][last]
            better = total > most.get()
            most.set(f.where(better, total, most.get()))
            label.set(f.where(better, last, label.get()))
        with f.loop(length) as behind:
            step = length - 1 - behind
            f["labels"][place + step] = label.get()
            label.set(f["arrows"][step * width + label.get()].to(LONG))
    return f


def softmax(module: ir.Module, lanes: int) -> Function:
    """Write the probability of a label of each word.

    Parameters:
        logits: float32 [N, L].
        labels: int64 [N].
        probabilities: float32 [N], written.
        words, width: N and L.
    """
    arrays = {"logits": FLOAT, "labels": LONG, "probabilities": FLOAT}
    f = Function(module, "softmax", arrays | dict.fromkeys(("words", "width")))
    width = f["width"]
    with f.loop(f["words"]) as word:
        logits = f["logits"].from_(word * width)
        chosen = logits[f["labels"][word]].spread(lanes)
        highest = _highest(f, logits, width, lanes).spread(lanes)

        def likelihoods(label: Value, logits: Array = logits, highest: Value = highest) -> Value:
            return _exp(f, logits.several(label, lanes) - highest)

        f["probabilities"][word] = _exp(f, chosen - highest).lane(0) / _sum(f, likelihoods, width, lanes)
    return f


def marginals(module: ir.Module, lanes: int) -> Function:
    """Write the probability of each label at each word under a CRF, as `kdner.labels.crf.marginals` does.

    Parameters:
        logits: float32 [N, L].
        places: int64 [G], the place of each sentence's first word in `logits`.
        lengths: int64 [G], words of each.
        sentences: G.
        start: float32 [L], e to the power of what the first label adds.
        onward: float32 [L, L], the same of each label after each: from, to; 0 for labels that fill a vector up.
        backward: float32 [L, L], the same: to, from.
        end: float32 [L], the same of the last label.
        weights: float32 [longest, L], scratch.
        sums: float32 [2, L], scratch.
        probabilities: float32 [N, L], written.
        width, known: as for `viterbi`.
    """
    arrays = {"logits": FLOAT, "places": LONG, "lengths": LONG, "sentences": None, "start": FLOAT, "onward": FLOAT}
    arrays |= dict.fromkeys(("backward", "end", "weights", "sums", "probabilities"), FLOAT)
    f = Function(module, "marginals", arrays | dict.fromkeys(("width", "known")))
    width, known, sums = f["width"], f["known"], f["sums"]

    def scale(row: Array) -> None:
        total = _sum(f, lambda label: row.several(label, lanes), width, lanes)
        whole = f.bounded(total, SMALLEST, float("inf")).spread(lanes)
        with f.loop(width, step=lanes) as label:
            row.set_several(label, row.several(label, lanes) / whole)

    def passed_on(row: Array, chances: Array, label: Value) -> Value:
        total = f.variable(f.zeros(FLOAT, lanes))
        with f.loop(known) as other:
            total.set(f.fma(row[other].spread(lanes), chances.several(other * width + label, lanes), total.get()))
        return total.get()

    with f.loop(f["sentences"]) as sentence:
        place, length = f["places"][sentence], f["lengths"][sentence]
        logits = f["logits"].from_(place * width)
        ahead = f["probabilities"].from_(place * width)
        with f.loop(length) as step:
            weights = f["weights"].from_(step * width)
            highest = _highest(f, logits.from_(step * width), width, lanes).spread(lanes)
            with f.loop(width, step=lanes) as label:
                weight = _exp(f, logits.several(step * width + label, lanes) - highest)
                weights.set_several(label, f.bounded(weight, LEAST_WEIGHT, 1.0))
        with f.loop(width, step=lanes) as label:
            ahead.set_several(label, f["start"].several(label, lanes) * f["weights"].several(label, lanes))
        scale(ahead)
        with f.loop(length, start=1) as step:
            before, now = ahead.from_((step - 1) * width), ahead.from_(step * width)
            with f.loop(width, step=lanes) as label:
                chance = passed_on(before, f["onward"], label)
                now.set_several(label, chance * f["weights"].several(step * width + label, lanes))
            scale(now)
        with f.loop(width, step=lanes) as label:
            sums.set_several(label, f["end"].several(label, lanes))
        weighted = sums.from_(width)
        with f.loop(length) as behind:
            step = length - 1 - behind
            now = ahead.from_(step * width)
            with f.loop(width, step=lanes) as label:
                later = sums.several(label, lanes)
                now.set_several(label, now.several(label, lanes) * later)
                weighted.set_several(label, later * f["weights"].several(step * width + label, lanes))
            scale(now)
            with f.loop(width, step=lanes) as label:
                sums.set_several(label, passed_on(weighted, f["backward"], label))
            scale(sums)
    return f


def _highest(f: Function, row: Array, width: Value, lanes: int) -> Value:
    highest = f.variable(f.number(float("-inf"), vector(FLOAT, lanes)))
    with f.loop(width, step=lanes) as label:
        highest.set(f.intrinsic("maxnum", highest.get(), row.several(label, lanes)))
    return f.reduced("fmax", highest.get())


def _sum(f: Function, several: Callable[[Value], Value], width: Value, lanes: int) -> Value:
    """Return the sum of a row, given by its vectors, in one order: of `BLOCK` sums, whatever the width of a vector."""
    totals = [f.variable(f.zeros(FLOAT, lanes)) for _ in range(0, BLOCK, lanes)]
    with f.loop(width, step=BLOCK) as label:
        for number, total in enumerate(totals):
            total.set(total.get() + several(label + number * lanes))
    first, *others = (total.get().lane(lane) for total in totals for lane in range(lanes))
    return reduce(add, others, first)


def _exp(f: Function, x: Value) -> Value:
    """Return e**x of a vector of numbers that are at most 0; least e**-80."""
    x = f.bounded(x, -80.0, 0.0)
    whole = (x * (1 / math.log(2))).to(INT)
    rest = f.fma(whole.to(FLOAT), -math.log(2), x)
    power = (whole + 127) * (1 << 23)
    series = tuple(1 / math.factorial(k) for k in range(8))
    return f.polynomial(rest, series) * power.as_type(x.type)
