"""How long a shard may take, and the end of a process that takes longer: a hang must not last for ever.

What hangs may be in native code that never lets Python run, so the limit is a timer of the C runtime (`faulthandler`),
which writes where each thread was and ends the process. Whoever started the process then does what it does about any
process that died.
"""

from __future__ import annotations

import faulthandler
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock

FIRST_S = 4 * 3600.0
"""Seconds that a shard may take before any has been finished."""
AT_LEAST_S = 600.0
TIMES_USUAL = 20
"""A shard may take so many times what its bytes would have taken at the slowest rate so far."""


class TimeLimit:
    """The limits of the shards that a process works on, in any number of threads."""

    def __init__(self, timeout_s: float | None = None) -> None:
        """Set up.

        Args:
            timeout_s: seconds that a shard may take; by default it depends on what others took.
        """
        self._timeout_s = timeout_s
        self._slowest = 0.0
        self._ends: dict[int, float] = {}
        self._next = 0
        self._lock = Lock()

    @property
    def seconds_per_byte(self) -> float:
        """The slowest rate so far: seconds for a byte of text; 0 before a shard was finished."""
        return self._slowest

    def learn(self, seconds_per_byte: float) -> None:
        """Take the slowest rate of other processes into account."""
        self._slowest = max(self._slowest, seconds_per_byte)

    def of(self, text_bytes: int) -> float:
        """Return the seconds that a shard with so many bytes of text may take."""
        if self._timeout_s is not None:
            return self._timeout_s
        return max(AT_LEAST_S, TIMES_USUAL * self._slowest * text_bytes) if self._slowest else FIRST_S

    @contextmanager
    def over(self, text_bytes: int) -> Iterator[None]:
        """End this process if the block takes longer than a shard with so many bytes of text may."""
        began = time.monotonic()
        with self._lock:
            number, self._next = self._next, self._next + 1
            self._ends[number] = began + self.of(text_bytes)
            self._arm()
        try:
            yield
            self.learn((time.monotonic() - began) / max(text_bytes, 1))
        finally:
            with self._lock:
                del self._ends[number]
                self._arm()

    def _arm(self) -> None:
        if self._ends and math.isfinite(first := min(self._ends.values())):
            seconds = max(first - time.monotonic(), 0.001)
            faulthandler.dump_traceback_later(seconds, exit=True, file=2)
        else:
            faulthandler.cancel_dump_traceback_later()
