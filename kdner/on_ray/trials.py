"""Trials of the low-resource study as Ray tasks that share a cluster by their resources, and what comes of them."""

from __future__ import annotations

import logging
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import ray
import torch

from kdner.errors import InputError
from kdner.labeled.sets import source_fingerprint
from kdner.measuring.figures import has_figures
from kdner.on_ray.cluster import connect, in_cluster
from kdner.on_ray.console import console, set_up_logging, stage_progress
from kdner.on_ray.job import input_error, shown_path
from kdner.runs.json_lines import append_line, read_lines
from kdner.runs.provenance import git_commit, settings, versions
from kdner.runs.run_directory import RunDirectory
from kdner.study.figure import study_figure
from kdner.study.specs import Study
from kdner.study.table import study_table
from kdner.study.trial import Trial
from kdner.text.words import splitter_fingerprint

logger = logging.getLogger(__name__)

TRIALS, TABLE, FIGURE = "trials.jsonl", "table.md", "low_resource.png"
WORK = "work"
"""Folder of what trials have done so far."""

BY_WORDS = ("known_words", "unknown_words")
TrialKey = tuple[int, int]
"""Size and seed of a trial."""


@dataclass(frozen=True, kw_only=True)
class Trials:
    """Which trials a study has, and what each may use: flags of low_resource."""

    sizes: tuple[int, ...] = (150, 300, 750, 1500, 3000)
    """Sentences of the labeled sets."""
    seeds: int = 20
    """Trials of each size, with seeds counted from --first-seed."""
    first_seed: int = 1
    """Seed of the first trial of each size."""
    students: tuple[str, ...] = ("labeled", "pseudo-labels", "distillation", "both")
    """Students: SETTING[,key=value ...], where SETTING is labeled, pseudo-labels, distillation or both."""
    pseudo_sizes: tuple[int, ...] = ()
    """Each student with a transfer set also learns from so many of its sentences."""
    reference: str | None = None
    """The teacher or student that the table compares students with, or `mean of the teachers`; by default the first
    teacher."""
    cpus: int = 1
    """CPU cores, and threads, of a trial."""
    gpus: float | None = None
    """GPUs of a trial; by default 1 where the cluster has one, else 0. With 0.125 eight trials use one
    GPU side by side, as one alone does not fill it."""
    keep: bool = False
    """Keep the models and logits of each trial, in a folder `work`."""

    def keys(self) -> list[TrialKey]:
        """List the trials, seed by seed."""
        seeds = range(self.first_seed, self.first_seed + self.seeds)
        return [(size, seed) for seed in seeds for size in self.sizes]

    def all_students(self) -> tuple[str, ...]:
        """List the students, with those of --pseudo-sizes."""
        learners = [name for name in self.students if name.split(",")[0] != "labeled"]
        sized = (f"{name},transfer_sentences={size}" for size in self.pseudo_sizes for name in learners)
        return (*self.students, *sized)

    def alone(self, key: TrialKey, students: Sequence[str]) -> Trials:
        """Return the configuration that repeats one trial with these students; of the whole job, if this is it."""
        size, seed = key
        return replace(
            self,
            sizes=(size,),
            first_seed=seed,
            seeds=1,
            students=tuple(students),
            pseudo_sizes=(),
            reference=None,
        )


def study_fingerprint(study: Study, teachers: Mapping[str, Any]) -> dict[str, Any]:
    """Return all that changes the trials of a study; `teachers` are their identities by name."""
    return {
        "job": "low_resource",
        "labeled": source_fingerprint(study.labeled, study.layout),
        "test": source_fingerprint(study.test, study.layout),
        "corpus": study.corpus.content_fingerprint() if study.corpus else None,
        "transfer_words": study.transfer_words,
        "teachers": teachers,
        "order_of_teachers": list(teachers),
        "development_share": study.development_share,
        **{name: asdict(getattr(study, name)) for name in ("fine_tuning", "student", "distillation")},
        **splitter_fingerprint(study.layout.language, hard_wrapped=study.hard_wrapped),
    }


def write_results(directory: RunDirectory, reference: str | None) -> dict[str, Any]:
    """Write the table of all finished trials, and the figure where it can be drawn; returns the summary."""
    trials = read_trials(directory.local_path / TRIALS)
    directory.write_bytes(TABLE, (study_table(trials, reference) + "\n").encode())
    if has_figures():
        directory.write_bytes(FIGURE, study_figure(trials))
    return {"trials": len(trials), "seconds": round(sum(trial["seconds"] for trial in trials), 1)}


def read_trials(path: Path) -> list[dict[str, Any]]:
    """Read the trials of a study, by size and seed; the lines of one trial with several students become one.

    Teachers are as in the first line. The recall of later lines' students by the words that a student knows is left
    out: it was measured with another student's vocabulary.
    """
    trials: dict[TrialKey, dict[str, Any]] = {}
    for line in read_lines(path):
        first = trials.setdefault((line["size"], line["seed"]), line)
        if line is not first:
            for name, quality in line["students"].items():
                first["students"][name] = {key: value for key, value in quality.items() if key not in BY_WORDS}
    return [trials[key] for key in sorted(trials)]


def missing_trials(study: Study, wanted: Sequence[TrialKey], folder: Path) -> dict[TrialKey, Study]:
    """Return the study of each trial of which `TRIALS` of a folder lacks something: with its missing students."""
    seen = {(trial["size"], trial["seed"]): trial["students"] for trial in read_trials(folder / TRIALS)}
    missing = {}
    for key in wanted:
        students = tuple(name for name in study.students if name not in seen.get(key, ()))
        if students or key not in seen:
            missing[key] = replace(study, students=students)
    if not missing:
        logger.info("low_resource: everything is there already, in %s", shown_path(str(folder)))
    elif len(missing) < len(wanted):
        logger.info("low_resource: %d of %d trials are there", len(wanted) - len(missing), len(wanted))
    return missing


def run_missing(missing: Mapping[TrialKey, Study], trials: Trials, folder: Path) -> None:
    """Run what `missing_trials` returned, as many trials at once as the cluster holds, and append their lines.

    A trial of which only some students are missing is run for these; what it did before is done again where it was not
    kept.

    Args:
        missing: the study of each trial.
        trials: what each trial may use; the configuration of the job, which goes into their lines.
        folder: of the results; every node sees it. What trials have done so far lies in its folder `WORK`.

    Raises:
        InputError: a trial met a user's mistake; the others are run first.
    """
    mistakes = []
    left = list(missing)
    for key, result in _results(missing, trials, folder / WORK):
        size, seed = key
        left.remove(key)
        if isinstance(result, InputError):
            mistakes.append(f"{size} sentences, seed {seed}: {result}")
            continue
        origin = {
            "config": settings(trials.alone(key, missing[key].students)),
            "git_commit": git_commit(),
            "versions": versions(),
        }
        append_line(folder / TRIALS, {**result, **origin})
        if not trials.keep:
            shutil.rmtree(folder / WORK / f"{size}-{seed}")
        if all(seed != other_seed for _, other_seed in left):
            shutil.rmtree(_vectors(folder / WORK, seed), ignore_errors=True)
        f1s = [f"{name} {row['f1']:.4f}" for kind in ("teachers", "students") for name, row in result[kind].items()]
        logger.info(
            "low_resource: %d sentences, seed %d: %s; %d of %d trials left",
            size,
            seed,
            ", ".join(f1s),
            len(left),
            len(missing),
        )
    if mistakes:
        raise InputError(f"{len(mistakes)} trials failed, the first: {mistakes[0]}")


def _results(
    studies: Mapping[TrialKey, Study], trials: Trials, work: Path
) -> Iterator[tuple[TrialKey, dict[str, Any] | InputError]]:
    """Run trials, each of its study; yield each as it ends, with its result or the user's mistake that it met."""
    connect()
    function: Any = _run_trial
    task = ray.remote(function)
    gpus = min(1, in_cluster("GPU")) if trials.gpus is None else trials.gpus
    running = {}
    for (size, seed), study in studies.items():
        named = task.options(name=f"trial {size}-{seed}", num_cpus=trials.cpus, num_gpus=gpus)
        reference = named.remote(console.relay, study, size, seed, work, threads=trials.cpus)
        running[reference] = (size, seed)
    while running:
        (finished,), _ = ray.wait(list(running))
        key = running.pop(finished)
        try:
            result = ray.get(finished)
        except ray.exceptions.RayTaskError as error:
            mistake = input_error(error)
            if mistake is None:
                raise
            result = mistake
        console.catch_up()
        yield key, result


def _run_trial(relay: Any, study: Study, size: int, seed: int, work: Path, *, threads: int) -> dict[str, Any]:
    set_up_logging(relay)
    torch.set_num_threads(threads)
    trial = Trial(
        study,
        size,
        seed,
        work / f"{size}-{seed}",
        lambda what, unit: stage_progress(f"{what} {size}-{seed}", unit),
        vector_folder=_vectors(work, seed),
    )
    return trial.run()


def _vectors(work: Path, seed: int) -> Path:
    """Return the folder for vectors of frozen encoders; trials of one seed draw the same documents."""
    return work / f"vectors-{seed}"
