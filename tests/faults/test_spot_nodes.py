"""A job on a cluster that grows on demand, of spot nodes that are taken away again and again.

Ray's autoscaler runs with its fake provider, whose nodes are processes of one host.

KDNER_SPOT_MINUTES=10 pytest -m faults tests/faults/test_spot_nodes.py
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from files import contents, put_parquet
from hosts import SCRIPTS, Network, need_namespaces, ray_start
from ray.autoscaler._private.fake_multi_node.node_provider import FAKE_HEAD_NODE_ID
from slow_job import SlowJob, slow_job
from two_nodes import wait_until

MINUTES = float(os.environ.get("KDNER_SPOT_MINUTES", "2"))
LOSS_EVERY_S = 30.0
NODES = 3
"""Spot nodes at most, each with a core."""
pytestmark = [pytest.mark.ray, pytest.mark.faults, pytest.mark.timeout(int(600 + 180 * MINUTES))]

SECONDS = 1.0
"""Time that a shard takes at least."""
SHARDS = int(60 * MINUTES * NODES / SECONDS)
"""As many as all nodes together could do at best, were none of them ever lost."""

NO_COMMANDS = (
    *("cluster_synced_files", "initialization_commands", "setup_commands", "head_setup_commands"),
    *("worker_setup_commands", "head_start_ray_commands", "worker_start_ray_commands"),
)
"""What the autoscaler wants in every configuration of a provider that is not one of its own."""


@pytest.fixture
def host(tmp_path_factory):
    need_namespaces()
    with Network(tmp_path_factory.mktemp("network")) as network:
        yield network.add("head")


@pytest.fixture
def spot(host, tmp_path):
    """A head without cores, and an autoscaler that starts nodes of one core."""
    config = {
        "cluster_name": "spot",
        "max_workers": NODES,
        "idle_timeout_minutes": 1,
        "upscaling_speed": 1,
        "head_node_type": "ray.head.default",
        "auth": {},
        "file_mounts": {},
        **{key: [] for key in NO_COMMANDS},
        "provider": {
            "type": "external",  # what Ray has for "fake_multinode" needs a file that its wheels leave out
            "module": "ray.autoscaler._private.fake_multi_node.node_provider.FakeMultiNodeProvider",
            "head_node_id": FAKE_HEAD_NODE_ID,
            "launch_multiple": True,
            "use_node_id_as_ip": True,
            "disable_node_updaters": True,
            "disable_launch_config_check": True,
            "gcs_address": f"{host.address}:6379",
        },
        "available_node_types": {
            "ray.head.default": {"resources": {"CPU": 0}, "node_config": {}, "max_workers": 0},
            "spot": {
                "resources": {"CPU": 1, "object_store_memory": 100 << 20},
                "node_config": {},
                "max_workers": NODES,
            },
        },
    }
    file = tmp_path / "autoscaling.json"
    file.write_text(json.dumps(config))
    env = {
        "AUTOSCALER_UPDATE_INTERVAL_S": "1",
        "RAY_FAKE_CLUSTER": "1",
        "RAY_enable_autoscaler_v2": "1",
        "RAY_CLOUD_INSTANCE_ID": FAKE_HEAD_NODE_ID,
    }
    ray_start(host, "--head", "--port=6379", "--num-cpus=0", f"--autoscaling-config={file}", env=env)
    return host


def spot_nodes(host):
    """The processes of each spot node, by the id that the provider gave it."""
    nodes = {}
    for pid in host.processes(""):
        try:
            variables = Path(f"/proc/{pid}/environ").read_text().split("\0")
        except OSError:
            continue  # it has just ended
        node = next(
            (v.partition("=")[2] for v in variables if v.startswith("RAY_CLOUD_INSTANCE_ID=")), FAKE_HEAD_NODE_ID
        )
        if node != FAKE_HEAD_NODE_ID:
            nodes.setdefault(node, []).append(pid)
    return nodes


def test_spot_nodes_that_come_and_go_leave_what_steady_ones_leave(cluster, spot, toy_texts, tmp_path, capsys):
    texts = [f"{k} . {toy_texts[k % len(toy_texts)]}" for k in range(SHARDS)]
    corpus = put_parquet(tmp_path / "corpus.parquet", {"id": [f"d{k}" for k in range(SHARDS)], "text": texts})
    steady, out, log = tmp_path / "steady", tmp_path / "out", tmp_path / "attempts.log"
    quickly = SlowJob(corpus=(corpus,), shard_documents=1, seconds=0, log=f"{steady}.log", out=str(steady))
    slow_job(quickly)

    draw, lost, most = random.Random(1), 0, 0
    command = [
        *(sys.executable, SCRIPTS / "tests" / "slow_job.py", "--corpus", corpus, "--shard-documents", 1),
        *("--seconds", SECONDS, "--log", log, "--out", out, "--actors.count", NODES),
    ]
    shown = (tmp_path / "console.log").open("wb")
    with shown, spot.start(*command, env={"RAY_ADDRESS": f"{spot.address}:6379"}, stdout=shown, stderr=shown) as driver:
        wait_until(lambda: driver.poll() is not None or list(out.glob("part-*")))
        ends = time.monotonic() + 60 * MINUTES
        while (now := time.monotonic()) < ends and driver.poll() is None:
            wait_until(lambda: driver.poll() is not None or spot_nodes(spot))
            for _, processes in draw.sample(sorted(spot_nodes(spot).items()), 1):
                for pid in processes:
                    with suppress(ProcessLookupError):  # it ended with another one
                        os.kill(pid, signal.SIGKILL)
                lost += 1
            while time.monotonic() < now + LOSS_EVERY_S and driver.poll() is None:
                most = max(most, len(spot.processes("ShardActor")))
                time.sleep(0.5)
        assert driver.poll() is None, f"ended with exit code {driver.poll()} before all losses"
        assert driver.wait(timeout=600) == 0
    attempts = Counter(log.read_text().split())
    twice = attempts.total() - SHARDS
    with capsys.disabled():
        print(f"\n{lost} nodes lost, at most {most} at work; {twice} of {SHARDS} shards twice ({twice / SHARDS:.1%})")
    assert contents(out) == contents(steady)
    assert len(attempts) == SHARDS and twice <= 2 * lost
    assert most == NODES
