"""The files of a corpus inspected by all cores of a cluster, for its plan."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from contextlib import contextmanager
from typing import Any

import pyarrow.compute as pc
import ray
from ray.exceptions import RayTaskError

from kdner.corpora.changes import plan_kept_or_made
from kdner.corpora.corpus_listing import CorpusListing
from kdner.corpora.ids import MapFiles
from kdner.corpora.plan import CorpusPlan
from kdner.on_ray.cluster import connect, in_cluster
from kdner.on_ray.console import console
from kdner.on_ray.job import input_error
from kdner.progress import Progress
from kdner.runs.run_directory import RunDirectory

FILES_IN_A_TASK, BYTES_IN_A_TASK = 256, 64 << 20
"""Files that a task inspects at most, or their bytes; a corpus of one task is inspected by the driver."""
TASKS_A_CORE = 2
"""Tasks that are sent for each core of the cluster before the first one is back."""


def planned(path: str, listing: CorpusListing) -> tuple[CorpusPlan, dict[str, Any]]:
    """Do as `kdner.corpora.changes.plan_kept_or_made` does for the run directory at a path, by all cores."""
    return plan_kept_or_made(RunDirectory(path), listing, map_files_of(listing))


def map_files_of(listing: CorpusListing) -> MapFiles:
    """Return what inspects the files of a corpus: tasks of Ray, or the driver where there is little to read."""
    few = len(listing.files) <= FILES_IN_A_TASK and pc.sum(listing.files.table["size"]).as_py() <= BYTES_IN_A_TASK
    return map if few or len(listing.files) == 1 else _map_files


def _map_files(function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
    """Do as `map` does, by a task for each group of items, in order."""
    connect()
    with _shown(items) as advance:
        task: Any = ray.remote(num_cpus=1)(_inspected)
        under_way = deque[Any]()
        most = TASKS_A_CORE * max(1, int(in_cluster("CPU")))

        def oldest() -> Iterator[Any]:
            count, result = under_way.popleft()
            yield from _got(result)
            advance(count, 0)

        for group in _grouped(items):
            under_way.append((len(group), task.remote(function, group)))
            if len(under_way) >= most:
                yield from oldest()
        while under_way:
            yield from oldest()


@contextmanager
def _shown(items: Iterable[Any]) -> Iterator[Callable[[int, int], None]]:
    """Show how far it is, where the number of items is known, else that it is under way."""
    progress = Progress("plan", "file", display=console.show)
    if isinstance(items, Sized):
        progress.begin(len(items))
        yield progress.advance
    else:
        with console.awaiting("plan"):
            yield lambda *_: None


def _inspected(function: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
    return [function(item) for item in items]


def _got(result: Any) -> list[Any]:
    try:
        return ray.get(result)
    except RayTaskError as error:
        raise input_error(error) or error from None


def _grouped(items: Iterable[Any]) -> Iterator[list[Any]]:
    group: list[Any] = []
    size = 0
    for item in items:
        if group and (len(group) == FILES_IN_A_TASK or size + item.size > BYTES_IN_A_TASK):
            yield group
            group, size = [], 0
        group.append(item)
        size += item.size
    if group:
        yield group
