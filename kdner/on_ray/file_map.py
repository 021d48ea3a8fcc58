"""The file map: the shards of a corpus that was planned before, each made into one file of any format.

The shard map makes tables of a corpus; this makes files of what it left. The shard is the unit here, too: a file is
there as a whole or not at all, and a job that is started again makes those that are missing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import lru_cache
from itertools import islice
from typing import Any, Protocol

import ray
from ray.exceptions import RayError

from kdner.flags import Actors
from kdner.on_ray.cluster import connect
from kdner.on_ray.console import console, set_up_logging
from kdner.on_ray.pool import size_pool
from kdner.on_ray.prometheus import PrometheusMetrics
from kdner.progress import Progress
from kdner.runs.run_directory import RunDirectory

MAX_RETRIES = 5
"""Tries of a file after the first one, where processes or nodes die with it."""

logger = logging.getLogger(__name__)


class MakeFile(Protocol):
    """Makes the files of a run directory, one for each shard."""

    def __call__(self, number: int, directory: RunDirectory, name: str) -> int:
        """Make the file of a shard, under this name; returns how many documents the shard has."""


def file_map(
    job: str, directory: RunDirectory, make: Callable[..., MakeFile], arguments: Mapping[str, Any], actors: Actors
) -> None:
    """Make the files of a run directory's manifest that are not there yet.

    Args:
        job: name of the job, for progress and metrics.
        directory: its files are those of the shards, in order.
        make: class that each process builds once, as `make(**arguments)`.
        arguments: small values such as paths.
        actors: how many files at the same time at most, and what each process that makes some may use.

    Raises:
        RayTaskError: of an `InputError` that a process raised.
    """
    files, pending = directory.files, set(directory.pending())
    if not pending:
        return
    if len(pending) < len(files):
        logger.info("%s: %d of %d files are there", job, len(files) - len(pending), len(files))
    connect()
    pool = size_pool(actors, len(pending), use_gpu=False)
    task: Any = ray.remote(num_cpus=pool.cpus, max_retries=MAX_RETRIES)(_make_file)
    order = [ray.put((make, dict(arguments), directory, console.relay))]  # in a list: a process fetches it only once
    progress = Progress(job, "file", display=console.show, watchers=[PrometheusMetrics(job)])
    progress.begin(len(files), done=len(files) - len(pending))
    made, under_way = 0, set[Any]()
    work = iter([(number, name) for number, name in enumerate(files) if name in pending])
    try:
        while under_way := under_way | {task.remote(order, *one) for one in islice(work, pool.count - len(under_way))}:
            finished, _ = ray.wait(list(under_way))
            under_way -= set(finished)
            made += sum(ray.get(finished))
            progress.advance(len(finished), 0, documents=made)
    finally:
        for unfinished in under_way:
            with suppress(RayError):
                ray.cancel(unfinished, force=True)


def _make_file(order: Sequence[Any], number: int, name: str) -> int:
    """Make one file, unless it is there: Ray repeats a task whose process died after it."""
    make, directory = _built(order[0])
    return 0 if directory.has(name) else make(number, directory, name)


@lru_cache(maxsize=1)
def _built(order: Any) -> tuple[MakeFile, RunDirectory]:
    """Return what makes files, which a process builds once, and where they belong."""
    make, arguments, directory, relay = ray.get(order)
    set_up_logging(relay)
    return make(**arguments), directory
