"""The Ray cluster: joining it, what its nodes have, and running functions on them."""

from __future__ import annotations

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from typing import Any, ParamSpec, TypeVar

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from kdner.on_ray.console import console, set_up_logging
from kdner.progress import LATER_LINE_EVERY_S, duration

SPIN_COUNT = "10000"
"""How often an idle OpenMP thread looks for work before it sleeps.

Products of 320 x 384 by 384 x 1536 on two threads, beside two other busy processes on two cores: 3.9 times slower than
alone by default, 2.0 times at 1000, 2.5 times at 20000; alone none was slower (one run each; AMD EPYC, torch 2.13).
"""

TRAIN_POLL_S = "0.2"
"""How often Ray Train's controller looks at its workers, which also is how long an epoch's report may wait.

A training of 2 s took 14 to 16 s with this and without a preemption watcher, 19 to 21 s with Ray's default of 2 s.
"""

PROCESSES_AT_ONCE = "8"
"""How many processes may start at the same time on a machine of one job's own. Ray warns where there are four times as
many in all, and takes the number of cores by default: two trainings side by side on two cores are more."""

P = ParamSpec("P")
R = TypeVar("R")

logger = logging.getLogger(__name__)


def connect() -> None:
    """Join the cluster that RAY_ADDRESS names, as in a submitted job, else start one on this machine.

    Ray 2.60 lets only processes with this user's token into a cluster that it starts; its dashboard is on loopback.
    What its processes print stays in its own logs, unless RAY_LOG_TO_DRIVER=1 asks for it; `kdner.on_ray.console` shows
    what is kdner's.
    """
    if ray.is_initialized():
        console.forget_lost_relay()
        return
    os.environ.setdefault("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", TRAIN_POLL_S)
    os.environ["RAY_ENABLE_AUTO_CONNECT"] = "0"  # nothing but this function begins a Ray
    options: dict[str, Any] = {"logging_level": logging.WARNING}
    options["log_to_driver"] = os.environ.get("RAY_LOG_TO_DRIVER") == "1"
    if not os.environ.get("RAY_ADDRESS"):
        os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
        os.environ.setdefault("RAY_TRAIN_ENABLE_PREEMPTION_WATCHER", "0")  # nobody preempts this machine
        os.environ.setdefault("GOMP_SPINCOUNT", SPIN_COUNT)
        os.environ.setdefault("RAY_worker_maximum_startup_concurrency", PROCESSES_AT_ONCE)
        options |= {"address": "local", "include_dashboard": True, "dashboard_host": "127.0.0.1"}
    ray.init(**options)
    console.start()


def on_one_node(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run a function in another process on all cores of a node, and on a GPU where the cluster has one.

    Functions that `at_once` has begun share the cores of a node, each with as many threads as there are cores: while
    one waits, the others have them.
    """
    connect()
    needs = _whole_node()
    threads, needs["num_cpus"] = int(needs["num_cpus"]), max(1, needs["num_cpus"] // _sharing.functions)
    task: Any = ray.remote(_in_process)
    named = task.options(name=_stage(function), **needs)
    try:
        return ray.get(named.remote(console.relay, threads, function, args, kwargs))
    finally:
        console.catch_up()


def in_fresh_process(function: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> R:
    """Run a function as `on_one_node` does, in a process that has done nothing before and ends after it."""
    connect()
    process: Any = ray.remote(_FreshProcess)
    needs = _whole_node()
    actor = process.options(**needs).remote()
    name = _stage(function)
    try:
        return ray.get(
            actor.run.options(name=name).remote(console.relay, int(needs["num_cpus"]), function, args, kwargs)
        )
    finally:
        ray.kill(actor)
        console.catch_up()


class _Sharing(threading.local):
    functions = 1
    """How many functions were begun together with that of this thread."""


_sharing = _Sharing()


def at_once(functions: Sequence[Callable[[], R]], most: int) -> list[R]:
    """Call functions that wait for work of the cluster: several at a time each in a thread of its own, one in this one.

    Args:
        functions: what to call.
        most: how many at a time.

    Returns:
        what they return, in their order. If one raises an error, so does this, once those that have begun have ended.
    """
    most = min(most, len(functions))
    if most == 1:
        return [function() for function in functions]
    connect()  # not in a thread, where Ray could not handle signals
    results: dict[int, R] = {}
    errors: dict[int, BaseException] = {}
    waiting = iter(enumerate(functions))
    lock = threading.Lock()

    def work() -> None:
        _sharing.functions = most
        while not errors:
            with lock:
                number, function = next(waiting, (-1, None))
            if function is None:
                return
            try:
                results[number] = function()
            except BaseException as error:
                errors[number] = error

    threads = [threading.Thread(target=work, daemon=True) for _ in range(most)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()  # Ctrl-C ends this, and the process its threads
    if errors:
        raise errors[min(errors)]
    return [results[number] for number in range(len(functions))]


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
        self._members = [options.remote(console.relay, build, args, kwargs) for _ in range(count)]

    def ask(self, method: str, *args: Any) -> list[Any]:
        """Call a method of each object; returns what they return."""
        return ray.get([member.ask.remote(method, args) for member in self._members])

    def __enter__(self) -> Crew:
        return self

    def __exit__(self, *_: object) -> None:
        for member in self._members:
            ray.kill(member)


class _Member:
    def __init__(self, relay: Any, build: Callable[..., object], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        set_up_logging(relay)
        self.object = build(*args, **kwargs)

    def ask(self, method: str, args: tuple[Any, ...]) -> Any:
        return getattr(self.object, method)(*args)


def await_cores() -> None:
    """Wait until a node with a CPU core has joined the cluster; one that grows on demand starts it for this."""
    if largest_node("CPU"):
        return
    logger.info("waiting for a node with CPUs to join the cluster")
    task: Any = ray.remote(_nothing)
    began, on_core = time.monotonic(), task.options(name="await_cores", num_cpus=1).remote()
    while not ray.wait([on_core], timeout=LATER_LINE_EVERY_S)[0]:
        logger.info("waiting for a node with CPUs, %s so far", duration(time.monotonic() - began))
    ray.get(on_core)


def _nothing() -> None:
    pass


def largest_node(resource: str) -> int:
    """Return how many of a resource the best equipped node has."""
    return int(max((node["Resources"].get(resource, 0) for node in ray.nodes() if node["Alive"]), default=0))


def in_cluster(resource: str) -> int:
    """Return how many of a resource the whole cluster has."""
    return int(ray.cluster_resources().get(resource, 0))


def resources() -> dict[str, float]:
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
    def run(self, *arguments: Any) -> Any:
        return _in_process(*arguments)


def _in_process(
    relay: Any, threads: int, function: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
) -> Any:
    """Call a function in a process of the cluster, where the driver shows its progress."""
    import torch  # here, so that processes that compute nothing, and the driver, do not wait for it

    set_up_logging(relay)
    torch.set_num_threads(threads)
    return function(*args, **kwargs)
