"""What is done to the shards of a corpus, and by which processes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import pyarrow as pa

from kdner.flags import Actors


class MapDocuments(Protocol):
    """What an actor does with documents, such as `ScoreDocuments` and `TagDocuments`."""

    @property
    def schema(self) -> pa.Schema:
        """The schema of the tables that it returns: one row per document, with the columns `id` and `error`."""

    def __call__(self, documents: pa.Table) -> pa.Table:
        """Map a table of `schema.CORPUS`, and kept columns, to one of this schema: the same ids in the same order."""

    def counts(self, documents: pa.Table, mapped: pa.Table) -> dict[str, int]:
        """Count what went in or came out: at least `words`, the white-space separated words of the documents."""


@dataclass(frozen=True, kw_only=True)
class ShardWork:
    """What is done to every shard of a corpus, and by which processes."""

    job: str
    """Name of the job, for progress and metrics."""
    actor: Callable[..., MapDocuments]
    """Class that each process builds once, as `actor(**arguments)`."""
    arguments: Mapping[str, Any]
    """Small values such as paths and numeric types, never weights."""
    actors: Actors
    """How many processes, and what each may use."""
    use_gpu: bool
    """Whether the actor can use a GPU."""
    at_once: int | None = None
    """Shards that threads of a process work on at once; by default one, or several where it has a GPU."""
    timeout_s: float | None = None
    """Seconds that a shard may take; by default `kdner.shards.time_limit` goes by what others took."""
    patience_s: float = 60.0
    """Seconds for which a process tries again to read or write where the storage does not let it."""

    def build(self) -> MapDocuments:
        """Build what maps documents."""
        return self.actor(**self.arguments)
