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
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import ray
import torch
from ray.data import ActorPoolStrategy, DataContext
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from kdner.data.corpus import MIN_SHARDS, CorpusPlan, corpus_plan, read_shard
from kdner.data.corpus_rows import SliceReader
from kdner.device import best_dtype, peak_memory_mb
from kdner.errors import InputError
from kdner.flags import Actors, Corpus, Estimation
from kdner.measuring.estimate import SAMPLED_ACTORS, Sampler, estimate_words, extrapolate
from kdner.on_ray.attempts import Attempts
from kdner.on_ray.cluster import await_cores, connect, in_cluster
from kdner.on_ray.job import once
from kdner.on_ray.logs import on_terminal, set_up_logging
from kdner.on_ray.prometheus import Metrics
from kdner.progress import Progress
from kdner.runs.run_directory import MANIFEST, RunDirectory
from kdner.text.words import SPLITTER_VERSION, count_words

logger = logging.getLogger(__name__)

MapTable = Callable[[pa.Table], pa.Table]
ActorClass = Callable[..., MapTable]
COUNTS = "kdner.counts"
"""The key of a file's metadata under which its counts lie, as JSON."""
MAX_ATTEMPTS = 5
"""Ray begins a shard again whose actor or node died; a document that kills its process must not go on for ever."""
FOOTERS_AT_ONCE = 16
"""Files read at once to add up their counts: an object store answers slowly, but many at a time."""


def map_corpus(
    what: str,
    config: Corpus,
    out: str,
    actor: ActorClass,
    arguments: dict[str, Any],
    schema: pa.Schema,
    *,
    fingerprint: Mapping[str, Any],
    describe: Mapping[str, Any],
    use_gpu: bool,
    planning: Estimation | None = None,
    min_shards: int = MIN_SHARDS,
) -> dict[str, Any]:
    """Do a whole job of this kind: plan the corpus, map what is missing, check; returns the summary.

    Where `planning` asks for it, nothing is mapped, and what `estimate_corpus` returned is returned.

    Args:
        what: the job's name.
        config: the corpus, how it is cut, and who works on it.
        out: the run directory.
        actor: see `shard_map`, as for `arguments`, `schema` and `use_gpu`.
        arguments: of the actor.
        schema: of the files.
        fingerprint: what else than the corpus changes the result: the model's files and the numeric type.
        describe: what the manifest should say besides, such as the label list.
        use_gpu: whether the actor can use a GPU.
        planning: whether to estimate only.
        min_shards: shards that even a small corpus is cut into: work for as many actors.
    """
    plan = corpus_plan(config, out, min_shards=min_shards)
    if planning and planning.plan:
        price = planning.price_per_hour
        return estimate_corpus(plan, actor, arguments, actors=config.actors, use_gpu=use_gpu, price_per_hour=price)
    whole = {"job": what, **fingerprint, "corpus": plan.fingerprint(), "splitter": SPLITTER_VERSION}

    def work(directory: RunDirectory) -> dict[str, Any]:
        summary = shard_map(what, plan, directory, actor, arguments, schema, actors=config.actors, use_gpu=use_gpu)
        check_errors(summary, config.max_error_rate)
        return summary

    files = [shard.name for shard in plan.shards]
    return once(out, whole, work, configuration=config, files=files, **describe)


def numeric_type(out: str, asked: str | None, actors: Actors, *, use_gpu: bool) -> str:
    """Decide in which numeric type a model runs over a corpus; it is part of the fingerprint.

    It is the one asked for, else what a run in `out` began with, else bfloat16 where actors have a GPU or the CPU of
    this machine multiplies it, else float32.
    """
    run = RunDirectory(out)
    begun = run.manifest()["fingerprint"].get("dtype") if run.has(MANIFEST) else None
    if known := asked or begun:
        return str(known)
    connect()
    fastest = torch.bfloat16 if _gpus(actors, use_gpu=use_gpu) else best_dtype(torch.device("cpu"))
    return str(fastest).removeprefix("torch.")


def shard_map(
    what: str,
    plan: CorpusPlan,
    run: RunDirectory,
    actor: ActorClass,
    arguments: dict[str, Any],
    schema: pa.Schema,
    *,
    actors: Actors,
    use_gpu: bool,
) -> dict[str, Any]:
    """Map every shard that has no file yet, then reconcile; returns the summary's counts, speed and memory.

    Seconds, and the words per second by them, run from the first shard's begin to the last one's end, by the clocks of
    the actors' machines; what passed before, while actors started and loaded the model, is `start_up_seconds`.

    Args:
        what: the job's name, for progress.
        plan: which documents make which shard.
        run: opened with the plan's shard names as its files.
        actor: built once per process as `actor(**arguments)`; called with a table of `schema.CORPUS`.
        arguments: small values such as paths, never weights.
        schema: of the tables that the actor returns.
        actors: how many processes, and what each may use.
        use_gpu: whether the actor can use a GPU.

    Raises:
        InputError: an input file changed, or the finished files do not add up to the plan.
    """
    pending = set(run.pending())
    shards = [shard for shard in plan.shards if shard.name in pending]
    if len(shards) < len(plan.shards):
        logger.info("%s: %d of %d shards are done already", what, len(plan.shards) - len(shards), len(plan.shards))
    started = time.time()
    began, ended, actor_memory_mb = math.inf, -math.inf, 0.0
    words = errors = 0
    if shards:
        connect()
        pool = size_pool(actors, len(shards), use_gpu=use_gpu)
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        attempts: Any = ray.remote(Attempts)
        context = DataContext.get_current()
        context.enable_progress_bars = False
        mapped = ray.data.from_items(
            [{"shard": shard.index} for shard in shards], override_num_blocks=len(shards)
        ).map_batches(
            ShardActor,
            batch_size=1,
            fn_constructor_kwargs={
                "attempts": attempts.options(num_cpus=0, scheduling_strategy=here).remote(),
                "plan": plan,
                "run": run,
                "actor": actor,
                "arguments": arguments,
                "schema": schema,
            },
            compute=ActorPoolStrategy(min_size=pool.least, initial_size=pool.count, max_size=pool.most),
            num_cpus=pool.cpus,
            num_gpus=pool.gpus,
        )
        mapped.set_name(what)
        metrics = Metrics(what)
        progress = Progress(what, "document", terminal=on_terminal(), watchers=[metrics])
        metrics.show(shards_planned=len(plan.shards))
        done = len(plan.shards) - len(shards)
        progress.begin(plan.documents, done=plan.documents - sum(shard.documents for shard in shards))
        for row in mapped.iter_rows():
            if row["refused"]:
                raise InputError(row["refused"])
            words += row["words"]
            errors += row["errors"]
            began, ended = min(began, row["began"]), max(ended, row["ended"])
            actor_memory_mb = max(actor_memory_mb, row["memory_mb"])
            done += 1
            progress.advance(row["documents"], row["words"], errors=errors, shards=done)
    seconds = max(0.0, ended - began)
    return {
        **_reconcile(plan, run),
        "start_up_seconds": round(began - started, 2) if shards else 0.0,
        "seconds": round(seconds, 2),
        "words_per_second": round(words / seconds) if words and seconds else 0,
        "actor_peak_memory_mb": round(actor_memory_mb),
        "driver_peak_memory_mb": round(peak_memory_mb()),
    }


@dataclass(frozen=True, kw_only=True)
class Pool:
    """The processes that share a corpus on this cluster."""

    count: int
    """Processes to begin with: those asked for, or as many as there is room for; never more than shards."""
    least: int
    """Processes below which the pool does not shrink."""
    most: int
    """Processes up to which it grows with the cluster."""
    room: int
    """How many the nodes of the cluster hold now."""
    cpus: int
    """CPU cores of each."""
    gpus: float
    """GPUs of each."""


def size_pool(actors: Actors, shards: int, *, use_gpu: bool) -> Pool:
    """Decide what the flags leave open, by what this cluster has."""
    await_cores()
    gpus = _gpus(actors, use_gpu=use_gpu)
    needs = {"CPU": actors.cpus, "GPU": gpus}
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    room = sum(int(min(node.get(name, 0) / need for name, need in needs.items() if need)) for node in nodes)
    count = min(actors.count or max(1, room), shards)
    least, most = (count, count) if actors.count else (1, shards)
    return Pool(count=count, least=least, most=most, room=room, cpus=actors.cpus, gpus=gpus)


def _gpus(actors: Actors, *, use_gpu: bool) -> float:
    """Return the GPUs of an actor: as asked, else one where it can use it and the cluster has some now."""
    return actors.gpus if actors.gpus is not None else min(1, in_cluster("GPU")) if use_gpu else 0


def estimate_corpus(
    plan: CorpusPlan,
    actor: ActorClass,
    arguments: dict[str, Any],
    *,
    actors: Actors,
    use_gpu: bool,
    price_per_hour: float | None,
) -> dict[str, Any]:
    """Estimate what `shard_map` would take for all of a corpus on this cluster, from actors that are timed at once.

    Raises:
        InputError: if no node has room for an actor, an input file changed, or the sample holds no words.
    """
    connect()
    pool = size_pool(actors, len(plan.shards), use_gpu=use_gpu)
    if not pool.room:
        raise InputError(
            f"--plan: no node of this cluster has the {pool.cpus} CPU cores and {pool.gpus:g} GPUs of an actor; "
            "lower --actors.cpus or --actors.gpus, or start such a node"
        )
    count = min(pool.count, pool.room)
    words = estimate_words(plan)
    process: Any = ray.remote(num_cpus=pool.cpus, num_gpus=pool.gpus)(Sampler)
    shared = ray.put(plan)
    samplers = [process.remote(shared, actor, arguments, seed) for seed in range(min(count, SAMPLED_ACTORS))]
    logger.info("timing %d of %d actors on a sample", len(samplers), count)
    try:
        sizes = ray.get([sampler.warm_up.remote() for sampler in samplers])
        samples = ray.get([sampler.sample.remote(size) for sampler, size in zip(samplers, sizes, strict=True)])
    finally:
        for sampler in samplers:
            ray.kill(sampler)
    estimate = extrapolate(
        samples,
        shards=len(plan.shards),
        documents=plan.documents,
        words=words,
        actors=count,
        price_per_hour=price_per_hour,
    )
    return {**estimate, "cpus_per_actor": pool.cpus, "gpus_per_actor": pool.gpus}


class ShardActor:
    """One process of the pool: reads a shard, maps it, checks the ids, and commits the file."""

    def __init__(
        self,
        plan: CorpusPlan,
        run: RunDirectory,
        actor: ActorClass,
        arguments: dict[str, Any],
        schema: pa.Schema,
        attempts: Any = None,
    ) -> None:
        set_up_logging()
        self.plan, self.run, self.schema, self.attempts = plan, run, schema, attempts
        self.reader = SliceReader(plan.text_column)
        self.map_table = actor(**arguments)

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
        """Make a shard's file, unless it is there; returns its counts."""
        shard = self.plan.shards[index]
        if self.run.has(shard.name):  # Ray repeats a task whose row was lost with its actor or node
            return Counter(json.loads(self.run.table_metadata(shard.name)[1][COUNTS]))
        documents = read_shard(self.plan, shard, self.reader)
        if self.attempts is not None and ray.get(self.attempts.begin.remote(index)) > MAX_ATTEMPTS:
            first, last = documents["id"][0], documents["id"][-1]
            raise InputError(
                f"{shard.name}: {MAX_ATTEMPTS} processes died while they worked on documents {first} to {last}; is "
                "there memory enough for the longest of them? Mend or remove it, or give an actor more memory"
            )
        mapped = self.map_table(documents)
        if not mapped["id"].equals(documents["id"]):
            raise RuntimeError(f"{shard.name}: the ids that came out are not the ids that went in")
        counts = Counter(documents=mapped.num_rows, errors=mapped.num_rows - mapped["error"].null_count)
        if "entities" in mapped.column_names:
            counts["words"] = pc.sum(mapped["words"]).as_py()
            counts["entities"] = pc.sum(pc.list_value_length(mapped["entities"])).as_py() or 0
        else:
            counts["words"] = sum(count_words(text) for text in documents["text"].to_pylist() if text)
        self.run.write_table(shard.name, mapped, self.schema, metadata={COUNTS: json.dumps(counts)})
        return counts


def _reconcile(plan: CorpusPlan, run: RunDirectory) -> dict[str, int]:
    """Add up the counts of all files; documents in must equal documents out, file by file."""
    total: Counter[str] = Counter()
    with ThreadPoolExecutor(FOOTERS_AT_ONCE) as pool:
        footers = pool.map(run.table_metadata, [shard.name for shard in plan.shards])
        for shard, (rows, metadata) in zip(plan.shards, footers, strict=True):
            if rows != shard.documents:
                raise InputError(
                    f"{run.path}/{shard.name}: holds {rows} documents where the plan has {shard.documents}; "
                    "delete it and run again"
                )
            total.update(json.loads(metadata[COUNTS]))
    return dict(total)


def check_errors(counts: dict[str, Any], max_error_rate: float) -> None:
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
