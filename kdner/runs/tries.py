"""The tries of a run: a job that is killed, fails or is stopped is started again, perhaps elsewhere.

While a run is unfinished its directory says when each try began, and where; and, where the last one failed, why. The
summary of a finished run keeps the tries.
"""

from __future__ import annotations

import os
import socket
import traceback
from datetime import UTC, datetime
from typing import Any

from kdner.errors import InputError, without_uri_secrets
from kdner.runs.lock import LOCK
from kdner.runs.provenance import submission_id
from kdner.runs.run_directory import FAILED, MANIFEST, RunDirectory

TRIES = ".tries.json"
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
    """Return the tries of an unfinished run so far."""
    return list(directory.read_json(TRIES)["tries"]) if directory.has(TRIES) else []


def note_failure(directory: RunDirectory, error: BaseException, tries: list[dict[str, Any]]) -> None:
    """Note why a try ends before its time; a folder that cannot be written to keeps no note.

    Where wrong input was refused before anything was made, the note is all that stays: the next start may have other
    settings.
    """
    failure = {
        **tries[-1],
        "ended": _now(),
        "error": type(error).__name__,
        "message": without_uri_secrets(str(error)),
        "traceback": None if isinstance(error, InputError) else without_uri_secrets("".join(_traceback(error))),
        "try": len(tries),
    }
    try:
        if isinstance(error, InputError) and directory.names() <= _BEFORE_WORK:
            directory.delete([MANIFEST, TRIES])
        directory.write_json(FAILED, failure)
    except (InputError, OSError):  # what fails the job may be the storage
        return


def _traceback(error: BaseException) -> list[str]:
    return traceback.format_exception(type(error), error, error.__traceback__)


def end_tries(directory: RunDirectory) -> None:
    """Delete the notes: the run is done."""
    directory.delete([TRIES, FAILED])


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
