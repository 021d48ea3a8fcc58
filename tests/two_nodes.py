"""A Ray cluster of two nodes on this machine that loses drivers, actors and nodes on demand."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ray.cluster_utils import Cluster

NODE = {"num_cpus": 1, "object_store_memory": 100 << 20, "include_dashboard": False}
QUICK_TO_NOTICE = {"health_check_period_ms": 1000, "health_check_failure_threshold": 3}


class TwoNodes:
    """A head, where drivers run as processes of their own, and another node."""

    def __init__(self, *, head_cpus: int = 1, other: bool = True) -> None:
        """Say how many cores the head has, and whether the other node is there at first."""
        self._head = {**NODE, "num_cpus": head_cpus, "_system_config": QUICK_TO_NOTICE}
        self._other = other

    def __enter__(self) -> TwoNodes:
        self.cluster = Cluster(initialize_head=True, head_node_args=self._head)
        if self._other:
            self.add_node()
        return self

    def __exit__(self, *failure: object) -> None:
        self.cluster.shutdown()

    def start(self, script: str, *flags: object, **options: Any) -> subprocess.Popen:
        """Start a job's script, with options of a process; by default it prints where this process prints."""
        command = [sys.executable, str(Path(__file__).parents[1] / script), *map(str, flags)]
        return subprocess.Popen(command, env={**os.environ, "RAY_ADDRESS": self.cluster.address}, **options)

    def run(self, script: str, *flags: object) -> int:
        """Run a job's script to its end; return its exit code."""
        with self.start(script, *flags) as driver:
            try:
                return driver.wait(timeout=120)
            finally:
                driver.kill()

    def actors(self, *nodes: Any) -> list[int]:
        """List the processes of the pool of the shard map, on these nodes, by default on all."""
        raylets = [node.all_processes["raylet"][0].process.pid for node in nodes or self.cluster.list_all_nodes()]
        workers = [pid for r in raylets for pid in Path(f"/proc/{r}/task/{r}/children").read_text().split()]
        return [int(pid) for pid in workers if "ShardActor" in title(pid)]

    def kill_actor(self, draw: random.Random) -> None:
        """Kill an actor's process, as soon as there is one."""
        wait_until(self.actors)
        os.kill(draw.choice(self.actors()), signal.SIGKILL)

    def lose_node(self) -> None:
        """Kill all of the node that is not the head."""
        self.cluster.remove_node(self.other, allow_graceful=False)

    def add_node(self) -> None:
        """Add the other node, or replace the lost one."""
        self.other = self.cluster.add_node(**NODE)


def wait_until(condition: Callable[[], object], timeout_s: float = 120, *, every_s: float = 0.01) -> None:
    """Look again and again whether a condition holds."""
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(every_s)


def title(pid: str | int) -> str:
    """Return the command line of a process, or what it calls itself."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""  # it has just ended
