"""The student's arithmetic as machine code: LSTM steps in 16-bit whole numbers, products, and the decoding of labels.

**LSTM.** States lie between -1 and 1 and are kept as whole numbers of 2**-13; the weights of a gate have a scale of
their own, so large that no sum can leave 32 bits. Such a product takes half the instructions of one in float32, and its
sum is exact. The table of gates has whole numbers of 2**-11. A tile of some sentences and a vector of units goes
through product, gates, cell and state without leaving the registers, and the weights of one vector of units are read
by all sentences of the group before those of the next.

With z the four sums of a unit, of which those of sigmoids are halved beforehand, sigmoid(2 z) = (1 + tanh z) / 2, and
tanh z = n / d is a quotient of polynomials, so that a cell and a state take one division each:

    c = (d_f + n_f) / (2 d_f) c_before + (d_i + n_i) / (2 d_i) n_g / d_g        h = (d_o + n_o) / (2 d_o) tanh c

**The same digits everywhere.** Every result is computed in one order, whatever is computed beside it, by how many
threads, and on which processor.

Shapes: G sentences of a group, N words of them, H hidden units and L labels, each rounded up to whole vectors.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import NamedTuple

from llvmlite import ir

from kdner.student.machine_code import (
    FLOAT,
    INT,
    LONG,
    SHORT,
    Array,
    Function,
    Value,
    compiled,
    lanes_of_processor,
    vector,
)

GROUP_SENTENCES = 48
"""Sentences that advance together: their states stay in a core's own cache."""
STATE_UNIT = 2.0**-13
TABLE_UNIT = 2.0**-11
"""A sum of more than 16 is cut off there, where a sigmoid is 1 to seven digits."""
GATES = 4
LEAST_LOGIT = -1e30
"""Of labels that only fill a vector up."""
SMALLEST = 1e-30
"""Keeps a sum of probabilities, each too small for a float, from being 0."""
LEAST_WEIGHT = 1e-20
"""Of a label at a word, beside 1 of the likeliest: so that where that one cannot follow, another still can."""

_TANH_MOST = 6.5
_TANH_ABOVE = (0.9999975350829039, 0.12365881574250538, 0.0023346706419855533, 4.211782510072997e-06)
_TANH_BELOW = (1.0, 0.4569832435418706, 0.02133854699280342, 0.00014871022484655333)
"""tanh x = x p(x x) / q(x x), with an error of 5e-7 up to 6.5 and 5e-6 beyond: least squares, weighted anew until the
errors were level."""


class Kernels(NamedTuple):
    """Machine code; the arguments are those of the functions of this file that write it."""

    lanes: int
    """Numbers of a vector."""
    recur: Callable[..., None]
    product: Callable[..., None]
    viterbi: Callable[..., None]
    softmax: Callable[..., None]
    marginals: Callable[..., None]


@cache
def kernels(lanes: int | None = None) -> Kernels | None:
    """Return the machine code for this processor, or None where it has no such vectors; takes some tenths of a second.

    Args:
        lanes: numbers of a vector, 8 or 16; by default as many as the processor computes at once.
    """
    lanes = lanes or lanes_of_processor()
    if not lanes:
        return None
    module = ir.Module("kdner")
    rows = 2 if lanes == 8 else 4  # as many as there are registers for
    functions = {
        "recur": _recur(module, lanes, rows),
        "product": _product(module, lanes),
        "viterbi": _viterbi(module, lanes),
        "softmax": _softmax(module, lanes),
        "marginals": _marginals(module, lanes),
    }
    return Kernels(lanes, **compiled(module, functions))


def _recur(module: ir.Module, lanes: int, tile_rows: int) -> Function:
    """Write the steps of one direction of an LSTM over a group of sentences.

    Parameters:
        types: int32, the row of each word in the table.
        firsts: int64 [G], the place of each sentence's first word in `types`.
        places: int64 [G], the place of its first word in `hidden`.
        lengths: int64 [G], words of each, at least 1; falling.
        sentences: G.
        table: int16 [T, 2, H / lanes, 4, lanes], in `TABLE_UNIT`: what the inputs alone give, for both directions.
        weights: int16 [H / lanes, H / 2, 4, lanes, 2], two states side by side.
        scales: float32 [H / lanes, 4, lanes], what 1 is in the sums of `weights`.
        cells: float32 [G, H], scratch.
        states: int16 [2, G, H], scratch, before a step and after it.
        offsets: int64 [2, G], scratch.
        hidden: float32 [N, 2, H], written in this direction.
        units: H.
        back: 0 to read ahead, 1 to read back.
    """
    f = Function(
        module,
        "recur",
        {"types": INT, "firsts": LONG, "places": LONG, "lengths": LONG, "sentences": None, "table": SHORT}
        | {"weights": SHORT, "scales": FLOAT, "cells": FLOAT, "states": SHORT, "offsets": LONG, "hidden": FLOAT}
        | {"units": None, "back": None},
    )
    units, back, lengths = f["units"], f["back"], f["lengths"]
    gates, outputs = f["offsets"], f["offsets"].from_(f["sentences"])
    with f.loop(f["sentences"] * units) as place:
        f["cells"][place] = 0.0
    count = f.variable(f["sentences"])
    with f.loop(lengths[0]) as step:
        with f.repeat_while(lambda: lengths[count.get() - 1] <= step):  # the shortest ones end
            count.set(count.get() - 1)
        with f.loop(count.get()) as sentence:
            last = lengths[sentence] - 1

            def word(step: Value, last: Value = last) -> Value:
                return f.where(back.equals(1), last - step, step)

            def gates_of(step: Value, sentence: Value = sentence) -> Value:
                kind = f["types"][f["firsts"][sentence] + word(step)].to(LONG)
                return (kind * 2 + back) * GATES * units

            gates[sentence] = gates_of(step)
            outputs[sentence] = ((f["places"][sentence] + word(step)) * 2 + back) * units
            following = gates_of(f.where(step < last, step + 1, last))
            with f.loop(GATES * units, step=32) as line:
                f.fetch(f["table"], following + line)
        odd = step % 2
        before = f["states"].from_(odd * GROUP_SENTENCES * units)
        after = f["states"].from_((1 - odd) * GROUP_SENTENCES * units)
        pairs = f.where(step.equals(0), 0, units / 2)  # the states before the first words are 0
        with f.loop(units / lanes) as block:
            weights = f["weights"].from_(block * units * GATES * lanes)
            scales = [f["scales"].several((block * GATES + gate) * lanes, lanes) for gate in range(GATES)]
            whole = count.get() - count.get() % tile_rows
            for first, stop, rows in ((0, whole, tile_rows), (whole, count.get(), 1)):
                with f.loop(stop, start=first, step=rows) as row:
                    tile = [row + k for k in range(rows)]
                    sums = _recurrent_sums(f, weights, [before.from_(k * units) for k in tile], pairs, lanes)
                    for k, products in zip(tile, sums, strict=True):
                        own = f["table"].from_(gates[k] + block * GATES * lanes)
                        z = [
                            f.fma(
                                products[gate].to(FLOAT),
                                scales[gate],
                                own.several(gate * lanes, lanes).to(INT).to(FLOAT) * TABLE_UNIT,
                            )
                            for gate in range(GATES)
                        ]
                        unit = k * units + block * lanes
                        cell, state = _cell_and_state(f, z, f["cells"].several(unit, lanes))
                        f["cells"].set_several(unit, cell)
                        f["hidden"].set_several(outputs[k] + block * lanes, state)
                        after.set_several(unit, (state * (1 / STATE_UNIT)).to(INT).to(SHORT))
    return f


def _recurrent_sums(f: Function, weights: Array, states: list[Array], pairs: Value, lanes: int) -> list[list[Value]]:
    """Return the sums of each gate for each row, in vectors of 32 bits."""
    sums = [[f.variable(f.zeros(INT, lanes)) for _ in range(GATES)] for _ in states]
    with f.loop(pairs) as pair:
        both = [row.seen_as(INT)[pair].spread(lanes).as_type(vector(SHORT, 2 * lanes)) for row in states]
        for gate in range(GATES):
            own = weights.several((pair * GATES + gate) * 2 * lanes, 2 * lanes)
            for row, pair_states in zip(sums, both, strict=True):
                row[gate].set(row[gate].get() + f.products_of_pairs(own, pair_states))
    return [[gate.get() for gate in row] for row in sums]


def _cell_and_state(f: Function, z: list[Value], cell: Value) -> tuple[Value, Value]:
    (n_i, d_i), (n_f, d_f), (n_g, d_g), (n_o, d_o) = (_tanh(f, gate) for gate in z)
    d_ig = d_i * d_g
    above = f.fma((d_f + n_f) * cell, d_ig, (d_i + n_i) * n_g * d_f)
    cell = above / (d_ig * d_f * 2.0)
    n_c, d_c = _tanh(f, cell)
    return cell, ((d_o + n_o) * n_c) / (d_o * d_c * 2.0)


def _tanh(f: Function, x: Value) -> tuple[Value, Value]:
    """Return tanh x as a quotient."""
    x = f.bounded(x, -_TANH_MOST, _TANH_MOST)
    square = x * x
    return x * _polynomial(f, square, _TANH_ABOVE), _polynomial(f, square, _TANH_BELOW)


def _polynomial(f: Function, x: Value, coefficients: tuple[float, ...]) -> Value:
    *lower, value = (f.number(coefficient, x.type) for coefficient in coefficients)
    for coefficient in reversed(lower):
        value = f.fma(value, x, coefficient)
    return value


def _exp(f: Function, x: Value) -> Value:
    """Return e**x of a vector of numbers that are at most 0; least e**-80."""
    x = f.bounded(x, -80.0, 0.0)
    whole = (x * (1 / math.log(2))).to(INT)
    rest = f.fma(whole.to(FLOAT), -math.log(2), x)
    power = (whole + 127) * (1 << 23)
    series = tuple(1 / math.factorial(k) for k in range(8))
    return _polynomial(f, rest, series) * power.as_type(x.type)


def _product(module: ir.Module, lanes: int) -> Function:
    """Write a matrix product.

    Parameters:
        x: float32 [N, K].
        weights: float32 [K, C].
        bias: float32 [C].
        out: float32 [N, C], written.
        rows, inner, columns: N, K and C, which is a number of whole vectors.
    """
    arrays = dict.fromkeys(("x", "weights", "bias", "out"), FLOAT)
    f = Function(module, "product", arrays | dict.fromkeys(("rows", "inner", "columns")))
    rows, inner, columns = f["rows"], f["inner"], f["columns"]
    wide = columns - columns % (2 * lanes)
    many = rows - rows % 4
    for first_column, last_column, vectors in ((0, wide, 2), (wide, columns, 1)):
        with f.loop(last_column, start=first_column, step=vectors * lanes) as column:
            for first_row, last_row, tile in ((0, many, 4), (many, rows, 1)):
                with f.loop(last_row, start=first_row, step=tile) as row:
                    at = [column + k * lanes for k in range(vectors)]
                    sums = [[f.variable(f["bias"].several(place, lanes)) for place in at] for _ in range(tile)]
                    with f.loop(inner) as k:
                        own = [f["weights"].several(k * columns + place, lanes) for place in at]
                        for number, row_sums in enumerate(sums):
                            x = f["x"][(row + number) * inner + k].spread(lanes)
                            for total, weight in zip(row_sums, own, strict=True):
                                total.set(f.fma(x, weight, total.get()))
                    for number, row_sums in enumerate(sums):
                        for total, place in zip(row_sums, at, strict=True):
                            f["out"].set_several((row + number) * columns + place, total.get())
    return f


def _viterbi(module: ir.Module, lanes: int) -> Function:
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


def _softmax(module: ir.Module, lanes: int) -> Function:
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
        total = f.variable(f.zeros(FLOAT, lanes))
        with f.loop(width, step=lanes) as label:
            total.set(total.get() + _exp(f, logits.several(label, lanes) - highest))
        f["probabilities"][word] = _exp(f, chosen - highest).lane(0) / _sum(total.get(), lanes)
    return f


def _marginals(module: ir.Module, lanes: int) -> Function:
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
        total = f.variable(f.zeros(FLOAT, lanes))
        with f.loop(width, step=lanes) as label:
            total.set(total.get() + row.several(label, lanes))
        whole = f.bounded(_sum(total.get(), lanes), SMALLEST, float("inf")).spread(lanes)
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


def _sum(values: Value, lanes: int) -> Value:
    total = values.lane(0)
    for lane in range(1, lanes):
        total = total + values.lane(lane)
    return total
