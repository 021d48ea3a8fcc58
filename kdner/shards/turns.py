"""Threads that work at once in one process, or alone."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock, Semaphore


class Turns:
    """Lets several threads work at once, or one alone.

    A shard that was begun before, in a process that died, is worked on alone: should the process die again, no other
    shard is blamed.
    """

    def __init__(self, at_once: int) -> None:
        self.at_once = at_once
        self._free = Semaphore(at_once)
        self._entering = Lock()

    @contextmanager
    def take(self, *, alone: bool) -> Iterator[None]:
        """Wait for a turn, alone or beside others."""
        count = self.at_once if alone else 1
        with self._entering:
            for _ in range(count):
                self._free.acquire()
        try:
            yield
        finally:
            self._free.release(count)
