"""The shard map: one mechanism for both big jobs, precompute_logits and tag_corpus.

It takes a corpus plan, an actor class whose instances map one Arrow table to one Arrow table with the same ids, and a
run directory; runs the shards that have no file yet through Ray Data with a pool of actors; and leaves one file per
shard. The shard is the unit of work, of retry and of output, because Ray Data's own writes are not idempotent.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np

from kdner.corpora.changes import Changes, changes_since
from kdner.corpora.corpus_listing import MIN_SHARDS, CorpusListing, corpus_listing
from kdner.corpora.kept_plan import plan_of_run
from kdner.corpora.plan import CorpusPlan
from kdner.flags import Corpus, Estimation, Retries
from kdner.memory import peak_memory_mb
from kdner.on_ray.cluster import connect
from kdner.on_ray.console import console
from kdner.on_ray.job import once, work_in
from kdner.on_ray.map_files import map_files_of, planned
from kdner.on_ray.pool import estimate_corpus
from kdner.on_ray.prometheus import PrometheusMetrics
from kdner.on_ray.rounds import may_succeed_elsewhere, nodes_to_avoid, note_on, pool_record, run_round
from kdner.progress import Progress
from kdner.runs.run_directory import RunDirectory
from kdner.shards.attempts import forget_deaths, noted_deaths
from kdner.shards.kept_counts import KeptCounts
from kdner.shards.reconcile import forget_errors, reconcile
from kdner.shards.tally import Tally, check_errors
from kdner.shards.work import ShardWork
from kdner.text.words import splitter_fingerprint

logger = logging.getLogger(__name__)

MAX_ROUNDS = 5
"""Times that shards which processes give back are tried, by new processes each time."""
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

    @cache
    def changes() -> Changes:
        accepted, map_files = retries.accept_changes, map_files_of(listing())
        return changes_since(RunDirectory(out), listing(), accepted=accepted, map_files=map_files)

    if estimation and estimation.estimate:
        plan, _ = planned(out, listing())
        return estimate_corpus(plan, work(plan), price_per_hour=estimation.price_per_hour)

    def fingerprint_of_all() -> dict[str, Any]:
        return {"job": job, **fingerprint, "corpus": changes().fingerprint, **splitting}

    def map_and_check(directory: RunDirectory) -> dict[str, Any]:
        plan = plan_of_run(directory, listing(), map_files_of(listing()), changes().files)
        directory.describe({"files": plan.shards.names})
        limited = replace(work(plan), timeout_s=retries.shard_timeout)
        summary = shard_map(plan, directory, limited, max_error_rate=config.max_error_rate)
        check_errors(summary, config.max_error_rate)
        return summary

    splitting = splitter_fingerprint(language, hard_wrapped=config.hard_wrapped)
    if retries.retry_errors and RunDirectory(out).begun:
        with work_in(out, fingerprint_of_all, describe) as directory:
            forget_errors(directory)
    summary = once(out, fingerprint_of_all, map_and_check, stage=job, configuration=config, **describe)
    check_errors(summary, config.max_error_rate)  # which may have been higher when the run was finished
    return summary


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
    tally, kept = Tally(plan, max_error_rate), KeptCounts(run)
    known = kept.load(pending)
    if len(pending):
        with kept.written_at_the_end():
            _map_pending(plan, run, work, pending, tally, kept)
    seconds = max(0.0, tally.ended - tally.began)
    counts = reconcile(plan, run, tally, pending, known)
    forget_deaths(run)
    kept.delete()
    return {
        **counts,
        "start_up_seconds": round(tally.began - started, 2) if len(pending) else 0.0,
        "seconds": round(seconds, 2),
        "words_per_second": round(tally.words / seconds) if tally.words and seconds else 0,
        "actor_peak_memory_mb": round(tally.memory_mb),
        "driver_peak_memory_mb": round(peak_memory_mb()),
    }


def _map_pending(
    plan: CorpusPlan, run: RunDirectory, work: ShardWork, shards: np.ndarray, tally: Tally, kept: KeptCounts
) -> None:
    """Map these shards and show the progress of the whole corpus.

    What processes give back is mapped in another round, by new processes, on other nodes where some nodes fail.
    """
    connect()
    metrics = PrometheusMetrics(work.job)
    progress = Progress(work.job, "document", display=console.show, watchers=[metrics])
    metrics.show(shards_planned=len(plan.shards))
    done = len(plan.shards) - len(shards)
    progress.begin(plan.documents, done=plan.documents - int(plan.shards.documents[shards].sum()))
    avoided = frozenset[str]()
    record = pool_record(noted_deaths(run))
    for number in range(MAX_ROUNDS):
        returned, is_hopeless = [], False
        with console.noting(work.job, partial(note_on, record)):
            for row in run_round(plan, run, work, shards, record, avoided):
                if row["given_back"]:
                    returned.append(row)
                    if is_hopeless := not may_succeed_elsewhere(row, record):
                        break
                    continue
                kept.add(row)
                tally.add(row)
                done += 1
                progress.advance(row["documents"], row["words"], errors=tally.errors, shards=done)
        if not returned:
            break
        avoided = nodes_to_avoid(work.job, returned, record, last=is_hopeless or number == MAX_ROUNDS - 1)
        shards = shards[np.isin(shards, [row["shard"] for row in returned])]
