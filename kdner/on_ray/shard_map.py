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
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import cache
from typing import Any

import numpy as np
import ray
from ray.data import ActorPoolStrategy, DataContext
from ray.exceptions import RayError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from kdner.corpora.corpus_listing import MIN_SHARDS, CorpusListing, corpus_listing
from kdner.corpora.kept_plan import plan_of_run
from kdner.corpora.plan import CorpusPlan, plan_listing
from kdner.corpora.tables import shard_name
from kdner.data.text_files import warn_of_replaced
from kdner.device import peak_memory_mb
from kdner.errors import InputError
from kdner.flags import Corpus, Estimation, Retries
from kdner.on_ray.cluster import connect
from kdner.on_ray.console import console, without_line
from kdner.on_ray.driver_actors import PoolRecord
from kdner.on_ray.job import once
from kdner.on_ray.map_files import map_files_of
from kdner.on_ray.pool import estimate_corpus, shards_at_once, size_pool
from kdner.on_ray.prometheus import PrometheusMetrics
from kdner.on_ray.shard_actor import COUNTS, REPLACED, ShardActor
from kdner.on_ray.shard_tasks import pickled, tasks_of
from kdner.progress import Progress
from kdner.runs.lock import hold
from kdner.runs.run_directory import SUCCESS, RunDirectory
from kdner.shards.attempts import forget_deaths, noted_deaths
from kdner.shards.work import ShardWork
from kdner.text.words import splitter_fingerprint

logger = logging.getLogger(__name__)

RESTARTABLE = r"core_worker\.cc.*constructor arguments in the object store and max_restarts > 0"
"""Ray Data gives actors arguments by reference, which live as long as the driver; Ray says of each that they might not
(ray-project/ray, issue 53727)."""
CANCELLED = "it was cancelled before it started running"
"""What Ray says of an actor that Ray Data no longer wanted. Ray Data counts it as one that died while it started."""
WAIT_FOR_RECORD = 60.0
"""Seconds to wait for the list of a pool's processes, which lies on the driver's node."""
MAX_ROUNDS = 5
"""Times that shards which processes give back are tried, by new processes each time."""
ERRORS_TO_JUDGE = 100
"""Documents with an error before a job may stop early for their number."""
REASONS_SHOWN = 3
FOOTERS_AT_ONCE = 16
"""Files read at once to add up their counts: an object store answers slowly, but many at a time."""
NODE_ID_LABEL = "ray.io/node-id"
TASKS_WAITING = 1
"""Shards that an actor has been sent beside those it works on: it never waits for the next one. With none Ray Data
would not add actors to the pool when nodes join."""


_NO_RETRIES = Retries()


def map_corpus(
    config: Corpus,
    out: str,
    work: Callable[[CorpusPlan], ShardWork],
    *,
    job: str,
    fingerprint: Mapping[str, Any],
    describe: Mapping[str, Any],
    language: str,
    retries: Retries = _NO_RETRIES,
    estimation: Estimation | None = None,
    min_shards: int = MIN_SHARDS,
    keep_columns: Sequence[str] = (),
) -> dict[str, Any]:
    """Do a whole job over a corpus: plan the corpus, map what is missing, check; returns the summary.

    Other jobs are kept out first; then one listing of the corpus tells whether the run is finished, or another one's.
    Only then is the corpus read for a plan, unless an earlier start has left one. Where `estimation` asks for it,
    nothing is kept or mapped, and what `estimate_corpus` returned is returned.

    Args:
        config: the corpus, and how it is cut.
        out: the run directory.
        work: returns what is done to each shard of a plan, and by which processes.
        job: name of the job, as `work` has it.
        fingerprint: what changes the result beside the corpus: the model's files and the numeric type.
        describe: what the manifest should say besides, such as the label list.
        language: of the corpus.
        retries: what is done about shards that went wrong.
        estimation: whether to estimate only.
        min_shards: see `kdner.corpora.plan.plan_listing`.
        keep_columns: columns of the corpus to read beside the texts.
    """

    @cache
    def listing() -> CorpusListing:
        return corpus_listing(config, out, min_shards=min_shards, keep_columns=keep_columns)

    if estimation and estimation.estimate:
        plan = plan_listing(listing(), map_files_of(listing()))
        return estimate_corpus(plan, work(plan), price_per_hour=estimation.price_per_hour)

    if retries.retry_errors:
        forget_errors(out)

    def fingerprint_of_all() -> dict[str, Any]:
        return {"job": job, **fingerprint, "corpus": listing().fingerprint(), **splitting}

    def map_and_check(directory: RunDirectory) -> dict[str, Any]:
        plan = plan_of_run(directory, listing(), map_files_of(listing()))
        directory.describe({"files": plan.shards.names})
        limited = replace(work(plan), timeout_s=retries.shard_timeout)
        summary = shard_map(plan, directory, limited, max_error_rate=config.max_error_rate)
        check_errors(summary, config.max_error_rate)
        return summary

    splitting = splitter_fingerprint(language, hard_wrapped=config.hard_wrapped)
    return once(out, fingerprint_of_all, map_and_check, stage=job, configuration=config, **describe)


def forget_errors(out: str) -> None:
    """Delete the files of a run directory that hold documents with an error, so that the next start makes them again.

    Raises:
        InputError: another job works there.
    """
    run = RunDirectory(out)
    if not run.begun:
        return
    with hold(out):
        pending = set(run.pending())
        made = [name for name in run.files if name not in pending]
        with ThreadPoolExecutor(FOOTERS_AT_ONCE) as pool:
            footers = pool.map(run.table_metadata, made)
            bad = [name for name, (_, own) in zip(made, footers, strict=True) if json.loads(own[COUNTS])["errors"]]
        if bad:
            logger.info("%d of %d shards hold documents with an error, and are made again", len(bad), len(made))
            run.delete([SUCCESS, *bad])


def shard_map(plan: CorpusPlan, run: RunDirectory, work: ShardWork, *, max_error_rate: float = 1.0) -> dict[str, Any]:
    """Map every shard that has no file yet, then reconcile; returns the summary's counts, speed and memory.

    Shards that are much heavier than the others are begun first; see `kdner.on_ray.shard_tasks`.

    Seconds, and the words per second by them, run from the first shard's begin to the last one's end, by the clocks of
    the actors' machines; what passed before, while actors started and loaded the model, is `start_up_seconds`.

    Args:
        plan: which documents make which shard.
        run: opened with the plan's shard names as its files.
        work: what is done to each shard, and by which processes.
        max_error_rate: share of all documents (0 to 1) above which the job stops.

    Raises:
        InputError: an input file changed, no process can do what is left, too many documents ended with an error, or
            the finished files do not add up to the plan.
    """
    missing = set(run.pending())
    pending = np.array([number for number, name in enumerate(plan.shards.names) if name in missing], np.int64)
    if len(pending) < len(plan.shards):
        done = len(plan.shards) - len(pending)
        logger.info("%s: %d of %d shards are there", work.job, done, len(plan.shards))
    started = time.time()
    tally = _map_pending(plan, run, work, pending, max_error_rate) if len(pending) else _Tally(plan, max_error_rate)
    seconds = max(0.0, tally.ended - tally.began)
    counts = _reconcile(plan, run, tally, pending)
    forget_deaths(run)
    return {
        **counts,
        "start_up_seconds": round(tally.began - started, 2) if len(pending) else 0.0,
        "seconds": round(seconds, 2),
        "words_per_second": round(tally.words / seconds) if tally.words and seconds else 0,
        "actor_peak_memory_mb": round(tally.memory_mb),
        "driver_peak_memory_mb": round(peak_memory_mb()),
    }


class _Tally:
    """What the rows that actors return add up to."""

    def __init__(self, plan: CorpusPlan, max_error_rate: float) -> None:
        self.counts, self.replaced = Counter[str](), Counter[str]()
        self._planned = plan.shards.documents
        self.began, self.ended, self.memory_mb = math.inf, -math.inf, 0.0
        self._reasons: Counter[str] = Counter()
        self._examples: dict[str, str] = {}
        self._allowed = max(ERRORS_TO_JUDGE, max_error_rate * plan.documents)

    def add(self, row: Mapping[str, Any]) -> None:
        """Add a row.

        Raises:
            InputError: so many documents ended with an error that the job will fail, whatever comes; or the file has
                not the plan's number of documents.
        """
        counts = json.loads(row["counts"])
        check_documents(shard_name(row["shard"]), counts["documents"], int(self._planned[row["shard"]]))
        self.counts.update(counts)
        self.replaced.update(json.loads(row["replaced"]))
        self.began, self.ended = min(self.began, row["began"]), max(self.ended, row["ended"])
        self.memory_mb = max(self.memory_mb, row["memory_mb"])
        for reason, count, example in json.loads(row["reasons"]):
            self._reasons[reason] += count
            self._examples.setdefault(reason, example)
        if self.errors > self._allowed:
            raise InputError(
                f"{self.errors:,} of the first {self.documents:,} documents ended with an error, more than "
                f"--max-error-rate allows for all of the corpus, so that the job stops here:\n{self.reasons()}\n"
                "Mend the cause and run the same command with --retry-errors, or raise the limit"
            )

    @property
    def documents(self) -> int:
        """Documents of the shards whose rows are in."""
        return self.counts["documents"]

    @property
    def words(self) -> int:
        """Their words."""
        return self.counts["words"]

    @property
    def errors(self) -> int:
        """How many of them ended with an error."""
        return self.counts["errors"]

    def reasons(self) -> str:
        """Lay out the most frequent errors, a line for each, with an example."""
        return "\n".join(
            f"  {count:,} times {reason}, such as document {self._examples[reason]}"
            for reason, count in self._reasons.most_common(REASONS_SHOWN)
        )


def _map_pending(
    plan: CorpusPlan, run: RunDirectory, work: ShardWork, shards: np.ndarray, max_error_rate: float
) -> _Tally:
    """Map these shards and show the progress of the whole corpus.

    What processes give back is mapped in another round, by new processes, on other nodes where some nodes fail.
    """
    connect()
    metrics = PrometheusMetrics(work.job)
    progress = Progress(work.job, "document", display=console.show, watchers=[metrics])
    metrics.show(shards_planned=len(plan.shards))
    done = len(plan.shards) - len(shards)
    progress.begin(plan.documents, done=plan.documents - int(plan.shards.documents[shards].sum()))
    tally, avoided = _Tally(plan, max_error_rate), frozenset[str]()
    record = _pool_record(noted_deaths(run))
    for number in range(MAX_ROUNDS):
        returned = []
        for row in _round(plan, run, work, shards, record, avoided):
            if row["given_back"]:
                returned.append(row)
                if not _elsewhere(row, record):
                    break
                continue
            tally.add(row)
            done += 1
            progress.advance(row["documents"], row["words"], errors=tally.errors, shards=done)
        if not returned:
            break
        last = number == MAX_ROUNDS - 1 or not _elsewhere(returned[-1], record)
        avoided = _nodes_to_avoid(work.job, returned, record, last=last)
        shards = shards[np.isin(shards, [row["shard"] for row in returned])]
    return tally


def _round(
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
        with without_line(RESTARTABLE), _without_cancelled():
            for row in mapped.iter_rows():
                if row["refused"]:
                    raise InputError(row["refused"])
                yield row
    finally:
        # Ray Data leaves its actors to Python's garbage collection, and the cores they hold to nobody until then.
        with suppress(RayError):
            for process in ray.get(record.processes.remote(), timeout=WAIT_FOR_RECORD):
                ray.kill(process)


def _nodes_to_avoid(job: str, returned: Sequence[Mapping[str, Any]], record: Any, *, last: bool) -> frozenset[str]:
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


def _elsewhere(row: Mapping[str, Any], record: Any) -> bool:
    """Tell whether a shard that was given back may be done elsewhere.

    It may not where no process can begin, or where storage fails on the only node.
    """
    if row["given_back"] == "start":
        return not ray.get(record.all_fail.remote())
    return row["given_back"] != "storage" or sum(node["Alive"] for node in ray.nodes()) > 1


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


def _pool_record(deaths: Mapping[int, int]) -> Any:
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
    context = DataContext.get_current()
    context.enable_progress_bars = False
    context.max_consecutive_actor_init_deaths = -1  # `ShardActor` counts those that did die
    tasks = [{"shards": pickled(plan.shards, group)} for group in tasks_of(plan.shards, shards, pool.count)]
    mapped = ray.data.from_items(tasks, override_num_blocks=len(tasks)).map_batches(
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


def _reconcile(plan: CorpusPlan, run: RunDirectory, tally: _Tally, mapped: np.ndarray) -> dict[str, Any]:
    """Add up the counts of all files; documents in must equal documents out, file by file.

    Those of the shards that were mapped now are in the tally; those that were there before are read from the files.
    """
    total, replaced = tally.counts.copy(), tally.replaced.copy()
    before = np.setdiff1d(np.arange(len(plan.shards)), mapped)
    names = [shard_name(number) for number in before.tolist()]
    with ThreadPoolExecutor(FOOTERS_AT_ONCE) as pool:
        footers = pool.map(run.table_metadata, names)
        planned = plan.shards.documents[before].tolist()
        for name, documents, (rows, metadata) in zip(names, planned, footers, strict=True):
            check_documents(f"{run.path}/{name}", rows, documents)
            total.update(json.loads(metadata[COUNTS]))
            replaced.update(json.loads(metadata.get(REPLACED, "{}")))
    warn_of_replaced(replaced)
    passed_over = {"files_passed_over": dict(plan.passed_over)} if plan.passed_over else {}
    return {**total, "replaced_characters": replaced.total(), **passed_over}


def check_documents(name: str, documents: int, planned: int) -> None:
    """Check that a file has as many documents as the plan.

    Raises:
        InputError: it has not.
    """
    if documents != planned:
        raise InputError(f"{name}: holds {documents} documents where the plan has {planned}; delete it and run again")


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
