"""How long the plan of a very large corpus takes, and how much memory, with files that are only sizes and states.

python tests/large_plan.py --files 1000000 --shards-a-file 2

Each phase is a process of its own, so that its peak of memory is its own, and writes a line of JSON. Nothing is read of
the corpus; the run directory is real, and so are its files when it is resumed at 90 %, though they are empty.
"""

from __future__ import annotations

import argparse
import itertools
import json
import multiprocessing
import random
import sys
import tempfile
import time
from array import array
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import ray

from kdner.corpora.corpus_listing import CorpusListing
from kdner.corpora.files import SourceFile
from kdner.corpora.inspected import Inspected
from kdner.corpora.kept_plan import plan_of_run
from kdner.corpora.lines import inspect_lines
from kdner.corpora.marks import Marks
from kdner.corpora.plan import plan_corpus
from kdner.corpora.tables import FileTable
from kdner.flags import Actors
from kdner.memory import peak_memory_mb
from kdner.on_ray.shard_map import shard_map
from kdner.on_ray.shard_tasks import pickled, tasks_of
from kdner.runs.run_directory import RunDirectory
from kdner.runs.schema import ENTITIES
from kdner.shards.work import ShardWork

ROWS = 1_000
"""Documents of each file."""
FOOTERS = 5_000
"""Footers that are read, of which the time for all is extrapolated."""


def listing(files: int, shards_a_file: int) -> CorpusListing:
    """Return what a listing of so many files would give."""
    draw = random.Random(1)
    found = (
        SourceFile(f"/data/news/{name}", name, "json", 10**7, draw.getrandbits(60))
        for name in (f"{k // 1000:04}/{k:07}.jsonl" for k in range(files))
    )
    return CorpusListing(FileTable.of(found), "text", None, ROWS // shards_a_file, 64)


def stand_in(_: Callable[[Any], Any], files: Iterable[SourceFile]) -> Iterator[Inspected]:
    """Give what inspection would of a corpus of this size: a mark for each MB or so, none of them shared."""
    for file in files:
        marks = Marks(array("q", range(0, ROWS + 1, 100)), array("q", range(0, 10**7 + 1, 10**6)))
        yield Inspected(replace(file, rows=ROWS, text_bytes=10**7, is_entered_at_offsets=True), marks)


def start(run: RunDirectory, listed: CorpusListing) -> int:
    """Do what a start does up to the first task, and pickle all tasks; returns their number."""
    opened = RunDirectory.open(run.path, {"corpus": listed.fingerprint()})
    plan = plan_of_run(opened, listed, stand_in)
    opened.describe({"files": plan.shards.names})
    missing = set(opened.pending())
    pending = np.array([k for k, name in enumerate(plan.shards.names) if name in missing], np.int64)
    groups = tasks_of(plan.shards, pending, 100)
    for group in groups:
        pickled(plan.shards, group)
    return len(groups)


def footers(run: RunDirectory) -> None:
    """Read footers as reconciliation does."""
    for _ in range(FOOTERS):
        run.table_metadata("sample.parquet")


class Nothing:
    """An actor that costs nothing."""

    schema = ENTITIES

    def __call__(self, documents: pa.Table) -> pa.Table:
        rows = [{"id": id_, "entities": [], "words": 1, "error": None} for id_ in documents["id"].to_pylist()]
        return pa.Table.from_pylist(rows, schema=ENTITIES)

    def counts(self, documents: pa.Table, mapped: pa.Table) -> dict[str, int]:
        return {"words": mapped.num_rows}


def tell(measured: dict[str, Any]) -> None:
    """Write a line of JSON."""
    sys.stdout.write(f"{json.dumps(measured)}\n")
    sys.stdout.flush()


def dispatch(folder: str, shards: int, actors: int) -> None:
    """Map so many shards of a document each, by actors that have a core each in name only."""
    ray.init(address="local", num_cpus=actors + 1, include_dashboard=False, log_to_driver=False)
    path = Path(folder, "small.txt")
    path.write_text("some words\n" * shards)
    plan = plan_corpus([str(path)], shard_documents=1)
    run = RunDirectory.open(f"{folder}/dispatched-{time.time_ns()}", {}, {"files": plan.shards.names})
    work = ShardWork(job="nothing", actor=Nothing, arguments={}, actors=Actors(count=actors), use_gpu=False)
    used = time.process_time()
    summary = shard_map(plan, run, work)
    used = time.process_time() - used
    tell(
        {
            "phase": f"dispatch, {actors} actors",
            "shards": shards,
            "shards a second": round(shards / summary["seconds"]),
            "cpu_ms_of_the_driver_a_shard": round(1000 * used / shards, 2),
            "start_up_seconds": summary["start_up_seconds"],
        }
    )
    ray.shutdown()


def inspect(folder: str) -> None:
    """Inspect a file of JSON lines."""
    path = Path(folder, "large.jsonl")
    line = json.dumps({"id": "a" * 20, "text": "some words of news " * 100}) + "\n"
    path.write_text(line * (200_000_000 // len(line)))
    inspect_lines(
        SourceFile(str(path), "large.jsonl", "json", path.stat().st_size, 0), "text", None, "utf-8", with_ids=True
    )


def timed(name: str, work: Callable[..., object], *arguments: object) -> None:
    """Do a phase, and print its seconds and its peak of memory."""
    began, used = time.monotonic(), time.process_time()
    result = work(*arguments)
    measured = {
        "phase": name,
        "seconds": round(time.monotonic() - began, 2),
        "cpu_seconds": round(time.process_time() - used, 2),
    }
    tell(
        {
            **measured,
            "peak_memory_mb": round(peak_memory_mb()),
            **({"tasks": result} if isinstance(result, int) else {}),
        }
    )


def phase(name: str, work: Callable[..., object], *arguments: object) -> None:
    """Do a phase in a process of its own."""
    process = multiprocessing.get_context("spawn").Process(target=timed, args=(name, work, *arguments))
    process.start()
    process.join()


def listed_and_started(path: str, files: int, shards_a_file: int) -> int:
    """List, and start."""
    return start(RunDirectory(path), listing(files, shards_a_file))


def main() -> None:
    """Measure all phases."""
    flags = argparse.ArgumentParser()
    flags.add_argument("--files", type=int, default=1_000_000)
    flags.add_argument("--shards-a-file", type=int, default=2)
    flags.add_argument("--dispatched", type=int, default=500)
    flags.add_argument("--actors", type=int, default=2, help="to dispatch to; with --files 0 nothing else is measured")
    flags.add_argument("--folder", help="where the run directory is made; by default a temporary folder")
    given = flags.parse_args()
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        if not given.files:
            dispatch(folder, given.dispatched, given.actors)
            return
        path, size = f"{folder}/run", (given.files, given.shards_a_file)
        phase("plan made and kept", listed_and_started, path, *size)
        phase("start of a planned run", listed_and_started, path, *size)
        run = RunDirectory(path)
        for name in itertools.islice(run.files, int(0.9 * given.files * given.shards_a_file)):
            (run.local_path / name).touch()
        phase("start of a run of which 90 % are there", listed_and_started, path, *size)
        table = Nothing()(pa.table({"id": ["a"] * 100}))
        run.write_table("sample.parquet", table, ENTITIES, metadata={"kdner.counts": "{}"})
        phase(f"{FOOTERS} footers, one after the other", footers, run)
        phase("inspection of 200 MB of JSONL", inspect, folder)
        dispatch(folder, given.dispatched, given.actors)


if __name__ == "__main__":
    main()
