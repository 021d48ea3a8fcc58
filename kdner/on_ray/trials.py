"""Trials of the low-resource study as Ray tasks that share a cluster by their resources."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import ray
import torch

from kdner.errors import InputError
from kdner.on_ray.cluster import connect, in_cluster
from kdner.on_ray.job import input_error
from kdner.on_ray.logs import on_terminal, set_up_logging, worker_progress
from kdner.runs.json_lines import append_line, read_lines
from kdner.runs.provenance import git_commit, settings, versions
from kdner.study.specs import Study
from kdner.study.trial import Trial

logger = logging.getLogger(__name__)

TRIALS = "trials.jsonl"
WORK = "work"
"""Folder of what trials have done so far."""


def read_trials(path: Path) -> list[dict[str, Any]]:
    """Read the trials of a study, by size and seed; the lines of one trial with several students become one."""
    trials: dict[tuple[int, int], dict[str, Any]] = {}
    for line in read_lines(path):
        own = trials.setdefault((line["size"], line["seed"]), {"students": {}})
        own.update({**line, "students": {**own["students"], **line["students"]}})
    return [trials[key] for key in sorted(trials)]


def run_missing(
    study: Study,
    wanted: Sequence[tuple[int, int]],
    folder: Path,
    *,
    cpus: int,
    gpus: float | None,
    keep: bool,
    describe: Callable[[int, int, Sequence[str]], dict[str, Any]],
) -> None:
    """Run the trials that `TRIALS` does not hold, as many at once as the cluster holds, and append their lines.

    A trial of which only some students are missing is run for these; what it did before is done again where it was not
    kept.

    Args:
        study: what all trials share.
        wanted: size and seed of each.
        folder: of the results; every node sees it. What trials have done so far lies in its folder `WORK`.
        cpus: cores, and threads, of a trial.
        gpus: of a trial; None for 1 where the cluster has one.
        keep: whether to keep the models and logits of finished trials.
        describe: returns the configuration that repeats a trial with these students, for its line.

    Raises:
        InputError: a trial met a user's mistake; the others are run first.
    """
    found_before = {(trial["size"], trial["seed"]): trial["students"] for trial in read_trials(folder / TRIALS)}
    missing = {}
    for trial in wanted:
        students = tuple(name for name in study.students if name not in found_before.get(trial, ()))
        if students or trial not in found_before:
            missing[trial] = replace(study, students=students)
    if len(missing) < len(wanted):
        logger.info("low_resource: %d of %d trials are done already", len(wanted) - len(missing), len(wanted))
    if not missing:
        return
    connect()
    function: Any = _run_trial
    task = ray.remote(function)
    needs = {"num_cpus": cpus, "num_gpus": min(1, in_cluster("GPU")) if gpus is None else gpus}
    running = {}
    for (size, seed), own in missing.items():
        named = task.options(name=f"trial {size}-{seed}", **needs)
        running[named.remote(own, size, seed, folder / WORK, threads=cpus, terminal=on_terminal())] = (size, seed)
    mistakes = []
    while running:
        (finished,), _ = ray.wait(list(running))
        size, seed = running.pop(finished)
        try:
            found = ray.get(finished)
        except ray.exceptions.RayTaskError as error:
            mistake = input_error(error)
            if mistake is None:
                raise
            mistakes.append(f"{size} sentences, seed {seed}: {mistake}")
            continue
        origin = {
            "config": settings(describe(size, seed, missing[size, seed].students)),
            "git_commit": git_commit(),
            "versions": versions(),
        }
        append_line(folder / TRIALS, {**found, **origin})
        if not keep:
            shutil.rmtree(folder / WORK / f"{size}-{seed}")
        if all(seed != other for _, other in running.values()):
            shutil.rmtree(_vectors(folder / WORK, seed), ignore_errors=True)
        scores = {name: row["f1"] for name, row in [*found["teachers"].items(), *found["students"].items()]}
        logger.info(
            "low_resource: %d sentences, seed %d: %s; %d of %d trials left",
            size,
            seed,
            ", ".join(f"{name} {f1:.4f}" for name, f1 in scores.items()),
            len(running),
            len(wanted),
        )
    if mistakes:
        raise InputError(f"{len(mistakes)} trials failed, the first: {mistakes[0]}")


def _run_trial(study: Study, size: int, seed: int, work: Path, *, threads: int, terminal: bool) -> dict[str, Any]:
    set_up_logging()
    torch.set_num_threads(threads)
    trial = Trial(
        study,
        size,
        seed,
        work / f"{size}-{seed}",
        lambda what, unit: worker_progress(f"{what} {size}-{seed}", unit, terminal=terminal),
        vectors=_vectors(work, seed),
    )
    return trial.run()


def _vectors(work: Path, seed: int) -> Path:
    """Return the folder for vectors of frozen encoders; trials of one seed draw the same documents."""
    return work / f"vectors-{seed}"
