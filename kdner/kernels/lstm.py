"""The steps of an LSTM as machine code, in 16-bit whole numbers.

States lie between -1 and 1 and are kept as whole numbers of 2**-13; the weights of a gate have a scale of their own, so
large that no sum can leave 32 bits. On AVX2 such a product takes as many instructions as one in float32, but they are
multiplications and additions that run side by side; AVX-512 VNNI has both in one, for 32 numbers. The sum is exact. The
table of gates has whole numbers of 2**-11. A tile of some sentences and a vector of units goes through product, gates,
cell and state without leaving the registers, and the weights of one vector of units are read by all sentences of the
group before those of the next.

With z the four sums of a unit, of which those of sigmoids are halved beforehand, sigmoid(2 z) = (1 + tanh z) / 2, and
tanh z = n / d is a quotient of polynomials, so that a cell and a state take one division each:

    c = (d_f + n_f) / (2 d_f) c_before + (d_i + n_i) / (2 d_i) n_g / d_g        h = (d_o + n_o) / (2 d_o) tanh c

Shapes: G sentences of a group, N words of them, T types, H hidden units, rounded up to whole blocks.
"""

from __future__ import annotations

from llvmlite import ir

from kdner.kernels.machine_code import FLOAT, INT, LONG, SHORT, Array, Function, Value, vector
from kdner.kernels.product import product

GROUP_SENTENCES = 48
"""Sentences that advance together: their states stay in a core's own cache."""
STATE_UNIT = 2.0**-13
TABLE_UNIT = 2.0**-11
"""A sum of more than 16 is cut off there, where a sigmoid is 1 to seven digits."""
GATES = 4

_TANH_MOST = 6.5
_TANH_ABOVE = (0.9999975350829039, 0.12365881574250538, 0.0023346706419855533, 4.211782510072997e-06)
_TANH_BELOW = (1.0, 0.4569832435418706, 0.02133854699280342, 0.00014871022484655333)
"""tanh x = x p(x x) / q(x x), with an error of 5e-7 up to 6.5 and 5e-6 beyond: least squares, weighted anew until the
errors were level."""


def enter(module: ir.Module, lanes: int) -> Function:
    """Write what a layer's inputs alone give: a matrix product, written as `recur` reads the table.

    The parameters are those of `kdner.kernels.product.product`; out is int16 [N, C], in `TABLE_UNIT`.
    """

    def in_units(f: Function, sums: Value) -> Value:
        return f.bounded(sums * (1 / TABLE_UNIT), -(2.0**15), 2.0**15 - 1).to(INT).to(SHORT)

    return product(module, lanes, "enter", in_units, SHORT)


def recur(module: ir.Module, lanes: int) -> Function:
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
        states: int16 [2, GROUP_SENTENCES, H], scratch, before a step and after it.
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
    tile_rows = 2 if lanes == 8 else 4  # as many as there are registers for
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
    return x * f.polynomial(square, _TANH_ABOVE), f.polynomial(square, _TANH_BELOW)
