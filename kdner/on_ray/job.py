"""What every job does around its work: flags, the run directory, the summary, and the exit code."""

from __future__ import annotations

import logging
import posixpath
import shutil
import sys
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from signal import Signals
from typing import Any, TypeVar

from ray.exceptions import RayTaskError
from ray.train import TrainingFailedError

from kdner.command import JOBS
from kdner.config_file import parse
from kdner.errors import InputError
from kdner.labeled.remarks import Remarks
from kdner.on_ray.cluster import at_once, resources
from kdner.on_ray.console import outlive_readers, say, set_up_logging
from kdner.runs.lock import hold
from kdner.runs.provenance import git_commit, settings, versions
from kdner.runs.run_directory import SUCCESS, RunDirectory
from kdner.runs.storage import create_folder, join, without_secrets
from kdner.runs.tries import STOPPED, begin_try, end_tries, note_failure, signal_of
from kdner.streams import open_missing_streams

C = TypeVar("C")

logger = logging.getLogger(__name__)


def run_job(config: type[C], job: Callable[[C], object]) -> None:
    """Parse the flags of a script into its config (see `kdner.config_file`), do the job, and exit.

    The exit code is 0 if all of it was done, 2 if the input was wrong (one line says how to mend it, no traceback), 130
    after Ctrl-C, 143 after SIGTERM, else 1.
    """
    open_missing_streams()
    outlive_readers()
    set_up_logging()
    try:
        job(parse(config, sys.argv[1:], _name()))
    except (InputError, RayTaskError, TrainingFailedError) as error:
        cause = input_error(error)
        if cause is None:
            raise
        sys.stderr.write(f"error: {cause}\n")
        sys.exit(2)
    except (KeyboardInterrupt, SystemExit) as end:
        name = signal_of(end)
        if name is None:
            raise
        sys.stderr.write(f"{STOPPED}\n")
        sys.exit(128 + Signals[name])


def _name() -> str:
    """Return what a user has called the script: its path, or `kdner NAME`, which runs that of the package."""
    script = Path(sys.argv[0])
    return f"kdner {script.stem.replace('_', '-')}" if script.parent == JOBS else sys.argv[0]


def once(
    out: str,
    fingerprint: Mapping[str, Any] | Callable[[], Mapping[str, Any]],
    work: Callable[[RunDirectory], dict[str, Any]],
    *,
    stage: str | None = None,
    configuration: object = None,
    remarks: Remarks | None = None,
    scratch: Sequence[str] = (),
    **describe: object,
) -> dict[str, Any]:
    """Do a job's work in its run directory, or nothing if it is finished; returns the summary.

    To what the work returns the summary adds `stage_seconds`, the `tries` that it took and, as `provenance`, the
    configuration, versions, commit, the cluster's resources, and when it ended.

    Args:
        out: the run directory.
        fingerprint: all that changes the result; a directory with another one is refused. A function that returns it is
            called when other jobs are kept out: what takes long is not done where it is for nothing.
        work: does what is still to be done there, and returns the summary.
        stage: what the log calls the job; by default `stage_name` of its directory.
        configuration: of the job, for the summary.
        remarks: of the labeled sets that it reads: listed in the directory, and counted in the summary.
        scratch: folders of the directory that another start goes on from; they are deleted once the run is finished.
        describe: what else the manifest should say, such as `files` and `labels`.

    Raises:
        InputError: if the directory is another run's, or another job works in it.
    """
    if not RunDirectory(out).whole:
        with work_in(out, fingerprint, describe) as directory:
            if not directory.whole:  # else another job came to its end before this one got the lock
                started = time.monotonic()
                with trying(directory) as tries:
                    summary = work(directory)
                seconds = round(time.monotonic() - started, 4)
                if remarks is not None and remarks.found:
                    remarks.write(directory)
                    summary = {**summary, "remarks": remarks.counts}
                summary = {**summary, "stage_seconds": seconds, "tries": tries}
                directory.finish(with_provenance(summary, configuration))
                end_tries(directory)
                for name in scratch:
                    shutil.rmtree(directory.local_path / name, ignore_errors=True)
                return directory.summary()
    directory = RunDirectory.open(out, fingerprint() if callable(fingerprint) else fingerprint, describe)
    name = stage or stage_name(directory.path)
    logger.info("%s: everything is there already, in %s", name, shown_path(directory.path))
    return directory.summary()


@contextmanager
def trying(directory: RunDirectory) -> Iterator[list[dict[str, Any]]]:
    """Note that a try begins, of which all are given, and why it fails if it does; the run is not finished any more."""
    directory.delete([SUCCESS])
    tries = begin_try(directory)
    try:
        yield tries
    except BaseException as error:
        note_failure(directory, input_error(error) or error, tries)
        raise


def stage_name(out: str) -> str:
    """Return what a stage is called in logs and metrics: the name of its folder, such as `teacher-2`."""
    return posixpath.basename(without_secrets(out).rstrip("/"))


@contextmanager
def work_in(
    out: str, fingerprint: Mapping[str, Any] | Callable[[], Mapping[str, Any]], describe: Mapping[str, Any]
) -> Iterator[RunDirectory]:
    """Start a run directory, or resume the one that is there, and keep other jobs out of it until the block ends.

    What a killed job left half written is deleted, but not what a job that cannot be seen may still be writing.

    Args:
        out: the run directory.
        fingerprint: all that changes the result, or a function that returns it; another one is refused.
        describe: what else the manifest should say, such as `files` and `labels`.

    Raises:
        InputError: if the directory is another run's, or another job works in it.
    """
    with hold(out) as unseen:
        asked = fingerprint() if callable(fingerprint) else fingerprint
        directory = replace(RunDirectory.open(out, asked, describe), others_may_write=unseen)
        if not directory.whole:
            directory.clean()
        yield directory


class Stages:
    """The stages of a job that does others' work in a row: a heading for each, and its seconds."""

    def __init__(self, count: int, directory: RunDirectory, steps: Sequence[str]) -> None:
        """Log which steps an earlier start has done.

        Args:
            count: how many stages there are.
            directory: that of the job.
            steps: the folders in it of the jobs whose work it does.
        """
        self.count, self.number = count, 0
        self.seconds: dict[str, float] = {}
        """Seconds of each job that was run, by its name."""
        done = [step for step in steps if RunDirectory(join(directory.path, step)).finished]
        if done:
            listed = ", ".join(done)
            logger.info("%s: %d of %d steps are there: %s", stage_name(directory.path), len(done), len(steps), listed)

    def run(
        self,
        title: str,
        jobs: Mapping[str, tuple[Callable[[Any], dict[str, Any]], Any]],
        reads: Sequence[str],
        *,
        most: int = 1,
    ) -> list[dict[str, Any]]:
        """Do the jobs of the next stage; returns their summaries.

        Args:
            title: what the stage does.
            jobs: a function and its config, which has a field `out`, by the job's name in the summary.
            reads: what they read, for the heading.
            most: jobs at a time.
        """
        self.number += 1
        say(f"\n[{self.number}/{self.count}] {title}")
        for verb, paths in (("reads", reads), ("writes", [config.out for _, config in jobs.values()])):
            listed = textwrap.fill(
                ", ".join(map(shown_path, paths)), 100, break_on_hyphens=False, break_long_words=False
            )
            say(textwrap.indent(listed, " " * 13).replace(" " * 12, f"      {verb:<6}", 1))
        summaries = at_once([partial(function, config) for function, config in jobs.values()], most)
        self.seconds |= {name: summary["stage_seconds"] for name, summary in zip(jobs, summaries, strict=True)}
        return summaries


def shown_path(path: str) -> str:
    """Return a path as people read it: without secrets, and from the current folder on where it lies below it."""
    return without_secrets(path).removeprefix(f"{Path.cwd()}/")


def save_measurements(out: str, measurements: Mapping[str, Any], configuration: object) -> RunDirectory:
    """Write what a job measured, with its provenance, to measurement.json of a folder, which is no run directory."""
    create_folder(out)
    directory = RunDirectory(out)
    directory.write_json("measurement.json", with_provenance(measurements, configuration))
    return directory


def with_provenance(summary: Mapping[str, Any], configuration: object) -> dict[str, Any]:
    """Add to a summary, as `provenance`, where its numbers come from.

    Args:
        summary: the numbers.
        configuration: that of the job, a dataclass; secrets in its URIs are left out.
    """
    provenance = {
        "ended": datetime.now(UTC).isoformat(timespec="seconds"),
        "git_commit": git_commit(),
        "versions": versions(),
        "resources": resources(),
        "configuration": settings(configuration),
    }
    return {**summary, "provenance": provenance}


def input_error(error: BaseException) -> InputError | None:
    """Return the user's mistake that lies behind an error, also one raised in another process of the cluster."""
    seen: BaseException | None = error
    while seen is not None and (isinstance(seen, RayTaskError) or not isinstance(seen, InputError)):
        inner = getattr(seen, "cause", None) or next(iter(getattr(seen, "worker_failures", {}).values()), None)
        seen = inner or seen.__cause__
    return seen
