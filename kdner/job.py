"""What every job does around its work: flags, logs, the connection to Ray, and the exit code."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

import ray
import tyro
from ray.exceptions import RayTaskError
from ray.train import TrainingFailedError

from kdner.errors import InputError

P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C")

LOG_FORMAT = "%(asctime)s %(message)s"


@dataclass(frozen=True, kw_only=True)
class Actors:
    """The processes that share a corpus."""

    count: int | None = None
    """Actors; by default as many as the cluster's GPUs, or CPUs, hold."""
    cpus: int = 1
    """CPU cores, and threads, of one actor."""
    gpus: float | None = None
    """GPUs of one actor; by default 1 where the job can use one and the cluster has one, else 0."""


def run(config: type[C], job: Callable[[C], object]) -> None:
    """Parse the flags of a script into its config, do the job, and exit.

    The exit code is 0 if all of it was done, 2 if the input was wrong (one line says how to mend it, no traceback), else 1.
    """
    set_up_logging()
    try:
        job(tyro.cli(config))
    except (InputError, RayTaskError, TrainingFailedError) as error:
        cause = input_error(error)
        if cause is None:
            raise
        sys.stderr.write(f"error: {cause}\n")
        sys.exit(2)


def input_error(error: BaseException) -> InputError | None:
    """Return the user's mistake that lies behind an error, also one raised in another process of the cluster."""
    seen: BaseException | None = error
    while seen is not None and not isinstance(seen, InputError):
        inner = getattr(seen, "cause", None) or next(iter(getattr(seen, "worker_failures", {}).values()), None)
        seen = inner or seen.__cause__
    return seen


def set_up_logging() -> None:
    """Log progress of kdner line by line, and of the libraries only warnings."""
    logging.basicConfig(format=LOG_FORMAT, datefmt="%H:%M:%S", level=logging.WARNING)
    logging.getLogger("kdner").setLevel(logging.INFO)
    for name in ("ray.data", "ray.train", "datasets"):
        logging.getLogger(name).setLevel(logging.WARNING)


def on_terminal() -> bool:
    """Tell whether a person watches this process."""
    return sys.stderr.isatty()


def connect() -> None:
    """Join the cluster that this job was submitted to, else start one on this machine, on the loopback interface alone."""
    if ray.is_initialized():
        return
    if os.environ.get("RAY_ADDRESS"):
        ray.init(logging_level=logging.WARNING)
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    ray.init(_node_ip_address="127.0.0.1", include_dashboard=False, logging_level=logging.WARNING)


def on_one_node(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run a function in a fresh process on all cores of a node, and on a GPU where the cluster has one."""
    connect()
    task = ray.remote(_in_fresh_process).options(
        num_cpus=largest_node("CPU"), num_gpus=min(1, largest_node("GPU")), max_calls=1
    )
    return ray.get(task.remote(function, args, kwargs))


def largest_node(resource: str) -> int:
    """Return how many of a resource the best equipped node has."""
    return int(max((node["Resources"].get(resource, 0) for node in ray.nodes() if node["Alive"]), default=0))


def in_cluster(resource: str) -> int:
    """Return how many of a resource the whole cluster has."""
    return int(ray.cluster_resources().get(resource, 0))


def _in_fresh_process(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:  # noqa: ANN401
    set_up_logging()
    return function(*args, **kwargs)
