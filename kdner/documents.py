"""What the actors of the shard map share: a document that cannot be processed keeps its row, with the reason.

It neither stops the others nor is dropped.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

R = TypeVar("R")

NO_TEXT = "the text is missing or empty"


def each_document(
    texts: list[str | None], function: Callable[[list[str]], Sequence[R]]
) -> tuple[list[R | None], list[str | None]]:
    """Apply a function to all texts at once, halving what fails down to the texts at fault; returns results and errors.

    A function that fails on one of n texts is called about 2 log2(n) times, on 2 n texts in all.
    """
    results: list[R | None] = [None] * len(texts)
    errors: list[str | None] = [None if text and not text.isspace() else NO_TEXT for text in texts]
    waiting = [[(i, text) for i, (text, error) in enumerate(zip(texts, errors, strict=True)) if text and not error]]
    while waiting:
        part = waiting.pop()
        if not part:
            continue
        try:
            for (i, _), result in zip(part, function([text for _, text in part]), strict=True):
                results[i] = result
        except Exception as error:
            if len(part) == 1:
                errors[part[0][0]] = f"{type(error).__name__}: {error}"[:500]
            else:
                waiting += [part[: len(part) // 2], part[len(part) // 2 :]]
    return results, errors
