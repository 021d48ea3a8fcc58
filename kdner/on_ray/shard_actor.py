"""What happens to one shard: a process of the pool reads it, maps it, checks the result and commits the file."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock, Semaphore
from typing import Any, Protocol

import pyarrow as pa
import ray

from kdner.corpora.plan import CorpusPlan, Shard, read_shard
from kdner.corpora.slices import SliceReader
from kdner.device import peak_memory_mb
from kdner.errors import InputError
from kdner.flags import Actors
from kdner.on_ray.console import set_up_logging
from kdner.runs.run_directory import RunDirectory

COUNTS = "kdner.counts"
"""The key of a file's metadata under which its counts lie, as JSON."""
REPLACED = "kdner.replaced_characters"
"""The key under which the numbers of characters lie, by input file, that became U+FFFD when the shard was read."""
MAX_STARTS, STARTING_SECONDS = 20, 600.0
"""If so many processes have begun to start in a row, over so many seconds, and none became ready, the job fails."""
MAX_ATTEMPTS = 5
"""Ray begins a shard again whose actor or node died; a document that kills its process must not go on for ever."""


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


class ShardActor:
    """One process of the pool: reads a shard, maps it, checks the ids, and commits the file; several in threads."""

    broken: Exception | None = None
    """Why the process could not become ready for work."""

    def __init__(
        self,
        plan: CorpusPlan,
        run: RunDirectory,
        work: ShardWork,
        *,
        at_once: int = 1,
        record: Any = None,
        relay: Any = None,
    ) -> None:
        """Build the actor.

        Args:
            plan: which documents make which shard.
            run: the run directory for the files.
            work: what to do.
            at_once: shards that threads work on at once, of which one can be read and one written while one is mapped.
            record: a Ray actor of `PoolRecord`, where the process may die and be replaced.
            relay: the driver's, where this is another process.
        """
        if relay is not None:
            set_up_logging(relay)
        self.plan, self.run, self.record = plan, run, record
        self.reader = SliceReader(plan.text_column, plan.kept)
        self.turns = Turns(at_once)
        if record is None:
            self.map_documents = work.actor(**work.arguments)
        else:
            self._start(work, record)

    def _start(self, work: ShardWork, record: Any) -> None:
        """Make ready for work; the first task raises what prevents it, since Ray Data would start another."""
        try:
            starts, seconds = ray.get(record.start.remote(ray.get_runtime_context().current_actor))
            if starts > MAX_STARTS and seconds > STARTING_SECONDS:
                raise InputError(
                    f"{starts} processes of {work.job} began to start in {seconds / 60:.0f} minutes, and none became "
                    "ready; is there memory enough for the model? Give an actor more, or look into Ray's logs"
                )
            self.map_documents = work.actor(**work.arguments)
        except Exception as error:
            self.broken = error
        record.ready.remote()

    def __call__(self, batch: dict[str, Iterable[int]]) -> dict[str, list[Any]]:
        """Map shards, one row for each; a user's mistake is a row too, because Ray Data loses the cause of an error."""
        rows: list[dict[str, Any]] = []
        for index in batch["shard"]:
            counts, refused, began = Counter[str](), "", time.time()
            try:
                counts = self.map_shard(int(index))
            except InputError as error:
                refused = str(error)
            done = {key: counts[key] for key in ("documents", "words", "errors")}
            time_and_memory = {"began": began, "ended": time.time(), "memory_mb": peak_memory_mb()}
            rows.append({**done, **time_and_memory, "refused": refused})
        return {key: [row[key] for row in rows] for key in rows[0]}

    def map_shard(self, index: int) -> Counter[str]:
        """Make a shard's file, unless it is there; returns its counts.

        Raises:
            InputError: an input file changed, the file cannot be written, or too many processes died of this shard.
        """
        if self.broken is not None:
            raise self.broken
        shard = self.plan.shards[index]
        if self.run.has(shard.name):  # Ray repeats a task whose row was lost with its actor or node
            return Counter(json.loads(self.run.table_metadata(shard.name)[1][COUNTS]))
        attempt = 1 if self.record is None else ray.get(self.record.begin.remote(index))
        with self.turns.take(alone=attempt > 1):
            replaced = Counter[str]()
            documents = read_shard(self.plan, shard, self.reader, replaced)
            if attempt > MAX_ATTEMPTS:
                raise InputError(_died_of(shard, documents))
            mapped = self.map_documents(documents)
            if not mapped["id"].equals(documents["id"]):
                raise RuntimeError(f"{shard.name}: the ids that came out are not the ids that went in")
            errors = mapped.num_rows - mapped["error"].null_count
            counts = Counter(documents=mapped.num_rows, errors=errors, **self.map_documents.counts(documents, mapped))
            metadata = {COUNTS: json.dumps(counts), **({REPLACED: json.dumps(replaced)} if replaced else {})}
            self.run.write_table(shard.name, mapped, self.map_documents.schema, metadata=metadata)
        return counts


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


def _died_of(shard: Shard, documents: pa.Table) -> str:
    first, last = documents["id"][0], documents["id"][-1]
    return (
        f"{shard.name}: {MAX_ATTEMPTS} processes died while they worked on documents {first} to {last}; is there "
        "memory enough for the longest of them? Mend or remove it, or give an actor more memory"
    )
