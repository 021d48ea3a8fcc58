"""What the actors of the shard map share: a document that cannot be processed costs itself alone."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import pyarrow as pa

R = TypeVar("R")

NO_TEXT = "the text is missing or empty"


def in_parts(
    texts: Sequence[str | None], function: Callable[[list[str]], R]
) -> tuple[list[tuple[list[int], R]], list[str | None]]:
    """Apply a function to all texts at once, halving what fails down to the texts at fault.

    A function that fails on one of n texts is called about 2 log2(n) times, on 2 n texts in all.

    Returns:
        the rows and the result of each part that did not fail, by their first row; and the error of each text.
    """
    errors: list[str | None] = [None if text and not text.isspace() else NO_TEXT for text in texts]
    parts: list[tuple[list[int], R]] = []
    waiting = [[(i, text) for i, (text, error) in enumerate(zip(texts, errors, strict=True)) if text and not error]]
    while waiting:
        part = waiting.pop()
        if not part:
            continue
        try:
            parts.append(([i for i, _ in part], function([text for _, text in part])))
        except Exception as error:
            if len(part) == 1:
                errors[part[0][0]] = f"{type(error).__name__}: {error}"[:500]
            else:
                waiting += [part[len(part) // 2 :], part[: len(part) // 2]]
    return parts, errors


def in_order(
    arrays: Sequence[pa.Array], parts: Sequence[tuple[list[int], object]], rows: int, kind: pa.DataType
) -> pa.Array:
    """Return the arrays of the parts that `in_parts` returned as one, a value for each row, null for one that failed.

    Args:
        arrays: of each part, a value for each of its rows.
        parts: their rows.
        rows: how many there are in all.
        kind: of the array, where there is no part.
    """
    values = pa.concat_arrays(arrays) if arrays else pa.array([], kind)
    place = np.full(rows, -1)
    place[[row for part, _ in parts for row in part]] = np.arange(len(values))
    return values if (place == np.arange(rows)).all() else values.take(pa.array(place, mask=place < 0))
