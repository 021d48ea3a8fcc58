"""How long each step of tagging takes: the clocks that an engine carries with it.

A step is timed by batch or by portion of text, never by word, so that the clocks are always on. On a GPU they tell
how long the CPU took to ask for the work.
"""

from __future__ import annotations

import time
from collections import defaultdict
from threading import get_ident


class StepTimes:
    """Seconds by the name of a step, summed over all its calls since the start, or since `reset`.

    The steps of a tagger are `split` (texts to words), `look up` (new words to rows of the table), `LSTM` (rows to
    emissions) and `decode` (emissions to entities); who calls it may add others. Where threads share it, the seconds of
    all of them add up.
    """

    def __init__(self) -> None:
        self._by_thread: defaultdict[tuple[int, str], float] = defaultdict(float)

    @property
    def seconds(self) -> defaultdict[str, float]:
        """Return the seconds of each step."""
        sums: defaultdict[str, float] = defaultdict(float)
        for (_, name), seconds in self._by_thread.copy().items():
            sums[name] += seconds
        return sums

    def step(self, name: str) -> _Clock:
        """Add the seconds that a `with` block takes to those of a step, whether or not it fails."""
        return _Clock(self._by_thread, (get_ident(), name))

    def reset(self) -> None:
        """Forget all times."""
        self._by_thread.clear()


class _Clock:
    __slots__ = ("key", "seconds", "started")

    def __init__(self, seconds: dict[tuple[int, str], float], key: tuple[int, str]) -> None:
        self.seconds, self.key = seconds, key

    def __enter__(self) -> None:
        self.started = time.perf_counter()

    def __exit__(self, *error: object) -> None:
        self.seconds[self.key] += time.perf_counter() - self.started
