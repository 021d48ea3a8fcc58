"""What a person sees of a job: the log lines and the progress of all its processes, shown by the driver.

Ray would print every line of every process, with a prefix, among lines of its own. Here its printing is off: processes
hand their log records and snapshots of their progress to a relay, an actor on the driver's node, which a thread of the
driver asks. The thread shows a step's last snapshot again and again, so that a step that says nothing is seen, too.
"""

from __future__ import annotations

import atexit
import io
import logging
import os
import re
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from itertools import count
from pathlib import Path
from typing import Any

import ray
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy
from tqdm import tqdm

from kdner.on_ray.driver_actors import Relay
from kdner.on_ray.prometheus import PrometheusMetrics
from kdner.progress import Bars, Display, Lines, Progress, Snapshot
from kdner.runs.tensorboard import TensorBoard
from kdner.runs.trackers import Tracker, TrackerName

LOG_FORMAT = "%(asctime)s %(message)s"
ASK_EVERY_S = 0.5
"""Seconds between two questions to the relay, and between two snapshots that a process hands over."""
TURNS_FOR_A_NOTE = 6
"""Every so many of these questions, it is also asked what steps wait for."""
TAKEN_WITHIN_S = 30.0
"""Seconds for which a process waits until the relay has what it hands over; then it goes on without being shown."""
CURSOR_UP = b"\33[A"
ENDED_PROCESS = (
    r"\(raylet\).*(A worker died or was killed while|submit failed\. There are infinite retries|Raylet is terminated\.)"
    r"|^    \[(state-dump\]|\d{4}-.*\(raylet\))"
)
"""What Ray says of a process that ended, without what it worked on; the shard map's processes say that themselves. Of a
node that is gone it also shows 20 lines from within, here the second part, and later says in a line that it is dead."""

logger = logging.getLogger(__name__)


class Console:
    """The driver's side: shows what the relay holds, and the driver's own progress."""

    def __init__(self) -> None:
        self.relay: Any = None
        self._connection: tuple[str, str] | None = None
        self._display: Display | None = None
        self._latest: dict[str, tuple[Snapshot, float]] = {}
        self._notes: dict[object, tuple[str, Callable[[], str]]] = {}
        self._told: dict[str, str] = {}
        self._lock = threading.RLock()

    def start(self) -> None:
        """Start a relay on this node, and the thread that asks it until Ray shuts down."""
        here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
        self.relay = ray.remote(Relay).options(num_cpus=0, scheduling_strategy=here).remote()
        self._connection = _connection()
        self._latest.clear()
        thread = threading.Thread(target=self._ask, args=(self.relay,), name="console", daemon=True)
        thread.start()
        atexit.register(self._stop, thread)

    def forget_lost_relay(self) -> None:
        """Do without the relay where it belongs to a Ray that was shut down, and another one was begun since."""
        if self.relay is not None and self._connection != _connection():
            self.relay = None

    def _stop(self, thread: threading.Thread) -> None:
        """End the thread before Ray ends, since a question to nobody would begin another Ray."""
        self.relay = None
        thread.join()
        with without_lines(ENDED_PROCESS):
            ray.shutdown()  # which says what Ray has held back so far

    def show(self, snapshot: Snapshot) -> None:
        """Show a step's progress."""
        with self._lock:
            if self._display is None:
                self._display = Bars().show if sys.stderr.isatty() else Lines().show
            if snapshot.finished:
                self._latest.pop(snapshot.what, None)
            else:
                self._latest[snapshot.what] = (snapshot, time.monotonic())
            self._display(self._with_note(snapshot))

    def catch_up(self) -> None:
        """Show what other processes have handed to the relay so far; nothing where there is none, or not any more."""
        if self.relay is None or not ray.is_initialized():
            return
        try:
            records, snapshots = ray.get(self.relay.take.remote())
        except ray.exceptions.ActorUnavailableError:
            return  # it may be there again
        except ray.exceptions.RayError:
            self.relay = None  # a job does not fail for want of somebody to show it
            return
        for name, level, message in records:
            logging.getLogger(name).log(level, "%s", message)
        for snapshot in snapshots:
            self.show(snapshot)

    @contextmanager
    def awaiting(self, what: str) -> Iterator[None]:
        """Show a step while a block waits for it: as starting until it says how far it is, and not after the block."""
        starting = Snapshot(what=what, unit="", total=0, done=0, before=0, words=0, numbers={}, seconds=0.0)
        self.show(starting)
        try:
            yield
        finally:
            self.catch_up()
            with self._lock:
                self._latest.pop(what, None)

    @contextmanager
    def noting(self, what: str, note: Callable[[], str]) -> Iterator[None]:
        """Show beside a step's progress what a function says of it, asked every few seconds while a block runs."""
        key = object()  # two jobs of one name may run in threads of one process
        self._notes[key] = what, note
        try:
            yield
        finally:
            with self._lock:
                del self._notes[key]
                self._told.pop(what, None)

    def _ask_for_notes(self) -> None:
        for key, (what, note) in list(self._notes.items()):
            with suppress(ray.exceptions.RayError):
                told = note()
                with self._lock:
                    if key in self._notes:
                        self._told[what] = told

    def _ask(self, relay: Any) -> None:
        for turn in count():
            time.sleep(ASK_EVERY_S)
            if self.relay is not relay or not ray.is_initialized():
                return
            self.catch_up()
            if turn % TURNS_FOR_A_NOTE == 0:
                self._ask_for_notes()
            with self._lock:
                for snapshot, taken_at in list(self._latest.values()):
                    if self._display:
                        seconds = snapshot.seconds + time.monotonic() - taken_at
                        self._display(self._with_note(replace(snapshot, seconds=seconds)))

    def _with_note(self, snapshot: Snapshot) -> Snapshot:
        return replace(snapshot, note=self._told.get(snapshot.what, ""))


def _connection() -> tuple[str, str]:
    """Return what tells this process's connection to a cluster from others that it had."""
    context = ray.get_runtime_context()
    return context.get_node_id(), context.get_job_id()


console = Console()
"""Of this process, where it is a driver."""
_relay: Any = None
"""Of this process, where it works for a driver."""


def _hand_over(answer: Any) -> None:
    """Wait until the relay has what it was sent; during `ray.get` Ray would give this process's cores to others."""
    with suppress(ray.exceptions.RayError, TimeoutError):
        answer.future().result(TAKEN_WITHIN_S)


class _ToRelay(logging.Handler):
    def emit(self, record: logging.LogRecord) -> None:
        _hand_over(_relay.log.remote(record.name, record.levelno, self.format(record)))


class _ToScreen(logging.Handler):
    """Writes to standard error, above bars that may be there."""

    def emit(self, record: logging.LogRecord) -> None:
        tqdm.write(self.format(record), file=sys.stderr)


def set_up_logging(relay: Any = None) -> None:
    """Log progress of kdner line by line, and of the libraries only warnings.

    Args:
        relay: the driver's, in a process that works for one; None in the driver.
    """
    global _relay
    _relay = relay
    root = logging.getLogger()
    if relay is not None:
        root.handlers = [_ToRelay()]
    elif not root.handlers:
        screen = _ToScreen()
        screen.setFormatter(logging.Formatter(LOG_FORMAT, datefmt="%H:%M:%S"))
        root.addHandler(screen)
    root.setLevel(logging.WARNING)  # Ray Train has put it to INFO in its workers
    logging.getLogger("kdner").setLevel(logging.INFO)
    for name in ("ray.data._internal.progress", "ray._private.authentication"):  # says that a token is used, as it must
        logging.getLogger(name).setLevel(logging.ERROR)
    for name in ("ray.data", "ray.train", "datasets"):
        logging.getLogger(name).setLevel(logging.WARNING)


def say(text: str) -> None:
    """Write a line to standard error as it is, without a time."""
    tqdm.write(text, file=sys.stderr)


def stage_progress(
    what: str, unit: str, *, logs: Path | None = None, tracker: TrackerName | None = None, show: bool = True
) -> Progress:
    """Return progress of a step, in the driver or in a process that works for it.

    Args:
        what: the step's name, as it is shown and as Prometheus sees it.
        unit: what it counts, in the singular.
        logs: folder of a training, beneath which to write logs for TensorBoard.
        tracker: the service that also gets its numbers.
        show: whether a person sees it; otherwise only Prometheus and these do.
    """
    watchers: list[Callable[[Progress], None]] = [PrometheusMetrics(what)]
    if logs:
        watchers += [TensorBoard(logs), *([Tracker(tracker, logs)] if tracker else [])]
    display = _nothing if not show else console.show if _relay is None else _Sender(_relay).send
    return Progress(what, unit, display=display, watchers=watchers)


class _Sender:
    """Hands snapshots of one step to the relay: the first, the last, and one now and then between them."""

    def __init__(self, relay: Any) -> None:
        self._relay = relay
        self._sent_at = -ASK_EVERY_S

    def send(self, snapshot: Snapshot) -> None:
        now = time.monotonic()
        if snapshot.finished:
            _hand_over(self._relay.show.remote(snapshot))  # before the step's result is there
        elif now - self._sent_at >= ASK_EVERY_S:
            self._sent_at = now
            self._relay.show.remote(snapshot)


def _nothing(_: Snapshot) -> None:
    pass


class _Sieve:
    """Keeps lines that match a pattern off a stream of this process, also those of native code, while a block runs.

    Blocks may overlap, in several threads: the first one leads the stream through a pipe, the last one leads it back;
    until then the patterns of all of them count. Where the process began without the stream, there is nothing to do.
    """

    def __init__(self, name: str, descriptor: int) -> None:
        self._name, self._descriptor = name, descriptor
        self._blocks = 0
        self._patterns: list[re.Pattern[bytes]] = []
        self._lock = threading.Lock()

    @contextmanager
    def without(self, pattern: re.Pattern[bytes]) -> Iterator[None]:
        if getattr(sys, f"__{self._name}__") is None:
            yield
            return
        with self._lock:
            self._patterns.append(pattern)
            self._blocks += 1
            if self._blocks == 1:
                self._begin()
        try:
            yield
        finally:
            with self._lock:
                self._blocks -= 1
                if self._blocks == 0:
                    self._end()
                    self._patterns.clear()

    def _begin(self) -> None:
        getattr(sys, self._name).flush()
        self._outside = os.dup(self._descriptor)
        reading, writing = os.pipe()
        os.dup2(writing, self._descriptor)
        os.close(writing)
        self._thread = threading.Thread(target=self._pass_on, args=(reading, self._outside), daemon=True)
        self._thread.start()

    def _end(self) -> None:
        getattr(sys, self._name).flush()
        os.dup2(self._outside, self._descriptor)
        self._thread.join(timeout=1)  # children that began meanwhile may hold the pipe open
        if not self._thread.is_alive():
            os.close(self._outside)

    def _pass_on(self, reading: int, outside: int) -> None:
        rest, is_dropped = b"", False
        while block := os.read(reading, 1 << 16):
            *lines, rest = (rest + block).split(b"\n")
            for line in lines:
                found = any(pattern.search(line) for pattern in tuple(self._patterns))
                is_dropped = found or (is_dropped and not line)
                if not is_dropped:
                    _write(outside, line + b"\n")
            if b"\r" in rest or rest.startswith(CURSOR_UP):  # of a bar, which has no end
                _write(outside, rest)
                rest = b""
        _write(outside, rest)
        os.close(reading)


_SIEVES = _Sieve("stdout", 1), _Sieve("stderr", 2)


@contextmanager
def without_lines(*patterns: str) -> Iterator[None]:
    """Keep lines that match a pattern off standard output and error while the block runs, also those of native code.

    For lines of Ray's that say nothing to a user. Everything else is passed on.
    """
    pattern = re.compile("|".join(patterns).encode())
    with ExitStack() as stack:
        for sieve in _SIEVES:
            stack.enter_context(sieve.without(pattern))
        yield


def _write(descriptor: int, content: bytes) -> None:
    with suppress(BrokenPipeError):  # whoever reads it has seen enough, and the job goes on
        os.write(descriptor, content)


class _Unbroken(io.FileIO):
    """A file to which is written whether anybody reads it or not."""

    def write(self, content: Any) -> int:
        try:
            return super().write(content)
        except BrokenPipeError:
            return len(content)


def outlive_readers() -> None:
    """Let this process go on when nobody reads what it prints any more, as after `| head`."""
    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        stream = getattr(sys, name)
        if stream is not None and stream is getattr(sys, f"__{name}__"):
            stream.flush()
            unbroken = io.TextIOWrapper(
                io.BufferedWriter(_Unbroken(descriptor, "w", closefd=False)),
                stream.encoding,
                stream.errors,
                line_buffering=stream.line_buffering or stream.write_through,  # the latter by PYTHONUNBUFFERED
                write_through=stream.write_through,
            )
            setattr(sys, name, unbroken)
