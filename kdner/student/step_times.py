"""How long each step of tagging takes: the clocks that an engine carries with it.

A step is timed by batch or by portion of text, never by word, so that the clocks are always on. On a GPU they tell
how long the CPU took to ask for the work.
"""

from __future__ import annotations

import time
from collections import defaultdict


class StepTimes:
    """Seconds by the name of a step, summed over all its calls since the start, or since `reset`.

    The steps of a tagger are `split` (texts to words), `look up` (new words to rows of the table), `LSTM` (rows to
    emissions) and `decode` (emissions to entities); who calls it may add others.
    """

    def __init__(self) -> None:
        self.seconds: defaultdict[str, float] = defaultdict(float)

    def step(self, name: str) -> _Clock:
        """Add the seconds that a `with` block takes to those of a step, whether or not it fails."""
        return _Clock(self.seconds, name)

    def reset(self) -> None:
        """Forget all times."""
        self.seconds.clear()


class _Clock:
    __slots__ = ("name", "seconds", "started")

    def __init__(self, seconds: dict[str, float], name: str) -> None:
        self.seconds, self.name = seconds, name

    def __enter__(self) -> None:
        self.started = time.perf_counter()

    def __exit__(self, *error: object) -> None:
        self.seconds[self.name] += time.perf_counter() - self.started
