"""Hosts of their own on this machine: each has its name, its address on a network, its mounts and its processes.

Linux namespaces are what makes them; all of them end with the process that began them, however it ends.
"""

from __future__ import annotations

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from two_nodes import QUICK_TO_NOTICE, title, wait_until

RAY_FOLDER = "/mnt"
"""Where each host keeps its own Ray's files: a folder that every Linux has."""
TOOLS = ("ip", "unshare", "nsenter", "mount")
ENVIRONMENT = {
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": secrets.token_hex(32),
    "RAY_TMPDIR": RAY_FOLDER,
    "RAY_USAGE_STATS_ENABLED": "0",
}
SCRIPTS = Path(__file__).parents[1]
OF_A_HOST = ("--net", "--mount", "--uts", "--ipc", "--pid", "--fork", "--mount-proc")


class Host:
    """A host with one network card and 127.0.0.1, which shares its files with the others."""

    def __init__(self, name: str, address: str, names: Path) -> None:
        """Start it.

        Args:
            name: its host name.
            address: that of its network card, which is still to be plugged in.
            names: its /etc/hosts.
        """
        self.name, self.address = name, address
        self._init = _Namespaces(*OF_A_HOST)
        self.call("hostname", name)
        self.call("mount", "--bind", names, "/etc/hosts")
        self.call("mount", "-t", "tmpfs", "ray", RAY_FOLDER)
        self.call("ip", "link", "set", "lo", "up")

    @property
    def pid(self) -> int:
        """The process that the host ends with."""
        return self._init.pid

    def start(self, *command: object, **options: Any) -> subprocess.Popen:
        """Start a command there, with options of a process; it goes on when this handle's process is killed."""
        assert Path(f"/proc/{self.pid}").exists(), f"{self.name} is lost"
        inside = ["nsenter", "--target", str(self.pid), "--all", f"--wd={SCRIPTS}", *map(str, command)]
        env = {**os.environ, **ENVIRONMENT, **options.pop("env", {})}
        return subprocess.Popen(inside, env=env, **options)

    def call(self, *command: object, **options: Any) -> None:
        """Run a command there, which must succeed."""
        with self.start(*command, **options) as process:
            assert process.wait(timeout=120) == 0, command

    def processes(self, named: str) -> list[int]:
        """List its processes with this in their command or title, by the ids that this machine knows them by."""
        own = _namespace(self.pid)
        pids = [int(path.name) for path in Path("/proc").glob("[0-9]*")]
        return [pid for pid in pids if _namespace(pid) == own and named in title(pid)]

    def hide(self, folder: Path) -> None:
        """Let this host see an empty folder in the place of one, as where a mount is gone."""
        self.call("mount", "-t", "tmpfs", "nothing", folder)

    def show(self, folder: Path) -> None:
        """Let it see the folder again."""
        self.call("umount", "--lazy", folder)

    def lose(self) -> None:
        """End all of its processes at once, as where the power is gone."""
        self._init.end()


class Network:
    """A switch, and the hosts that are plugged in; to be used in a `with` statement, which ends them."""

    def __init__(self, folder: Path) -> None:
        """Say in which folder the hosts' common list of names is kept."""
        self._names = folder / "hosts"
        self._names.write_text("127.0.0.1 localhost\n")
        self.hosts: list[Host] = []

    def __enter__(self) -> Network:
        self._switch = _Namespaces("--net")
        self._at_switch("link", "add", "switch", "type", "bridge")
        self._at_switch("link", "set", "switch", "up")
        return self

    def __exit__(self, *failure: object) -> None:
        for host in self.hosts:
            host.lose()
        self._switch.end()

    def add(self, name: str) -> Host:
        """Start a host, with a number behind its name, by which every host knows it."""
        number = len(self.hosts) + 1
        host = Host(f"{name}{number}", f"10.99.0.{number}", self._names)
        self.hosts.append(host)
        with self._names.open("a") as file:
            file.write(f"{host.address} {host.name}\n")
        card = ("peer", "name", "eth0", "netns", host.pid)
        self._at_switch("link", "add", host.name, "type", "veth", *card)
        self._at_switch("link", "set", host.name, "master", "switch", "up")
        host.call("ip", "address", "add", f"{host.address}/24", "dev", "eth0")
        host.call("ip", "link", "set", "eth0", "up")
        return host

    def cut(self, host: Host) -> None:
        """Pull a host's cable."""
        self._at_switch("link", "set", host.name, "down")

    def mend(self, host: Host) -> None:
        """Plug it in again."""
        self._at_switch("link", "set", host.name, "up")

    def _at_switch(self, *command: object) -> None:
        net = ["nsenter", "--target", str(self._switch.pid), "--net", "ip", *map(str, command)]
        subprocess.run(net, check=True)


class TwoHosts:
    """A Ray cluster of a head, where drivers run, and a worker, each with an address of its own."""

    def __init__(self, network: Network, *, quick: bool = False) -> None:
        """Start two hosts, and Ray on them; `quick` gives a host up after 3 silent seconds, as `TwoNodes`."""
        self.network = network
        self.head, self.worker = self.all = network.add("head"), network.add("worker")
        self.address = f"{self.head.address}:6379"
        config = [f"--system-config={json.dumps(QUICK_TO_NOTICE)}"] if quick else []
        ray_start(self.head, "--head", "--port=6379", *config)
        ray_start(self.worker, f"--address={self.address}")

    def start(self, script: str, *flags: object, **options: Any) -> subprocess.Popen:
        """Start a job's script on the head, with options of a process."""
        command = (sys.executable, SCRIPTS / script, *flags)
        return self.head.start(*command, env={"RAY_ADDRESS": self.address}, **options)

    def submit(self, script: str, *flags: object, **options: Any) -> subprocess.Popen:
        """Submit a job's script on the head, with options of the process that submits it."""
        submit = ("ray", "job", "submit", "--address", "http://127.0.0.1:8265", "--")
        nothing = partial(self.head.start, *submit, "true", stdout=subprocess.DEVNULL)
        wait_until(lambda: nothing().wait() == 0, every_s=1)  # then its agent is up
        return self.head.start(*submit, sys.executable, SCRIPTS / script, *flags, **options)

    def run(self, script: str, *flags: object) -> int:
        """Run a job's script on the head to its end; return its exit code."""
        with self.start(script, *flags) as driver:
            return driver.wait(timeout=900)

    def cut(self) -> None:
        """Pull the worker's cable."""
        self.network.cut(self.worker)

    def mend(self) -> None:
        """Plug it in again."""
        self.network.mend(self.worker)


def ray_start(host: Host, *flags: object, **options: Any) -> None:
    """Start Ray's processes on a host, with one core."""
    sizes = ("--num-cpus=1", f"--object-store-memory={100 << 20}")
    host.call("ray", "start", f"--node-ip-address={host.address}", *sizes, *flags, **options)


def need_namespaces() -> None:
    """Skip a test where hosts of their own cannot be made, and say why."""
    if missing := [tool for tool in TOOLS if shutil.which(tool) is None]:
        pytest.skip(f"hosts of their own need {', '.join(missing)}")
    bridge = ("ip", "link", "add", "switch", "type", "bridge")
    made = subprocess.run(["unshare", *OF_A_HOST, *bridge], capture_output=True, text=True)
    if made.returncode:
        pytest.skip(f"hosts of their own need namespaces and bridges, which root may make: {made.stderr.strip()}")


WAIT_FOR_THE_END = """
import signal, sys
signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # orphans that end here vanish, though nobody waits for them
print("ready", flush=True)
sys.stdin.read()
"""


class _Namespaces:
    """Namespaces that last until `end`, or until this process ends, whose output one in them reads."""

    def __init__(self, *kinds: str) -> None:
        waiting = [sys.executable, "-c", WAIT_FOR_THE_END]
        pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self._process = subprocess.Popen(["unshare", "--kill-child", *kinds, *waiting], **pipes)
        assert self._process.stdout.readline() == b"ready\n", "no namespaces"
        children = Path(f"/proc/{self._process.pid}/task/{self._process.pid}/children").read_text().split()
        self.pid = int(children[0]) if children else self._process.pid

    def end(self) -> None:
        """End them and all that runs in them."""
        if self._process.poll() is None:
            os.kill(self.pid, signal.SIGKILL)
        self._process.communicate()


def _namespace(pid: int) -> str:
    try:
        return str(Path(f"/proc/{pid}/ns/pid").readlink())
    except OSError:
        return ""  # it has just ended
