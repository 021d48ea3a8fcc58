"""What a job over a corpus will take on this cluster, from some of its own actors that are timed at once."""

from __future__ import annotations

import logging
from typing import Any

import ray

from kdner.data.corpus import CorpusPlan
from kdner.errors import InputError
from kdner.measuring.estimate import SAMPLED_ACTORS, Sample, Sampler, estimate_words, extrapolate
from kdner.on_ray.cluster import connect
from kdner.on_ray.pool import Pool, size_pool
from kdner.on_ray.shard_actor import ShardWork

logger = logging.getLogger(__name__)


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
    samplers = [process.remote(shared, work.actor, work.arguments, seed) for seed in seeds]
    logger.info("timing %d of %d actors on a sample", len(samplers), count)
    try:
        sizes = ray.get([sampler.warm_up.remote() for sampler in samplers])
        return ray.get([sampler.sample.remote(size) for sampler, size in zip(samplers, sizes, strict=True)])
    finally:
        for sampler in samplers:
            ray.kill(sampler)
