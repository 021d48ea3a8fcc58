"""The file map: the shards of a corpus that was planned before, each made into one file of any format.

The shard map makes tables of a corpus; this makes files of what it left. The shard is the unit here, too: a file is
there as a whole or not at all, and a job that is started again makes those that are missing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from typing import Any, Protocol

import ray
from ray.exceptions import RayError
from ray.util import ActorPool

from kdner.flags import Actors
from kdner.on_ray.cluster import connect
from kdner.on_ray.console import console, set_up_logging
from kdner.on_ray.pool import size_pool
from kdner.on_ray.prometheus import PrometheusMetrics
from kdner.progress import Progress
from kdner.runs.run_directory import RunDirectory

MAX_RESTARTS = 5
"""Processes that may die one after the other in the place of one, and tries of a file in them."""

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
        actors: how many processes, and what each may use.

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
    worker: Any = ray.remote(_Worker)
    order = [ray.put((make, dict(arguments), directory, console.relay))]  # in a list: a process fetches it only once
    options = {"num_cpus": pool.cpus, "max_restarts": MAX_RESTARTS, "max_task_retries": MAX_RESTARTS}
    processes = [worker.options(**options).remote() for _ in range(pool.count)]
    progress = Progress(job, "file", display=console.show, watchers=[PrometheusMetrics(job)])
    progress.begin(len(files), done=len(files) - len(pending))
    work, made = [(number, name) for number, name in enumerate(files) if name in pending], 0
    try:
        mapped = ActorPool(processes).map_unordered(lambda process, job: process.make.remote(order, *job), work)
        for documents in mapped:
            made += documents
            progress.advance(1, 0, documents=made)
    finally:
        for process in processes:
            with suppress(RayError):
                ray.kill(process)


class _Worker:
    """One process that makes files."""

    def __init__(self) -> None:  # Ray warns of an actor that may restart and takes a handle or a large value here
        self._make: MakeFile | None = None

    def make(self, order: Sequence[Any], number: int, name: str) -> int:
        """Make one file, unless it is there: Ray repeats a task whose process died after it."""
        if self._make is None:
            make, arguments, self._directory, relay = ray.get(order[0])
            set_up_logging(relay)
            self._make = make(**arguments)
        return 0 if self._directory.has(name) else self._make(number, self._directory, name)
