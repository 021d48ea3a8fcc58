"""The low-resource study: how good teachers and students are with few labels, over sizes and random draws.

Reads   a labeled set, a labeled test set, a corpus
Writes  trials.jsonl, a line for each trial (a size and a seed); table.md; and, where matplotlib is installed,
        low_resource.png
Needs   for each trial a GPU where the cluster has one, else --cpus cores. Started again, also with more sizes, seeds
        or students, it runs only what has no line yet; students that join later need the same teachers and logits,
        which --keep saves

    python jobs/low_resource.py --labeled eng.train --test eng.testb --corpus news.parquet --out runs/low_resource

Teachers and students are named as `kdner.study.specs` says, for example

    --teacher minilm minilm#1 features:minilm fixed:runs/generalist
    --students labeled pseudo-labels distillation both both,head=crf both,temperature=1,teachers=1+2

and each is a row of the table. An ablation is a list of students, and `--reference both` to compare them with. A
trial is the same whatever others there are, and can be repeated from its line, which holds its configuration.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kdner.data.corpus import CorpusPlan, plan_corpus
from kdner.data.labeled_sets import source_fingerprint
from kdner.distillation.trainer import Distillation
from kdner.errors import InputError
from kdner.measuring.figures import has_figures
from kdner.on_ray.job import provenance, run
from kdner.on_ray.trials import TRIALS, read_trials, run_missing
from kdner.runs.lock import hold
from kdner.runs.run_directory import RunDirectory
from kdner.runs.storage import join, without_secrets
from kdner.student.model import StudentConfig
from kdner.study.figure import study_figure
from kdner.study.specs import Study, check
from kdner.study.table import MEAN, study_table
from kdner.teacher.fine_tuning import FineTuning
from kdner.text.words import SPLITTER_VERSION

TABLE, FIGURE = "table.md", "low_resource.png"


@dataclass(frozen=True, kw_only=True)
class LowResource:
    """How good teachers and students are with few labels, over sizes and random draws."""

    labeled: str
    """Labeled set to draw from: a file of CoNLL columns, a .jsonl file of text and spans, or hf:NAME[:SPLIT]."""
    test: str
    """Labeled set for the scores."""
    corpus: tuple[str, ...] = ()
    """Documents for the transfer set, beside the sentences that were not drawn."""
    text_column: str = "text"
    """Column, or JSON key, of a document's text."""
    transfer_words: int = 1_200_000
    """White-space separated words drawn from --corpus for each trial; 0 takes all of it."""
    sizes: tuple[int, ...] = (150, 300, 750, 1500, 3000)
    """Sentences of the labeled sets."""
    seeds: int = 20
    """Trials of each size, with seeds counted from --first-seed."""
    first_seed: int = 1
    """Seed of the first trial of each size."""
    teacher: tuple[str, ...] = ("minilm", "features:minilm")
    """Teachers: [features:]ENCODER[@LABELED][#SEED] or fixed:MODEL. Students learn from the mean of all, unless they
    name theirs; the first is what they are compared with."""
    students: tuple[str, ...] = ("labeled", "pseudo-labels", "distillation", "both")
    """Students: SETTING[,key=value ...], where SETTING is labeled, pseudo-labels, distillation or both."""
    reference: str | None = None
    """The teacher or student that the table compares students with, or `mean of the teachers`; by default the first
    teacher."""
    pseudo_sizes: tuple[int, ...] = ()
    """Each student with a transfer set also learns from so many of its sentences."""
    development_share: float = 0.0
    """Share (0 to 1) of the drawn sentences that students choose their best epoch by, and do not learn from."""
    cpus: int = 1
    """CPU cores, and threads, of a trial."""
    gpus: float | None = None
    """GPUs of a trial; by default 1 where the cluster has one, else 0."""
    keep: bool = False
    """Keep the models and logits of each trial, in a folder `work`."""
    out: str
    """Folder for the results, which every node sees."""
    fine_tuning: FineTuning = field(default_factory=FineTuning)
    student: StudentConfig = field(default_factory=StudentConfig)
    distillation: Distillation = field(default_factory=Distillation)

    def study(self, corpus: CorpusPlan | None) -> Study:
        """Return what all trials share."""
        students = list(self.students)
        for size in self.pseudo_sizes:
            students += [
                f"{name},transfer_sentences={size}" for name in self.students if name.split(",")[0] != "labeled"
            ]
        return Study(
            labeled=self.labeled,
            test=self.test,
            corpus=corpus,
            transfer_words=self.transfer_words,
            teachers=self.teacher,
            students=tuple(students),
            fine_tuning=self.fine_tuning,
            student=self.student,
            distillation=self.distillation,
            development_share=self.development_share,
        )


def low_resource(config: LowResource) -> dict[str, Any]:
    """Run the trials that are missing; returns the summary."""
    staging = join(config.out, ".corpus")
    corpus = plan_corpus(config.corpus, text_column=config.text_column, staging=staging) if config.corpus else None
    study = config.study(corpus)
    teachers = check(study, config.sizes)
    reference = without_secrets(config.reference) if config.reference else None
    known = [*teachers, MEAN, *study.students]
    if reference and reference not in known:
        raise InputError(f"--reference {reference}: is none of the models of the table: {'; '.join(known)}")
    fingerprint = {
        "job": "low_resource",
        "labeled": source_fingerprint(config.labeled),
        "test": source_fingerprint(config.test),
        "corpus": corpus.fingerprint() if corpus else None,
        "transfer_words": config.transfer_words,
        "teachers": teachers,
        "development_share": config.development_share,
        **{name: asdict(getattr(config, name)) for name in ("fine_tuning", "student", "distillation")},
        "splitter": SPLITTER_VERSION,
    }
    with hold(config.out):
        directory = RunDirectory.open(config.out, fingerprint, {"files": []})
        directory.clean()
        folder = directory.local_path
        seeds = range(config.first_seed, config.first_seed + config.seeds)
        wanted = [(size, seed) for seed in seeds for size in config.sizes]
        run_missing(
            study,
            wanted,
            folder,
            cpus=config.cpus,
            gpus=config.gpus,
            keep=config.keep,
            describe=lambda size, seed, students: {
                **asdict(config),
                **{"sizes": (size,), "first_seed": seed, "seeds": 1, "students": students},
                **{"pseudo_sizes": (), "reference": None},
            },
        )
        trials = read_trials(folder / TRIALS)
        directory.write_bytes(TABLE, (study_table(trials, reference) + "\n").encode())
        if has_figures():
            directory.write_bytes(FIGURE, study_figure(trials))
        summary = {
            "trials": len(trials),
            "seconds": round(sum(trial["seconds"] for trial in trials), 1),
            "provenance": provenance(config),
        }
        directory.write_json("summary.json", summary)
    return summary


def main(config: LowResource) -> None:
    """Do the job and print the table."""
    low_resource(config)
    print((Path(config.out) / TABLE).read_text("utf-8"))


if __name__ == "__main__":
    run(LowResource, main)
