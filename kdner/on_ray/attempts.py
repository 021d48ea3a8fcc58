"""How often each shard was begun; a module that imports next to nothing, for a process that does little else."""

from __future__ import annotations

from collections import Counter


class Attempts:
    """Counts, in a process on the driver's node, which lives as long as the job."""

    def __init__(self) -> None:
        self.begun: Counter[int] = Counter()

    def begin(self, shard: int) -> int:
        """Count one more attempt at a shard; returns how many there were."""
        self.begun[shard] += 1
        return self.begun[shard]
