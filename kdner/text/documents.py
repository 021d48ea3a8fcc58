"""What the actors of the shard map share: a document that cannot be processed costs itself alone."""

from __future__ import annotations

import re
import signal
import threading
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
import pyarrow as pa

R = TypeVar("R")
T = TypeVar("T")

NO_TEXT = "the text is missing"
EMPTY = "the text is empty"
"""Nothing, or white space alone, such as a blank line of plain text: nothing is wrong with it."""
REASON_CHARACTERS = 500
"""Characters of an error's message that are kept."""
NO_TEXT_CHARACTER = re.compile("[\ud800-\udfff\0]")
"""What no text holds: halves of surrogate pairs, and NUL."""


def in_parts(
    texts: Sequence[str | None], function: Callable[[list[str]], R]
) -> tuple[list[tuple[list[int], R]], list[str | None]]:
    """Apply a function to all texts at once, halving what fails down to the texts at fault.

    Returns:
        the rows and the result of each part that did not fail, by their first row; and the error of each text.
    """
    errors: list[str | None] = [
        NO_TEXT if text is None else EMPTY if not text or text.isspace() else None for text in texts
    ]
    there = [(row, text) for row, (text, error) in enumerate(zip(texts, errors, strict=True)) if text and not error]
    parts, failed = without_failing([text for _, text in there], function)
    for place, reason in failed.items():
        errors[there[place][0]] = reason
    return [([there[place][0] for place in part], result) for part, result in parts], errors


def without_failing(
    items: Sequence[T], function: Callable[[list[T]], R]
) -> tuple[list[tuple[list[int], R]], dict[int, str]]:
    """Apply a function to all items at once, halving what fails down to the items at fault.

    A function that fails on one of n items is called about 2 log2(n) times, on 3 n items in all.

    Returns:
        the places and the result of each part that did not fail, by their first place; and why each other item failed.
    """
    parts: list[tuple[list[int], R]] = []
    failed: dict[int, str] = {}
    waiting = [list(range(len(items)))]
    while waiting:
        part = waiting.pop()
        if not part:
            continue
        try:
            parts.append((part, function([items[place] for place in part])))
        except BaseException as error:
            if _ends_the_process(error):
                raise
            if len(part) == 1:
                failed[part[0]] = reason_of(error)
            else:
                waiting += [part[len(part) // 2 :], part[: len(part) // 2]]
    return parts, failed


def reason_of(error: BaseException) -> str:
    """Return the kind and the message of an error, as text that any file can hold, cut to `REASON_CHARACTERS`.

    The message may be that of a user's class: of any length, with halves of surrogate pairs, or none at all.
    """
    try:
        message = str(error)
    except Exception:
        message = "(its message cannot be shown)"
    return NO_TEXT_CHARACTER.sub("\ufffd", f"{type(error).__name__}: {message}"[:REASON_CHARACTERS])


def _ends_the_process(error: BaseException) -> bool:
    """Tell whether an exception is meant for the process, and not an error of what the process was asked to do.

    A KeyboardInterrupt is a user's Ctrl-C where that can arrive: in the main thread, unless the signal is blocked, as
    it is in Ray's workers. Elsewhere only the code that was called can have raised it.
    """
    if isinstance(error, KeyboardInterrupt):
        is_main = threading.current_thread() is threading.main_thread()
        return is_main and signal.SIGINT not in signal.pthread_sigmask(signal.SIG_BLOCK, ())
    return isinstance(error, SystemExit | GeneratorExit)


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
