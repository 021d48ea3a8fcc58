"""A round of the shard map: Ray Data maps shards with a pool of processes, which end with it."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import ray
from ray.data import ActorPoolStrategy
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from kdner.corpora.plan import CorpusPlan
from kdner.corpora.tables import shard_name
from kdner.errors import InputError
from kdner.on_ray.console import ENDED_PROCESS, console, without_lines
from kdner.on_ray.driver_actors import PoolRecord
from kdner.on_ray.pool import shards_at_once, size_pool
from kdner.on_ray.shard_actor import ShardActor
from kdner.on_ray.shard_tasks import SHARDS_OF_A_ROW_GROUP, pickled, tasks_of
from kdner.progress import duration
from kdner.runs.run_directory import RunDirectory
from kdner.shards.tally import REASONS_SHOWN
from kdner.shards.work import ShardWork

logger = logging.getLogger(__name__)

RESTARTABLE = r"core_worker\.cc.*constructor arguments in the object store and max_restarts > 0"
"""Ray Data gives actors arguments by reference, which live as long as the driver; Ray says of each that they might not
(ray-project/ray, issue 53727)."""
CANCELLED = "it was cancelled before it started running"
"""What Ray says of an actor that Ray Data no longer wanted. Ray Data counts it as one that died while it started."""
WAIT_FOR_RECORD = 60.0
"""Seconds to wait for the list of a pool's processes, which lies on the driver's node."""
LONG_S = 60.0
"""Seconds from which on a shard that is under way is shown."""
WAIT_FOR_NOTE = 5.0
"""Seconds to wait for an answer about what is under way; after them a line is shown without a new one."""
NODE_ID_LABEL = "ray.io/node-id"
TASKS_WAITING = 1
"""Shards that an actor has been sent beside those it works on: it never waits for the next one. With none Ray Data
would not add actors to the pool when nodes join."""


def run_round(
    plan: CorpusPlan,
    run: RunDirectory,
    work: ShardWork,
    shards: np.ndarray,
    record: Any,
    avoided: frozenset[str],
) -> Iterator[dict[str, Any]]:
    """Yield the rows of shards as their actors return them, and end these.

    Raises:
        InputError: as an actor says.
    """
    mapped = _dataset(plan, run, work, shards, record, avoided)
    try:
        with without_lines(RESTARTABLE, ENDED_PROCESS), _without_cancelled():
            for row in mapped.iter_rows():
                if row["refused"]:
                    raise InputError(row["refused"])
                yield row
    finally:
        # Ray Data leaves its actors to Python's garbage collection, and the cores they hold to nobody until then.
        with suppress(RayError):
            for process in ray.get(record.processes.remote(), timeout=WAIT_FOR_RECORD):
                ray.kill(process)


def nodes_to_avoid(job: str, returned: Sequence[Mapping[str, Any]], record: Any, *, last: bool) -> frozenset[str]:
    """Say what was given back and why; returns the nodes to avoid from now on.

    Raises:
        InputError: they are not to be tried again.
    """
    reasons = Counter((row["host"], row["reason"]) for row in returned)
    listed = "\n".join(f"  {count} on {host}: {reason}" for (host, reason), count in reasons.most_common(REASONS_SHOWN))
    what = f"{job}: {len(returned)} shards could not be done where they were tried"
    if last:
        raise InputError(f"{what}:\n{listed}\nMend that, then run the same command again")
    logger.warning("%s, and are now tried again by other processes:\n%s", what, listed)
    avoided: frozenset[str] = frozenset(ray.get(record.avoided.remote()))
    if avoided:
        hosts = [node["NodeManagerHostname"] for node in ray.nodes() if node["NodeID"] in avoided]
        logger.warning("%s: nothing succeeds on %s, which from now on gets no work", job, ", ".join(hosts))
    return avoided


def may_succeed_elsewhere(row: Mapping[str, Any], record: Any) -> bool:
    """Tell whether a shard that was given back may be done elsewhere.

    It may not where no process can begin, or where storage fails on the only node.
    """
    if row["given_back"] == "start":
        return not ray.get(record.all_fail.remote())
    return row["given_back"] != "storage" or sum(node["Alive"] for node in ray.nodes()) > 1


def note_on(record: Any) -> str:
    """Say what a round waits for: processes, or a shard that takes long; nothing where all is as usual."""
    processes, starting, longest = ray.get(record.under_way.remote(), timeout=WAIT_FOR_NOTE)
    if longest is not None:
        shard, host, seconds = longest
        return f"{shard_name(shard)} under way for {duration(seconds)} on {host}" if seconds >= LONG_S else ""
    if not processes:
        return "waiting for a process"
    return f"{starting} of {processes} processes start" if starting else ""


@contextmanager
def _without_cancelled() -> Iterator[None]:
    """Keep Ray Data's warnings of actors that it cancelled itself out of the log."""

    def is_told(record: logging.LogRecord) -> bool:
        return not (record.exc_info and CANCELLED in str(record.exc_info[1]))

    ray_logger = logging.getLogger("ray.data._internal.execution.operators.actor_pool_map_operator")
    ray_logger.addFilter(is_told)
    try:
        yield
    finally:
        ray_logger.removeFilter(is_told)


def pool_record(deaths: Mapping[int, int]) -> Any:
    """Start the record of a job's processes, on this node; `deaths` are those over shards that are known already."""
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    actor: Any = ray.remote(PoolRecord)
    return actor.options(num_cpus=0, scheduling_strategy=here).remote(deaths)


def _dataset(
    plan: CorpusPlan,
    run: RunDirectory,
    work: ShardWork,
    shards: np.ndarray,
    record: Any,
    avoided: frozenset[str],
) -> ray.data.Dataset:
    """Return the lazy dataset of what `ShardActor` returns: a row for each shard."""
    pool = size_pool(work.actors, len(shards), use_gpu=work.use_gpu, avoided=avoided)
    at_once = shards_at_once(work, pool)
    is_slow = work.use_gpu and not pool.gpus  # a teacher on CPUs, beside which reading is nothing
    groups = tasks_of(plan.shards, shards, pool.count, of_a_row_group=1 if is_slow else SHARDS_OF_A_ROW_GROUP)
    tasks = [{"shards": pickled(plan.shards, group)} for group in groups]
    items = ray.data.from_items(tasks, override_num_blocks=len(tasks))
    items.context.enable_progress_bars = False  # its own: those of other datasets stay as they are
    items.context.max_consecutive_actor_init_deaths = -1  # `ShardActor` counts those that did die
    mapped = items.map_batches(
        ShardActor,
        batch_size=1,
        fn_constructor_kwargs={
            "at_once": at_once,
            "record": record,
            "text_column": plan.text_column,
            "kept": plan.kept,
            "run": run,
            "work": work,
            "relay": console.relay,
        },
        compute=ActorPoolStrategy(
            min_size=pool.least,
            initial_size=pool.count,
            max_size=pool.most,
            max_tasks_in_flight_per_actor=at_once + TASKS_WAITING,
            max_concurrent_calls_per_actor=at_once,
            enable_true_multi_threading=at_once > 1,
        ),
        num_cpus=pool.cpus,
        num_gpus=pool.gpus,
        label_selector={NODE_ID_LABEL: f"!in({','.join(sorted(avoided))})"} if avoided else None,
    )
    mapped.set_name(work.job)
    return mapped
