"""The lock of a run directory: one job at a time, and the next one takes over from a job that died.

The lock is the file ``.lock``, JSON that says which process holds it; its time of change is the holder's last sign of
life. Correctness does not depend on it, since files appear whole and equal jobs make equal files. It saves the work
that two jobs would do twice, and keeps one from deleting what the other is still writing.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from datetime import datetime
from pathlib import Path

import pyarrow.fs as pafs

from kdner.errors import InputError
from kdner.runs.provenance import submission_id
from kdner.runs.storage import commit, create_folder, join, locate, look, without_secrets

LOCK = ".lock"
BEAT_S = 10.0
"""Seconds between two signs of life of a holder."""
DEAD_AFTER_S = 60.0
"""Seconds for which a holder whose process cannot be seen is watched; if it gives no sign of life it counts as dead."""
WATCH_S = 0.5
"""Seconds between two looks at the lock of a holder that cannot be seen."""
SETTLE_S = 1.0
"""Seconds for jobs that start at once on an object store to have all written, before they look who was last."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """The process that holds a lock."""

    token: str
    """Random, 16 hexadecimal digits: tells one holding from any other."""
    host: str
    kernel: str
    """Boot and process namespace (a container has its own) in which `pid` counts; empty where the system has none."""
    pid: int
    started: int | None
    """When the process began, in clock ticks after boot; None where the system does not say."""
    since: str
    """When the lock was taken, for people."""
    submission: str | None = None
    """Ray's id of the submitted job, if it is one."""

    @classmethod
    def this_process(cls) -> Holder:
        """Describe this process as a new holder."""
        stat = _stat(os.getpid())
        return cls(
            token=secrets.token_hex(8),
            host=socket.gethostname(),
            kernel=_kernel(),
            pid=os.getpid(),
            started=stat[1] if stat else None,
            since=datetime.now().astimezone().isoformat(" ", "seconds"),
            submission=submission_id(),
        )

    def __str__(self) -> str:
        submission = f"submission {self.submission}, " if self.submission else ""
        return f"{submission}process {self.pid} on {self.host}"

    def lives(self) -> bool | None:
        """Tell whether the process runs; None where that cannot be seen from here, as on another machine."""
        if (self.host, self.kernel) != (socket.gethostname(), _kernel()):
            return None
        if stat := _stat(self.pid):
            state, started = stat
            return started == self.started and state not in "ZX"
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            return False
        except PermissionError:
            pass  # it is another user's
        return None


@contextmanager
def hold(path: str) -> Iterator[bool]:
    """Keep other jobs out of a run directory, created if need be, until the block ends.

    A holder on this machine is dead, and taken over from at once, when its process is gone. Any other is watched for
    `DEAD_AFTER_S` by the steady clock of this process: it lives if it gives a sign of life, which it does every
    `BEAT_S`. No two machines' clocks are compared. A job that is cut off from its storage for so long loses its lock:
    it logs a warning and goes on, and both do the same work.

    Of jobs that start at once, exactly one wins on a local file system. An object store cannot create a file only where
    there is none: there a job that stops for `SETTLE_S` between looking and writing may win beside another.

    Yields:
        whether it was taken over from a holder that could not be seen, and so may still write.

    Raises:
        InputError: if a living job holds the lock, or the directory cannot be written to.
    """
    create_folder(path)
    holder = Holder.this_process()
    unseen = _take(path, holder)
    ended = threading.Event()
    heart = threading.Thread(target=_beat, args=(path, holder, ended), name="lock", daemon=True)
    heart.start()
    try:
        yield unseen
    finally:
        ended.set()
        heart.join()
        _release(path, holder)


def _take(path: str, holder: Holder) -> bool:
    unseen = False
    while (current := read_holder(path)) != holder:
        if current:
            unseen = _outlive(path, current) or unseen
            _bury(path, current)
        _put(path, holder)
    return unseen


def _outlive(path: str, current: Holder) -> bool:
    """Return once a holder is dead or gone; one that cannot be seen from here is watched until it gives a sign of life.

    Returns:
        whether it counts as dead only because it gave none.

    Raises:
        InputError: it lives.
    """
    began, seen = time.monotonic(), None
    while (sign := look(join(path, LOCK)).mtime_ns) is not None:
        lives = current.lives()
        if lives is False:
            return False
        if lives is None and time.monotonic() - began > DEAD_AFTER_S:
            return True
        if lives or seen not in (None, sign):
            raise InputError(
                f"{path}: another job works here: {current}, since {current.since}. Wait until it ends, or stop it, "
                "then run the same command again."
            )
        if seen is None:
            logger.info(
                "%s: waiting whether %s still works here: it is taken over from if it gives no sign of life for %.0f s",
                without_secrets(path),
                current,
                DEAD_AFTER_S,
            )
        seen = sign
        time.sleep(WATCH_S)
    return False


def _bury(path: str, dead: Holder) -> None:
    """Delete a dead holder's lock, but none that a quicker job has put in its place."""
    filesystem, inner = locate(join(path, LOCK))
    if not isinstance(filesystem, pafs.LocalFileSystem):
        return
    with suppress(FileNotFoundError), Path(inner).open("rb") as file:
        with suppress(OSError):  # some network file systems have no such locks
            fcntl.flock(file, fcntl.LOCK_EX)
        if read_holder(path) == dead and os.path.samestat(os.fstat(file.fileno()), Path(inner).stat()):
            Path(inner).unlink()


def _put(path: str, holder: Holder) -> None:
    """Write a lock where there is none; who reads it back afterwards has won."""
    lock = join(path, LOCK)
    filesystem, inner = locate(lock)
    if isinstance(filesystem, pafs.LocalFileSystem):
        whole = f"{inner}.tmp-{holder.token}"
        try:
            _write(whole, holder)
        except InputError as error:
            if isinstance(error.__cause__, FileNotFoundError) and Path(inner).parent.is_dir():
                return  # a quicker job has cleaned up, this file too
            raise
        try:
            os.link(whole, inner)
            return
        except (FileExistsError, FileNotFoundError):  # another job was quicker, and may have cleaned up already
            return
        except OSError:
            pass  # a file system without hard links
        finally:
            Path(whole).unlink(missing_ok=True)
    _write(lock, holder)
    time.sleep(SETTLE_S)


def _beat(path: str, holder: Holder, ended: threading.Event) -> None:
    shown = without_secrets(path)
    filesystem, inner = locate(join(path, LOCK))
    while not ended.wait(BEAT_S):
        try:
            if read_holder(path) != holder:
                logger.warning("%s: the lock is gone or another job's; both go on, with the same result", shown)
                return
            if isinstance(filesystem, pafs.LocalFileSystem):
                os.utime(inner)
            else:
                _write(join(path, LOCK), holder)
        except (OSError, InputError) as error:
            logger.warning("%s: no sign of life could be given (%s)", shown, error)


def _release(path: str, holder: Holder) -> None:
    filesystem, inner = locate(join(path, LOCK))
    try:
        if read_holder(path) == holder:
            filesystem.delete_file(inner)
    except (OSError, InputError) as error:
        logger.warning("%s: %s could not be deleted (%s); delete it", without_secrets(path), LOCK, error)


def read_holder(path: str) -> Holder | None:
    """Return who holds the lock of a run directory; None where nobody does.

    Raises:
        InputError: it cannot be read.
    """
    lock = join(path, LOCK)
    filesystem, inner = locate(lock)
    try:
        with filesystem.open_input_file(inner) as file:
            return Holder(**json.loads(file.read()))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, TypeError) as error:
        raise InputError(f"{lock}: cannot be read ({error}); delete it if no job works here") from error


def _write(lock: str, holder: Holder) -> None:
    with commit(lock) as file:
        file.write(json.dumps(asdict(holder), indent=2).encode() + b"\n")


def _kernel() -> str:
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        return f"{boot} {Path('/proc/self/ns/pid').readlink()}"
    except OSError:
        return ""


def _stat(pid: int) -> tuple[str, int] | None:
    """Give a process's state (Z, X: it has ended) and its start in clock ticks after boot, where they can be seen."""
    try:
        state, *fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return None
    return state, int(fields[18])
