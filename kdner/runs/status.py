"""What a run directory says of itself, from outside, also while a job works in it."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any, Literal

import pyarrow.fs as pafs

from kdner.errors import InputError
from kdner.progress import duration
from kdner.runs.lock import LOCK, Holder, read_holder
from kdner.runs.run_directory import FAILED, RunDirectory
from kdner.runs.storage import join, locate, look, without_secrets
from kdner.runs.tries import tries_of

State = Literal["finished", "working", "silent", "failed", "stopped"]
SILENT_S = 60.0
"""Seconds without a sign of life, by this machine's clock, after which a job that cannot be seen is called silent."""
LATELY_S = 600.0
"""Files of so many seconds before the newest one tell the present rate."""


@dataclass(frozen=True, kw_only=True)
class RunStatus:
    """What is known of a run."""

    path: str
    job: str
    """Name of the job, as its manifest says; empty where it says none."""
    state: State
    """`working` where the holder of the lock lives; `silent` where it cannot be seen and gave no sign of life lately;
    `failed` where the last try says why; `stopped` where it was killed or stopped, or has lost files since."""
    files: int
    """Files that the finished directory will hold; 0 of a job that names none."""
    files_there: int
    files_per_minute: float | None
    """Lately; None where there is nothing to tell it by."""
    holder: str
    """The process that works here, or worked here last."""
    last_sign_s: float | None
    """Seconds since its last sign of life."""
    tries: Sequence[dict[str, Any]]
    failure: dict[str, Any] | None
    steps: Sequence[RunStatus]
    """Those of the runs in folders of this one, in the order in which they began."""

    def report(self, indent: str = "") -> str:
        """Lay it out for a console."""
        lines = [f"{self.path}: {self._line()}"]
        if self.failure:
            lines += [f"  {line}" for line in str(self.failure["message"]).splitlines()[:5]]
        lines = [indent + line for line in lines]
        return "\n".join([*lines, *(step.report(indent + "  ") for step in self.steps)])

    def as_json(self) -> dict[str, Any]:
        """Return all of it as JSON values."""
        return asdict(self)

    def _line(self) -> str:
        parts = [f"{self.job}, {self.state}" if self.job else self.state]
        if self.files and self.state != "finished":
            parts.append(f"{self.files_there:,} of {self.files:,} files")
            if self.files_per_minute and self.files_there < self.files:
                left_s = 60 * (self.files - self.files_there) / self.files_per_minute
                parts.append(f"{self.files_per_minute:.3g} a minute lately, {duration(left_s)} left at this rate")
        if self.holder and self.state in ("working", "silent"):
            sign = "" if self.last_sign_s is None else f", last sign of life {duration(self.last_sign_s)} ago"
            parts.append(f"{self.holder}{sign}")
        if len(self.tries) > 1:
            parts.append(f"try {len(self.tries)}")
        if self.failure:
            parts.append(f"{self.failure['error']} on {self.failure['host']} at {self.failure['ended']}")
        return "; ".join(parts)


def run_status(path: str) -> RunStatus:
    """Look at a run directory, and at those in its folders.

    Raises:
        InputError: there is none, or it cannot be read.
    """
    directory = RunDirectory(path)
    if look(directory.path).type != pafs.FileType.Directory:
        raise InputError(f"{directory.path}: no such folder; give a job's --out")
    if not directory.begun and not directory.has(FAILED):
        raise InputError(f"{directory.path}: no run directory: no job has begun to write here; give a job's --out")
    return _status(directory)


def _status(directory: RunDirectory) -> RunStatus:
    manifest = directory.manifest() if directory.begun else {}
    filesystem, inner = locate(directory.path)
    listing = {info.base_name: info for info in filesystem.get_file_info(pafs.FileSelector(inner))}
    files = [name for name in manifest.get("files", []) if name in listing]
    finished = directory.finished and len(files) == len(manifest.get("files", []))
    holder = None if finished else read_holder(directory.path)
    failure = directory.read_json(FAILED) if FAILED in listing else None
    sign = listing[LOCK].mtime_ns if holder and LOCK in listing else None
    silent_s = None if sign is None else max(0.0, time.time() - sign / 1e9)
    folders = (info.base_name for info in listing.values() if info.type == pafs.FileType.Directory)
    steps = [RunDirectory(join(directory.path, name)) for name in sorted(folders) if not name.startswith((".", "_"))]
    return RunStatus(
        path=without_secrets(directory.path),
        job=str(manifest.get("fingerprint", {}).get("job", "")),
        state="finished" if finished else _state(holder, silent_s, failure),
        files=len(manifest.get("files", [])),
        files_there=len(files),
        files_per_minute=_rate([listing[name].mtime_ns or 0 for name in files]),
        holder=str(holder or ""),
        last_sign_s=silent_s,
        tries=directory.summary().get("tries", []) if finished else tries_of(directory),
        failure=None if finished else failure,
        steps=sorted((_status(step) for step in steps if step.begun), key=_began),
    )


def _state(holder: Holder | None, silent_s: float | None, failure: Mapping[str, Any] | None) -> State:
    lives = holder.lives() if holder else False
    if lives or (lives is None and silent_s is not None and silent_s <= SILENT_S):
        return "working"
    if lives is None:
        return "silent"
    return "stopped" if failure is None or failure.get("stopped") else "failed"


def _rate(times_ns: Sequence[int]) -> float | None:
    """Return the files a minute of those written within `LATELY_S` of the newest one."""
    newest = max(times_ns, default=0)
    lately = sorted(time_ns for time_ns in times_ns if newest - time_ns <= LATELY_S * 1e9)
    seconds = (lately[-1] - lately[0]) / 1e9 if len(lately) > 1 else 0.0
    return 60 * (len(lately) - 1) / seconds if seconds > 0 else None


def _began(status: RunStatus) -> str:
    return str(status.tries[0]["began"]) if status.tries else datetime.max.replace(tzinfo=UTC).isoformat()
