"""What this cluster can give to a job over a corpus: how many processes, with which GPUs, in which numeric type."""

from __future__ import annotations

from dataclasses import dataclass

import ray
import torch

from kdner.device import best_dtype, dtype_of
from kdner.flags import Actors
from kdner.on_ray.cluster import await_cores, connect, in_cluster
from kdner.runs.run_directory import MANIFEST, RunDirectory


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
    """Decide what the flags leave open, by what this cluster has.

    Args:
        actors: the flags.
        shards: how many there are to share.
        use_gpu: whether the actor can use a GPU.
    """
    await_cores()
    gpus = _gpus(actors, use_gpu=use_gpu)
    needs = {"CPU": actors.cpus, "GPU": gpus}
    nodes = [node["Resources"] for node in ray.nodes() if node["Alive"]]
    room = sum(int(min(node.get(name, 0) / need for name, need in needs.items() if need)) for node in nodes)
    count = min(actors.count or max(1, room), shards)
    least, most = (count, count) if actors.count else (1, shards)
    return Pool(count=count, least=least, most=most, room=room, cpus=actors.cpus, gpus=gpus)


def numeric_type(out: str, asked: str | None, actors: Actors, *, use_gpu: bool) -> torch.dtype:
    """Decide in which numeric type a model runs over a corpus; it is part of the fingerprint.

    It is the one asked for, else what a run in `out` began with, else the fastest: bfloat16 where actors have a GPU or
    the CPU of this machine multiplies it, else float32.

    Args:
        out: the run directory; it need not exist.
        asked: `float32` or `bfloat16`, or None.
        actors: the processes that the model runs in.
        use_gpu: whether the model can use a GPU.
    """
    run = RunDirectory(out)
    begun = run.manifest()["fingerprint"].get("dtype") if run.has(MANIFEST) else None
    if name := asked or begun:
        return dtype_of(name)
    return fastest_type(actors, use_gpu=use_gpu)


def fastest_type(actors: Actors, *, use_gpu: bool) -> torch.dtype:
    """Return the numeric type that actors are fastest at on this cluster."""
    connect()
    return torch.bfloat16 if _gpus(actors, use_gpu=use_gpu) else best_dtype(torch.device("cpu"))


def _gpus(actors: Actors, *, use_gpu: bool) -> float:
    """Return the GPUs of an actor: as asked, else one where it can use it and the cluster has some now."""
    return actors.gpus if actors.gpus is not None else min(1, in_cluster("GPU")) if use_gpu else 0
