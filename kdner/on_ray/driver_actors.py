"""Small actors on the driver's node; this module imports next to nothing, so that their processes start at once."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any


class PoolRecord:
    """Knows the processes of a pool, and how often each shard was begun, for as long as the job lives."""

    def __init__(self) -> None:
        self._processes: list[Any] = []
        self._begun: Counter[int] = Counter()
        self._starts = 0
        self._first_start = 0.0

    def start(self, process: Any) -> tuple[int, float]:
        """Note a process that starts, by its actor handle.

        Returns:
            how many started since the last one was ready, this one too, and the seconds since the first of them.
        """
        self._processes.append(process)
        if not self._starts:
            self._first_start = time.monotonic()
        self._starts += 1
        return self._starts, time.monotonic() - self._first_start

    def ready(self) -> None:
        """Note that a process is ready for work."""
        self._starts = 0

    def processes(self) -> list[Any]:
        """Return the handles of all processes that started."""
        return self._processes

    def begin(self, shard: int) -> int:
        """Count one more attempt at a shard; returns how many there were."""
        self._begun[shard] += 1
        return self._begun[shard]


class Relay:
    """Holds what other processes want the driver to show, until the driver takes it."""

    def __init__(self) -> None:
        self._records: list[tuple[str, int, str]] = []
        self._snapshots: dict[str, Any] = {}

    def log(self, logger: str, level: int, message: str) -> None:
        """Keep a log record: the logger's name, the level, and the message."""
        self._records.append((logger, level, message))

    def show(self, snapshot: Any) -> None:
        """Keep the latest snapshot of a step's progress."""
        self._snapshots[snapshot.what] = snapshot

    def take(self) -> tuple[list[tuple[str, int, str]], list[Any]]:
        """Return, once, all records in order and the latest snapshot of each step."""
        records, self._records = self._records, []
        snapshots, self._snapshots = self._snapshots, {}
        return records, list(snapshots.values())
