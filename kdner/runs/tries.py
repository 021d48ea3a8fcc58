"""The tries of a run: a job that is killed, fails or is stopped is started again, perhaps elsewhere.

While a run is unfinished its directory says when each try began, and where; and, where the last one failed, why. The
summary of a finished run keeps the tries.
"""

from __future__ import annotations

import os
import signal
import socket
import traceback
from datetime import UTC, datetime
from typing import Any

from kdner.errors import InputError, without_uri_secrets
from kdner.runs.lock import LOCK
from kdner.runs.provenance import submission_id
from kdner.runs.run_directory import FAILED, MANIFEST, RunDirectory

TRIES = ".tries.json"
STOPPED = "stopped: what is finished stays, and the same command goes on with the rest"
"""What is said where somebody stopped a job."""
_BEFORE_WORK = frozenset([MANIFEST, TRIES, LOCK, ".corpus"])


def begin_try(directory: RunDirectory) -> list[dict[str, Any]]:
    """Note that a try begins; returns all tries so far, this one last.

    Each has `began`, `host`, `pid`, `submission` (Ray's id of the submitted job, or null), and `files_there`, how many
    of the run's files an earlier try had made.
    """
    files = directory.files
    this = {
        "began": _now(),
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "submission": submission_id(),
        "files_there": len(files) - len(directory.pending()),
    }
    tries = [*tries_of(directory), this]
    directory.write_json(TRIES, {"tries": tries})
    directory.delete([FAILED])
    return tries


def tries_of(directory: RunDirectory) -> list[dict[str, Any]]:
    """Return the tries of a run so far; those of one that was finished once, and lost files, stand in its summary."""
    if directory.has(TRIES):
        return list(directory.read_json(TRIES)["tries"])
    return list(directory.summary().get("tries", [])) if directory.has_summary else []


def note_failure(directory: RunDirectory, error: BaseException, tries: list[dict[str, Any]]) -> None:
    """Note why a try ends before its time; a folder that cannot be written to keeps no note.

    Where wrong input was refused before anything was made, the note is all that stays: the next start may have other
    settings.
    """
    stopped_by = signal_of(error)
    untold = stopped_by is not None or isinstance(error, InputError)
    failure = {
        **tries[-1],
        "ended": _now(),
        "error": stopped_by or type(error).__name__,
        "stopped": stopped_by is not None,
        "message": STOPPED if stopped_by else without_uri_secrets(str(error)),
        "traceback": None if untold else without_uri_secrets("".join(_traceback(error))),
        "try": len(tries),
    }
    try:
        if isinstance(error, InputError) and directory.names() <= _BEFORE_WORK:
            directory.delete([MANIFEST, TRIES])
        directory.write_json(FAILED, failure)
    except (InputError, OSError):  # what fails the job may be the storage
        return


def signal_of(error: BaseException) -> str | None:
    """Return the name of the signal by which somebody ended the job, if that is what an exception means.

    Ctrl-C is one; Ray ends a driver that gets SIGTERM by `SystemExit` with its number.
    """
    if isinstance(error, KeyboardInterrupt):
        return signal.SIGINT.name
    is_sigterm = isinstance(error, SystemExit) and error.code == signal.SIGTERM
    return signal.SIGTERM.name if is_sigterm else None


def _traceback(error: BaseException) -> list[str]:
    return traceback.format_exception(type(error), error, error.__traceback__)


def end_tries(directory: RunDirectory) -> None:
    """Delete the notes: the run is done."""
    directory.delete([TRIES, FAILED])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
