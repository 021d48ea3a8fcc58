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

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from kdner.corpora.plan import CorpusPlan, plan_corpus
from kdner.distillation.recipe import Distillation
from kdner.errors import InputError
from kdner.flags import Layout, part_of
from kdner.labeled.remarks import Remarks
from kdner.on_ray.job import run_job, trying, with_provenance, work_in
from kdner.on_ray.trials import TABLE, Trials, missing_trials, run_missing, study_fingerprint, write_results
from kdner.runs.storage import join, without_secrets
from kdner.runs.tries import end_tries, tries_of
from kdner.student.config import StudentConfig
from kdner.study.specs import Study, check
from kdner.study.table import MEAN
from kdner.teacher.fine_tuning import FineTuning


@dataclass(frozen=True, kw_only=True)
class LowResource(Trials, Layout):
    """How good teachers and students are with few labels, over sizes and random draws."""

    labeled: str
    """Labeled set to draw from, in any format that kdner reads, or hf:NAME[/CONFIG][:SPLIT]."""
    test: str
    """Labeled set to measure F1 on."""
    corpus: tuple[str, ...] = ()
    """Documents for the transfer set, beside the sentences that were not drawn."""
    text_column: str = "text"
    """Column, or JSON key, of a document's text."""
    hard_wrapped: bool = False
    """The lines of the documents of --corpus end in the middle of sentences: only a blank line ends one."""
    transfer_words: int = 1_200_000
    """White-space separated words drawn from --corpus for each trial; 0 takes all of it."""
    teacher: tuple[str, ...] = ("minilm", "features:minilm")
    """Teachers: [features:]ENCODER[@LABELED][#SEED], or fixed:MODEL for a finished one, such as a directory that
    finetune_teacher or transformers' Trainer saved. Students learn from the mean of all, unless they name theirs; the
    first is what they are compared with."""
    development_share: float = 0.0
    """Share (0 to 1) of the drawn sentences that students choose their best epoch by, and do not learn from."""
    out: str
    """Folder for the results, which every node sees."""
    fine_tuning: FineTuning = field(default_factory=FineTuning)
    student: StudentConfig = field(default_factory=StudentConfig)
    distillation: Distillation = field(default_factory=Distillation)

    def __post_init__(self) -> None:
        super().__post_init__()
        for name, least in (("seeds", 1), ("first_seed", 0)):
            if getattr(self, name) < least:
                raise InputError(f"--{name.replace('_', '-')} {getattr(self, name)}: must be at least {least}")
        if not self.sizes:
            raise InputError("--sizes: at least one is needed")

    def corpus_plan(self) -> CorpusPlan:
        """Return the plan of the corpus."""
        return plan_corpus(
            self.corpus,
            text_column=self.text_column,
            encoding=self.encoding,
            staging=join(self.out, ".corpus"),
            out=self.out,
        )

    def study(self, corpus: CorpusPlan | None) -> Study:
        """Return what all trials share."""
        return Study(
            labeled=self.labeled,
            test=self.test,
            layout=part_of(self, Layout),
            corpus=corpus,
            transfer_words=self.transfer_words,
            teachers=self.teacher,
            students=self.all_students(),
            fine_tuning=self.fine_tuning,
            student=self.student,
            distillation=self.distillation,
            development_share=self.development_share,
            hard_wrapped=self.hard_wrapped,
        )


def low_resource(config: LowResource) -> dict[str, Any]:
    """Run the trials that are missing; returns the summary."""
    study = config.study(config.corpus_plan() if config.corpus else None)
    remarks = Remarks()
    teachers = check(study, config.sizes, remarks)
    reference = without_secrets(config.reference) if config.reference else None
    rows = [*teachers, MEAN, *study.students]
    if reference and reference not in rows:
        raise InputError(f"--reference {reference}: is none of the models of the table: {'; '.join(rows)}")
    with work_in(config.out, study_fingerprint(study, teachers), {"files": []}) as directory:
        tries = tries_of(directory)
        if missing := missing_trials(study, config.keys(), directory.local_path):
            with trying(directory) as tries:
                remarks.write(directory)
                run_missing(missing, config, directory.local_path)
        summary = with_provenance({**write_results(directory, reference), "tries": tries}, config)
        directory.finish(summary)
        end_tries(directory)
    return summary


def main(config: LowResource) -> None:
    """Do the job and print the table."""
    low_resource(config)
    print((Path(config.out) / TABLE).read_text("utf-8"))


if __name__ == "__main__":
    run_job(LowResource, main)
