"""A job that takes its time and keeps a log of what it tried, for tests that break it midway.

python tests/slow_job.py --corpus corpus.parquet --log attempts.log --out runs/slow --shard-documents 1
"""

from __future__ import annotations

import ctypes
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from kdner.flags import Corpus
from kdner.on_ray.job import run_job
from kdner.on_ray.shard_map import map_corpus
from kdner.runs.schema import ENTITIES
from kdner.shards.work import MapDocuments, ShardWork
from kdner.teacher.score_documents import ScoreDocuments


@dataclass(frozen=True, kw_only=True)
class SlowJob(Corpus):
    """Map a corpus slowly."""

    log: str
    """File that grows by a line for each attempt at a shard."""
    out: str
    """Run directory."""
    teacher: str | None = None
    """Teacher directory, for its logits; without one nothing is looked for in the documents."""
    seconds: float = 0.1
    """Time that each shard takes beside the work itself."""
    patience_s: float = 60
    """Time for which a process tries again where it cannot read or write."""
    poison: str | None = None
    """Text of documents that end the process which maps them."""


class Echo:
    """An actor that finds nothing."""

    schema = ENTITIES

    def __call__(self, documents: pa.Table) -> pa.Table:
        rows = [{"id": row["id"], "entities": [], "words": len(row["text"] or "")} for row in documents.to_pylist()]
        return pa.Table.from_pylist(rows, schema=ENTITIES)

    def counts(self, documents: pa.Table, mapped: pa.Table) -> dict[str, int]:
        return {"words": pc.sum(mapped["words"]).as_py(), "entities": 0}


class Slow:
    """An actor that writes the first document's id to the log, takes its time, and then lets another one map."""

    def __init__(self, teacher: str | None, log: str, seconds: float, poison: str | None) -> None:
        self.actor: MapDocuments = Echo() if teacher is None else ScoreDocuments([teacher])
        self.schema = self.actor.schema
        self.log, self.seconds, self.poison = Path(log), seconds, poison

    def __call__(self, documents: pa.Table) -> pa.Table:
        with self.log.open("ab", buffering=0) as file:  # one write of a line, whole whoever writes beside it
            file.write(f"{documents['id'][0]}\n".encode())
        time.sleep(self.seconds)
        if self.poison is not None and self.poison in documents["text"].to_pylist():
            ctypes.string_at(0)
        return self.actor(documents)

    def counts(self, documents: pa.Table, mapped: pa.Table) -> dict[str, int]:
        return self.actor.counts(documents, mapped)


def slow_job(config: SlowJob) -> dict[str, Any]:
    work = ShardWork(
        job="slow_job",
        actor=Slow,
        arguments={"teacher": config.teacher, "log": config.log, "seconds": config.seconds, "poison": config.poison},
        actors=config.actors,
        use_gpu=False,
        patience_s=config.patience_s,
    )
    return map_corpus(config, config.out, lambda plan: work, job="slow_job", fingerprint={}, describe={}, language="en")


if __name__ == "__main__":
    run_job(SlowJob, slow_job)
