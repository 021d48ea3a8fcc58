"""A matrix product as machine code, in float32: each sum in the same order, whatever is computed beside it.

Shapes: N rows, K inner, C columns, which is a number of whole blocks.
"""

from __future__ import annotations

from collections.abc import Callable

from llvmlite import ir

from kdner.kernels.machine_code import FLOAT, Function, Value

BLOCK = 16
"""Columns that are computed together, for all rows: their weights stay in a core's own cache."""


def product(
    module: ir.Module,
    lanes: int,
    name: str = "product",
    written: Callable[[Function, Value], Value] | None = None,
    element: ir.Type = FLOAT,
) -> Function:
    """Write a matrix product.

    Args:
        module: where to.
        lanes: numbers of a vector.
        name: of the function.
        written: returns what is written of a vector of sums, in numbers of the type `element`; by default the sums.
        element: the type of what is written.

    Parameters:
        x: float32 [N, K].
        weights: float32 [C / BLOCK, K, BLOCK].
        bias: float32 [C].
        out: `element` [N, C], written.
        rows, inner, columns: N, K and C.
    """
    arrays = dict.fromkeys(("x", "weights", "bias"), FLOAT) | {"out": element}
    f = Function(module, name, arrays | dict.fromkeys(("rows", "inner", "columns")))
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
                        result = written(f, total.get()) if written else total.get()
                        f["out"].set_several((row + number) * columns + block + place, result)
    return f
