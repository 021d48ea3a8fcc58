"""What every job does around its work: flags, the run directory, the summary, and the exit code."""

from __future__ import annotations

import logging
import sys
import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Any, TypeVar

import tyro
from ray.exceptions import RayTaskError
from ray.train import TrainingFailedError

from kdner.errors import InputError
from kdner.on_ray.cluster import resources
from kdner.on_ray.logs import set_up_logging
from kdner.runs.lock import hold
from kdner.runs.provenance import git_commit, settings, versions
from kdner.runs.run_directory import RunDirectory
from kdner.runs.storage import without_secrets

C = TypeVar("C")

logger = logging.getLogger(__name__)


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
        "resources": resources(),
        "configuration": settings(configuration),
    }


def input_error(error: BaseException) -> InputError | None:
    """Return the user's mistake that lies behind an error, also one raised in another process of the cluster."""
    seen: BaseException | None = error
    while seen is not None and (isinstance(seen, RayTaskError) or not isinstance(seen, InputError)):
        inner = getattr(seen, "cause", None) or next(iter(getattr(seen, "worker_failures", {}).values()), None)
        seen = inner or seen.__cause__
    return seen
