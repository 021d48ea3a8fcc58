"""What every job does around its work: flags, logs, the connection to Ray, and the exit code."""

from __future__ import annotations

import logging
import os
import sys
import time
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any, ParamSpec, TypeVar

import ray
import tyro
from ray.exceptions import RayTaskError
from ray.experimental import tqdm_ray
from ray.train import TrainingFailedError
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from kdner.errors import InputError
from kdner.lock import hold
from kdner.metrics import Metrics
from kdner.progress import Progress
from kdner.provenance import git_commit, settings, versions
from kdner.rundir import RunDirectory
from kdner.storage import without_secrets
from kdner.tensorboard import TensorBoard

SPIN_COUNT = "10000"
"""How often an idle OpenMP thread looks for work before it sleeps.

Products of 320 x 384 by 384 x 1536 on two threads, beside two other busy processes on two cores: 3.9 times slower than
alone by default, 2.0 times at 1000, 2.5 times at 20000; alone none was slower (one run each; AMD EPYC, torch 2.13).
"""

TRAIN_POLL_S = "0.2"
"""How often Ray Train's controller looks at its workers, which also is how long an epoch's report may wait.

A training of 2 s took 14 to 16 s with this and without a preemption watcher, 19 to 21 s with Ray's default of 2 s.
"""

P = ParamSpec("P")
R = TypeVar("R")
C = TypeVar("C")

logger = logging.getLogger(__name__)

LOG_FORMAT = "%(asctime)s %(message)s"


def run(config: type[C], job: Callable[[C], object]) -> None:
    """Parse the flags of a script into its config, do the job, and exit.

    The exit code is 0 if all of it was done, 2 if the input was wrong (one line says how to mend it, no traceback),
    else 1.
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


def once(
    out: str,
    fingerprint: dict[str, Any],
    work: Callable[[RunDirectory], dict[str, Any]],
    *,
    configuration: object = None,
    **describe: object,
) -> dict[str, Any]:
    """Do a job's work in its run directory, or nothing if it is finished; returns the summary.

    To what the work returns the summary adds `stage_seconds` and, as `provenance`, the configuration, versions, commit,
    the cluster's resources, and when it ended.

    Args:
        out: the run directory.
        fingerprint: all that changes the result; a directory with another one is refused.
        work: does what is still to be done there, and returns the summary.
        configuration: of the job, for the summary.
        describe: what else the manifest should say, such as `files` and `labels`.

    Raises:
        InputError: if the directory is another run's, or another job works in it.
    """
    if not RunDirectory(out).finished:
        with hold(out):
            directory = RunDirectory.open(out, fingerprint, describe)
            if not directory.finished:  # else another job came to its end before this one got the lock
                directory.clean()
                started = time.monotonic()
                summary = work(directory)
                seconds = round(time.monotonic() - started, 4)
                directory.finish({**summary, "stage_seconds": seconds, "provenance": provenance(configuration)})
                return directory.summary()
    directory = RunDirectory.open(out, fingerprint, describe)
    logger.info("%s: finished before, nothing to do", without_secrets(directory.path))
    return directory.summary()


def provenance(configuration: object) -> dict[str, Any]:
    """Return where a result comes from, for its summary.

    Args:
        configuration: of the job, a dataclass; secrets in its URIs are left out.
    """
    return {
        "ended": datetime.now(timezone.utc).isoformat(timespec="seconds"),
        "git_commit": git_commit(),
        "versions": versions(),
        "resources": _resources(),
        "configuration": settings(configuration),
    }


def input_error(error: BaseException) -> InputError | None:
    """Return the user's mistake that lies behind an error, also one raised in another process of the cluster."""
    seen: BaseException | None = error
    while seen is not None and (isinstance(seen, RayTaskError) or not isinstance(seen, InputError)):
        inner = getattr(seen, "cause", None) or next(iter(getattr(seen, "worker_failures", {}).values()), None)
        seen = inner or seen.__cause__
    return seen


def set_up_logging() -> None:
    """Log progress of kdner line by line, and of the libraries only warnings."""
    logging.basicConfig(format=LOG_FORMAT, datefmt="%H:%M:%S")
    logging.getLogger().setLevel(logging.WARNING)  # Ray Train has put it to INFO in its workers
    logging.getLogger("kdner").setLevel(logging.INFO)
    logging.getLogger("ray.data._internal.progress").setLevel(logging.ERROR)
    for name in ("ray.data", "ray.train", "datasets"):
        logging.getLogger(name).setLevel(logging.WARNING)


def on_terminal() -> bool:
    """Tell whether a person watches this process."""
    return sys.stderr.isatty()


def worker_progress(what: str, unit: str, *, terminal: bool, tensorboard: Path | None = None) -> Progress:
    """Return progress of a stage for a process of the cluster.

    Args:
        what: the stage.
        unit: what it counts.
        terminal: the driver's `on_terminal`, where its bar appears.
        tensorboard: folder beneath which to write logs for TensorBoard.
    """
    watchers: list[Callable[[Progress], None]] = [Metrics(what)]
    if tensorboard:
        watchers.append(TensorBoard(tensorboard))
    return Progress(what, unit, terminal=terminal, bar=tqdm_ray.tqdm, watchers=watchers)


def connect() -> None:
    """Join the cluster that RAY_ADDRESS names, as in a submitted job, else start one on this machine.

    Ray 2.60 lets only processes with this user's token into a cluster that it starts; its dashboard is on loopback.
    """
    if ray.is_initialized():
        return
    os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", TRAIN_POLL_S)
    if os.environ.get("RAY_ADDRESS"):
        ray.init(logging_level=logging.WARNING)
        return
    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
    os.environ.setdefault("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", "0")  # nobody preempts this machine
    os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)
    ray.init(address="local", include_dashboard=True, dashboard_host="127.0.0.1", logging_level=logging.WARNING)


def on_one_node(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run a function in another process on all cores of a node, and on a GPU where the cluster has one."""
    connect()
    task: Any = ray.remote(_with_logging)
    return ray.get(task.options(name=_stage(function), **_whole_node()).remote(function, args, kwargs))


def in_fresh_process(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run a function as `on_one_node` does, in a process that has done nothing before and ends after it."""
    connect()
    process: Any = ray.remote(_FreshProcess)
    actor = process.options(**_whole_node()).remote()
    try:
        return ray.get(actor.run.options(name=_stage(function)).remote(function, args, kwargs))
    finally:
        ray.kill(actor)


class Crew:
    """The same object in several processes of the best equipped node, which are asked all at once.

    They reserve nothing, so that several crews can wait while one is measured. To be used in a `with` statement, which
    ends them.
    """

    def __init__(self, count: int, build: Callable[..., object], *args: Any, **kwargs: Any) -> None:
        connect()
        process: Any = ray.remote(_Member)
        here = NodeAffinitySchedulingStrategy(_best_node()["NodeID"], soft=False)
        options = process.options(num_cpus=0, scheduling_strategy=here)
        self._members = [options.remote(build, args, kwargs) for _ in range(count)]

    def ask(self, method: str, *args: Any) -> list[Any]:
        """Call a method of each object; returns what they return."""
        return ray.get([member.ask.remote(method, args) for member in self._members])

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        for member in self._members:
            ray.kill(member)


class _Member:
    def __init__(self, build: Callable[..., object], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        set_up_logging()
        self.object = build(*args, **kwargs)

    def ask(self, method: str, args: tuple[Any, ...]) -> Any:
        return getattr(self.object, method)(*args)


def await_cores() -> None:
    """Wait until a node with a CPU core has joined the cluster; one that grows on demand starts it for this."""
    if largest_node("CPU"):
        return
    logger.info("waiting for a node with CPUs to join the cluster")
    task: Any = ray.remote(_nothing)
    ray.get(task.options(name="await_cores", num_cpus=1).remote())


def _nothing() -> None:
    pass


def largest_node(resource: str) -> int:
    """Return how many of a resource the best equipped node has."""
    return int(max((node["Resources"].get(resource, 0) for node in ray.nodes() if node["Alive"]), default=0))


def in_cluster(resource: str) -> int:
    """Return how many of a resource the whole cluster has."""
    return int(ray.cluster_resources().get(resource, 0))


def _resources() -> dict[str, float]:
    """Return what the cluster has in all: CPUs, GPUs, memory in bytes, kinds of accelerators, and live nodes."""
    if not ray.is_initialized():
        return {}
    whole = {name: amount for name, amount in ray.cluster_resources().items() if not name.startswith("node:")}
    return {**whole, "nodes": sum(node["Alive"] for node in ray.nodes())}


def _whole_node() -> dict[str, float]:
    """Return what the best equipped node has: its cores, and one GPU if it has any."""
    await_cores()
    best = _best_node()["Resources"]
    return {"num_cpus": best.get("CPU", 0), "num_gpus": min(1, best.get("GPU", 0))}


def _best_node() -> dict[str, Any]:
    def size(node: dict[str, Any]) -> tuple[float, float]:
        return min(1, node["Resources"].get("GPU", 0)), node["Resources"].get("CPU", 0)

    return max((node for node in ray.nodes() if node["Alive"]), key=size)


def _stage(function: Callable[..., Any]) -> str:
    """Return a function's name for Ray's dashboard."""
    return function.__name__.strip("_")


class _FreshProcess:
    def run(self, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return _with_logging(function, args, kwargs)


def _with_logging(function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    set_up_logging()
    return function(*args, **kwargs)
