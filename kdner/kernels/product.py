"""A matrix product as machine code, in float32: each sum in the same order, whatever is computed beside it.

Shapes: N rows, K inner, C columns, which is a number of whole blocks.
"""

from __future__ import annotations

from llvmlite import ir

from kdner.kernels.machine_code import FLOAT, Function

BLOCK = 16
"""Columns that are computed together, for all rows: their weights stay in a core's own cache."""


def product(module: ir.Module, lanes: int) -> Function:
    """Write a matrix product.

    Parameters:
        x: float32 [N, K].
        weights: float32 [C / BLOCK, K, BLOCK].
        bias: float32 [C].
        out: float32 [N, C], written.
        rows, inner, columns: N, K and C.
    """
    arrays = dict.fromkeys(("x", "weights", "bias", "out"), FLOAT)
    f = Function(module, "product", arrays | dict.fromkeys(("rows", "inner", "columns")))
    rows, inner, columns = f["rows"], f["inner"], f["columns"]
    most = 4 if lanes < BLOCK else 8  # rows of a tile: enough sums to hide that each waits for the one before
    many = rows - rows % most
    vectors = range(0, BLOCK, lanes)
    with f.loop(columns, step=BLOCK) as block:
        weights = f["weights"].from_(block * inner)
        for first, last, tile in ((0, many, most), (many, rows, 1)):
            with f.loop(last, start=first, step=tile) as row:
                sums = [[f.variable(f["bias"].several(block + place, lanes)) for place in vectors] for _ in range(tile)]
                with f.loop(inner) as k:
                    own = [weights.several(k * BLOCK + place, lanes) for place in vectors]
                    for number, row_sums in enumerate(sums):
                        x = f["x"][(row + number) * inner + k].spread(lanes)
                        for total, weight in zip(row_sums, own, strict=True):
                            total.set(f.fma(x, weight, total.get()))
                for number, row_sums in enumerate(sums):
                    for total, place in zip(row_sums, vectors, strict=True):
                        f["out"].set_several((row + number) * columns + block + place, total.get())
    return f
