"""What this cluster gives to a job over a corpus: processes, GPUs, a numeric type; and how long it would take."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import Any

import ray

from kdner.corpora.plan import CorpusPlan
from kdner.device import GPU_SHARDS_AT_ONCE, best_dtype, dtype_name
from kdner.errors import InputError
from kdner.flags import Actors
from kdner.measuring.estimate import SAMPLED_ACTORS, Sample, Sampler, estimate_words, extrapolate
from kdner.on_ray.cluster import await_cores, connect, in_cluster
from kdner.runs.run_directory import RunDirectory
from kdner.shards.work import ShardWork

logger = logging.getLogger(__name__)


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


def size_pool(actors: Actors, shards: int, *, use_gpu: bool, avoided: frozenset[str] = frozenset()) -> Pool:
    """Decide what the flags leave open, by what this cluster has.

    Args:
        actors: the flags.
        shards: how many there are to share.
        use_gpu: whether the actor can use a GPU.
        avoided: ids of nodes that get no process.
    """
    await_cores()
    gpus = _gpus(actors, use_gpu=use_gpu)
    needs = {"CPU": actors.cpus, "GPU": gpus}
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"] and node["NodeID"] not in avoided]
    room = sum(int(min(node.get(name, 0) / need for name, need in needs.items() if need)) for node in nodes)
    count = min(actors.count or max(1, room), shards)
    least, most = (count, count) if actors.count else (1, shards)
    return Pool(count=count, least=least, most=most, room=room, cpus=actors.cpus, gpus=gpus)


def shards_at_once(work: ShardWork, pool: Pool) -> int:
    """Return how many shards each process of a pool works on at once, in threads."""
    return work.at_once or (GPU_SHARDS_AT_ONCE if pool.gpus else 1)


def numeric_type(out: str, asked: str | None) -> str | None:
    """Return the name of the numeric type asked for, else what a run began with, else None.

    It is part of the fingerprint.

    Args:
        out: the run directory; it need not exist.
        asked: its name, or None.
    """
    run = RunDirectory(out)
    return asked or (run.manifest()["fingerprint"].get("dtype") if run.begun else None)


def teachers_type(actors: Actors, *, use_gpu: bool) -> str:
    """Return the numeric type that a teacher's actors are fastest at on this cluster.

    It is bfloat16 where actors have a GPU or the CPU of this machine multiplies it, else float32.
    """
    connect()
    if _gpus(actors, use_gpu=use_gpu):
        return "bfloat16"
    import torch

    return dtype_name(best_dtype(torch.device("cpu")))


def estimate_corpus(plan: CorpusPlan, work: ShardWork, *, price_per_hour: float | None) -> dict[str, Any]:
    """Estimate what `shard_map` would take for all of a corpus on this cluster.

    Returns:
        what `kdner.measuring.estimate.extrapolate` returns, and `cpus_per_actor` and `gpus_per_actor`.

    Raises:
        InputError: no node has room for an actor, an input file changed, or the sample holds no words.
    """
    connect()
    pool = size_pool(work.actors, len(plan.shards), use_gpu=work.use_gpu)
    if not pool.room:
        raise InputError(
            f"--estimate: no node of this cluster has the {pool.cpus} CPU cores and {pool.gpus:g} GPUs of an actor; "
            "lower --actors.cpus or --actors.gpus, or start such a node"
        )
    count = min(pool.count, pool.room)
    words = estimate_words(plan)
    estimate = extrapolate(
        _time_samples(plan, work, pool, count),
        shards=len(plan.shards),
        documents=plan.documents,
        words=words,
        actors=count,
        price_per_hour=price_per_hour,
    )
    return {**estimate, "cpus_per_actor": pool.cpus, "gpus_per_actor": pool.gpus}


def _time_samples(plan: CorpusPlan, work: ShardWork, pool: Pool, count: int) -> list[Sample]:
    """Time `count` actors, or `SAMPLED_ACTORS` of more, at the same time."""
    process: Any = ray.remote(num_cpus=pool.cpus, num_gpus=pool.gpus)(Sampler)
    shared = ray.put(plan)
    seeds = range(min(count, SAMPLED_ACTORS))
    at_once = shards_at_once(work, pool)
    samplers = [process.remote(shared, work.actor, work.arguments, seed, at_once) for seed in seeds]
    logger.info("timing %d of %d actors on a sample", len(samplers), count)
    try:
        sizes = ray.get([sampler.warm_up.remote() for sampler in samplers])
        return ray.get([sampler.sample.remote(size) for sampler, size in zip(samplers, sizes, strict=True)])
    finally:
        for sampler in samplers:
            ray.kill(sampler)


def _gpus(actors: Actors, *, use_gpu: bool) -> float:
    """Return the GPUs of an actor: as asked, else one where it can use it and the cluster has some now."""
    return actors.gpus if actors.gpus is not None else min(1, in_cluster("GPU")) if use_gpu else 0
