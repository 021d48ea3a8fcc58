"""Small actors on the driver's node; this module imports next to nothing, so that their processes start at once."""

from __future__ import annotations

import sys
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from typing import Any

SICK_PROCESSES = 2
"""Processes that fail on a node, none doing well in between, before the node is avoided."""


class PoolRecord:
    """Knows the processes of a pool, what each has begun, and which of them fail, for as long as the job lives.

    To be told something twice is as to be told it once: a process repeats what it has no answer to.
    """

    def __init__(self, deaths: Mapping[int, int]) -> None:
        """Set up.

        Args:
            deaths: processes that died over shards before, by the shards' numbers.
        """
        self._processes: list[Any] = []
        self._nodes: dict[str, str] = {}
        self._deaths = dict(deaths)
        self._begun: defaultdict[int, set[str]] = defaultdict(set)
        self._begun_on: dict[int, str] = dict.fromkeys(deaths, "")
        self._begun_at: dict[int, float] = {}
        self._failed: defaultdict[int, dict[str, str]] = defaultdict(dict)
        self._sick: defaultdict[str, set[str]] = defaultdict(set)
        self._slowest = 0.0
        self._starts = 0
        self._first_start = 0.0

    def start(self, handle: Any, process: str, node: str) -> tuple[int, float, dict[int, int]]:
        """Note a process that starts.

        Args:
            handle: of its actor.
            process: its own name.
            node: that it runs on.

        Returns:
            how many started since the last one was ready, this one too; the seconds since the first of them; and how
            many processes have begun each shard that is not done.
        """
        if process not in self._nodes:
            self._processes.append(handle)
            self._nodes[process] = node
            if not self._starts:
                self._first_start = time.monotonic()
            self._starts += 1
        begun = Counter(self._deaths)
        begun.update({shard: len(processes) for shard, processes in self._begun.items()})
        return self._starts, time.monotonic() - self._first_start, dict(begun)

    def ready(self) -> None:
        """Note that a process is ready for work."""
        self._starts = 0

    def processes(self) -> list[Any]:
        """Return the handles of all processes that started."""
        return self._processes

    def begin(self, shard: int, process: str, host: str) -> tuple[float, str | None]:
        """Note that a process on a host begins with a shard.

        Returns:
            the slowest rate so far, in seconds for a byte of text; and the host on which the shard was begun the last
            time, so that its file may be there: empty where that was in another job, None where it was not begun.
        """
        earlier = self._begun_on.get(shard)
        if process not in self._begun[shard]:
            self._begun_at[shard] = time.monotonic()
        self._begun[shard].add(process)
        self._begun_on[shard] = sys.intern(host)
        return self._slowest, earlier

    def end(self, shard: int, process: str, seconds_per_byte: float) -> None:
        """Note that a shard is done, by a process that is well."""
        self._begun.pop(shard, None)
        self._begun_at.pop(shard, None)
        self._deaths.pop(shard, None)
        self._failed.pop(shard, None)
        self._slowest = max(self._slowest, seconds_per_byte)
        self._sick.pop(self._nodes[process], None)

    def give_back(self, shard: int, process: str) -> None:
        """Note that a process that lives gives a shard back."""
        self._begun[shard].discard(process)
        self._begun_at.pop(shard, None)

    def under_way(self) -> tuple[int, int, tuple[int, str, float] | None]:
        """Tell what is under way.

        Returns:
            how many processes started; how many of them since the last one was ready; and the shard that has been under
            way longest, on which host, and for how many seconds: None where none is.
        """
        shard = min(self._begun_at, key=self._begun_at.__getitem__, default=None)
        longest = None if shard is None else (shard, self._begun_on[shard], time.monotonic() - self._begun_at[shard])
        return len(self._processes), self._starts, longest

    def all_failed(self, shard: int, process: str) -> bool:
        """Note that all documents of a shard failed in a process that never did better.

        Returns:
            whether they failed in another one before, on another node if the pool has processes on several.
        """
        failed, node = self._failed[shard], self._nodes[process]
        elsewhere = {other for other in self._nodes.values() if other != node}
        agreed = any(other != process and (not elsewhere or failed[other] != node) for other in failed)
        failed[process] = node
        return agreed

    def fail(self, process: str) -> None:
        """Note that a process fails on all that it is given, or cannot even begin."""
        self._sick[self._nodes[process]].add(process)

    def all_fail(self) -> bool:
        """Tell whether every process that started has failed, and none did well since."""
        return set(self._nodes) == {process for processes in self._sick.values() for process in processes}

    def avoided(self) -> set[str]:
        """Return the nodes on which nothing succeeds: several processes failed there since one did well.

        Where this holds for all nodes it holds for none: then it is not a node that is to blame.
        """
        avoided = {node for node, processes in self._sick.items() if len(processes) >= SICK_PROCESSES}
        return avoided if avoided < set(self._nodes.values()) else set()


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
