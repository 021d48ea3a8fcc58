"""The shard map: one mechanism for both big jobs, precompute_logits and tag_corpus.

It takes a corpus plan, an actor class whose instances map one Arrow table to one Arrow table with the same ids, and a
run directory; runs the shards that have no file yet through Ray Data with a pool of actors; and leaves one file per
shard. The shard is the unit of work, of retry and of output, because Ray Data's own writes are not idempotent.
"""

from __future__ import annotations

import json
import logging
import math
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from itertools import chain
from statistics import median_high
from typing import Any

import ray
from ray.data import ActorPoolStrategy, DataContext
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from kdner.corpora.plan import CorpusPlan, Shard, corpus_plan
from kdner.data.text_files import warn_of_replaced
from kdner.device import peak_memory_mb
from kdner.errors import InputError
from kdner.flags import Corpus, Estimation
from kdner.on_ray.cluster import connect
from kdner.on_ray.console import console, without_line
from kdner.on_ray.driver_actors import PoolRecord
from kdner.on_ray.job import once
from kdner.on_ray.pool import estimate_corpus, shards_at_once, size_pool
from kdner.on_ray.prometheus import PrometheusMetrics
from kdner.on_ray.shard_actor import COUNTS, REPLACED, ShardActor, ShardWork
from kdner.progress import Progress
from kdner.runs.run_directory import RunDirectory
from kdner.text.words import splitter_fingerprint

logger = logging.getLogger(__name__)

RESTARTABLE = r"core_worker\.cc.*constructor arguments in the object store and max_restarts > 0"
"""Ray Data gives actors arguments by reference, which live as long as the driver; Ray says of each that they might not
(ray-project/ray, issue 53727)."""
CANCELLED = "it was cancelled before it started running"
"""What Ray says of an actor that Ray Data no longer wanted. Ray Data counts it as one that died while it started."""
WAIT_FOR_RECORD = 60.0
"""Seconds to wait for the list of a pool's processes, which lies on the driver's node."""
FOOTERS_AT_ONCE = 16
"""Files read at once to add up their counts: an object store answers slowly, but many at a time."""
TASKS_WAITING = 1
"""Shards that an actor has been sent beside those it works on: it never waits for the next one. With none Ray Data
would not add actors to the pool when nodes join."""


def map_corpus(
    config: Corpus,
    out: str,
    work: ShardWork,
    *,
    fingerprint: Mapping[str, Any],
    describe: Mapping[str, Any],
    language: str,
    estimation: Estimation | None = None,
    plan: CorpusPlan | None = None,
) -> dict[str, Any]:
    """Do a whole job over a corpus: plan the corpus, map what is missing, check; returns the summary.

    Where `estimation` asks for it, nothing is mapped, and what `estimate_corpus` returned is returned.

    Args:
        config: the corpus, and how it is cut.
        out: the run directory.
        work: what is done to each shard, and by which processes.
        fingerprint: what changes the result beside the corpus: the model's files and the numeric type.
        describe: what the manifest should say besides, such as the label list.
        language: of the corpus.
        estimation: whether to estimate only.
        plan: the corpus's, where it was made before.
    """
    plan = plan or corpus_plan(config, out)
    if estimation and estimation.estimate:
        return estimate_corpus(plan, work, price_per_hour=estimation.price_per_hour)

    def map_and_check(directory: RunDirectory) -> dict[str, Any]:
        summary = shard_map(plan, directory, work)
        check_errors(summary, config.max_error_rate)
        return summary

    splitting = splitter_fingerprint(language, hard_wrapped=config.hard_wrapped)
    return once(
        out,
        {"job": work.job, **fingerprint, "corpus": plan.fingerprint(), **splitting},
        map_and_check,
        stage=work.job,
        configuration=config,
        files=[shard.name for shard in plan.shards],
        **describe,
    )


def shard_map(plan: CorpusPlan, run: RunDirectory, work: ShardWork) -> dict[str, Any]:
    """Map every shard that has no file yet, then reconcile; returns the summary's counts, speed and memory.

    Shards that are much heavier than the others are begun first; see `heaviest_first`.

    Seconds, and the words per second by them, run from the first shard's begin to the last one's end, by the clocks of
    the actors' machines; what passed before, while actors started and loaded the model, is `start_up_seconds`.

    Args:
        plan: which documents make which shard.
        run: opened with the plan's shard names as its files.
        work: what is done to each shard, and by which processes.

    Raises:
        InputError: an input file changed, or the finished files do not add up to the plan.
    """
    pending = set(run.pending())
    shards = heaviest_first([shard for shard in plan.shards if shard.name in pending])
    if len(shards) < len(plan.shards):
        done = len(plan.shards) - len(shards)
        logger.info("%s: %d of %d shards are there", work.job, done, len(plan.shards))
    started = time.time()
    tally = _map_pending(plan, run, work, shards) if shards else _Tally(began=started, ended=started)
    seconds = max(0.0, tally.ended - tally.began)
    return {
        **_reconcile(plan, run),
        "start_up_seconds": round(tally.began - started, 2),
        "seconds": round(seconds, 2),
        "words_per_second": round(tally.words / seconds) if tally.words and seconds else 0,
        "actor_peak_memory_mb": round(tally.memory_mb),
        "driver_peak_memory_mb": round(peak_memory_mb()),
    }


def heaviest_first(shards: Sequence[Shard]) -> list[Shard]:
    """Order shards so that the end of a run does not wait for one that is much heavier than the others.

    Those with at least twice the text of the median one come first, by doublings: the longest processing time first.
    A light one follows each, so that none is sent to an actor that has just got another (`TASKS_WAITING`). All others
    keep their order, since an actor that goes through a file in order reads it once.
    """
    if not shards:
        return []
    usual = max(1, median_high(shard.text_bytes for shard in shards))
    light = [shard for shard in shards if shard.text_bytes < 2 * usual]
    heavy = [shard for shard in shards if shard.text_bytes >= 2 * usual]
    heavy.sort(key=lambda shard: -(shard.text_bytes // usual).bit_length())
    return [*chain.from_iterable(zip(heavy, light, strict=False)), *light[len(heavy) :]]


@dataclass
class _Tally:
    """What the rows that actors return add up to."""

    words: int = 0
    errors: int = 0
    began: float = math.inf
    ended: float = -math.inf
    memory_mb: float = 0.0

    def add(self, row: Mapping[str, Any]) -> None:
        self.words += row["words"]
        self.errors += row["errors"]
        self.began, self.ended = min(self.began, row["began"]), max(self.ended, row["ended"])
        self.memory_mb = max(self.memory_mb, row["memory_mb"])


def _map_pending(plan: CorpusPlan, run: RunDirectory, work: ShardWork, shards: Sequence[Shard]) -> _Tally:
    """Map these shards and show the progress of the whole corpus."""
    connect()
    record = _pool_record()
    mapped = _dataset(plan, run, work, shards, record)
    metrics = PrometheusMetrics(work.job)
    progress = Progress(work.job, "document", display=console.show, watchers=[metrics])
    metrics.show(shards_planned=len(plan.shards))
    done = len(plan.shards) - len(shards)
    progress.begin(plan.documents, done=plan.documents - sum(shard.documents for shard in shards))
    tally = _Tally()
    try:
        with without_line(RESTARTABLE), _without_cancelled():
            for row in mapped.iter_rows():
                if row["refused"]:
                    raise InputError(row["refused"])
                tally.add(row)
                done += 1
                progress.advance(row["documents"], row["words"], errors=tally.errors, shards=done)
    finally:
        # Ray Data leaves its actors to Python's garbage collection, and the cores they hold to nobody until then.
        with suppress(RayError):
            for process in ray.get(record.processes.remote(), timeout=WAIT_FOR_RECORD):
                ray.kill(process)
    return tally


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


def _pool_record() -> Any:
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    actor: Any = ray.remote(PoolRecord)
    return actor.options(num_cpus=0, scheduling_strategy=here).remote()


def _dataset(
    plan: CorpusPlan, run: RunDirectory, work: ShardWork, shards: Sequence[Shard], record: Any
) -> ray.data.Dataset:
    """Return the lazy dataset of what `ShardActor` returns: a row for each shard, in a task of its own."""
    pool = size_pool(work.actors, len(shards), use_gpu=work.use_gpu)
    at_once = shards_at_once(work, pool)
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.max_consecutive_actor_init_deaths = -1  # `ShardActor` counts those that did die
    indices = ray.data.from_items([{"shard": shard.index} for shard in shards], override_num_blocks=len(shards))
    mapped = indices.map_batches(
        ShardActor,
        batch_size=1,
        fn_constructor_kwargs={
            "at_once": at_once,
            "record": record,
            "plan": plan,
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
    )
    mapped.set_name(work.job)
    return mapped


def _reconcile(plan: CorpusPlan, run: RunDirectory) -> dict[str, Any]:
    """Add up the counts of all files; documents in must equal documents out, file by file."""
    total: Counter[str] = Counter()
    replaced: Counter[str] = Counter()
    with ThreadPoolExecutor(FOOTERS_AT_ONCE) as pool:
        footers = pool.map(run.table_metadata, [shard.name for shard in plan.shards])
        for shard, (rows, metadata) in zip(plan.shards, footers, strict=True):
            if rows != shard.documents:
                raise InputError(
                    f"{run.path}/{shard.name}: holds {rows} documents where the plan has {shard.documents}; "
                    "delete it and run again"
                )
            total.update(json.loads(metadata[COUNTS]))
            replaced.update(json.loads(metadata.get(REPLACED, "{}")))
    warn_of_replaced(replaced)
    passed_over = {"files_passed_over": dict(plan.passed_over)} if plan.passed_over else {}
    return {**total, "replaced_characters": replaced.total(), **passed_over}


def check_errors(counts: Mapping[str, Any], max_error_rate: float) -> None:
    """Refuse a run in which too many documents ended with an error.

    Raises:
        InputError: it names the share and the remedy; the files stay, so a second start with a higher limit only
            finishes.
    """
    rate = counts["errors"] / counts["documents"]
    if rate > max_error_rate:
        raise InputError(
            f"{counts['errors']} of {counts['documents']} documents ended with an error (see the column error of the "
            f"files): {rate:.1%}, above --max-error-rate {max_error_rate}. Mend them, or raise the limit."
        )
