"""The main job: from a labeled set and a corpus without labels to a trained student and a tagged corpus.

Reads   a labeled set, a labeled test set, a corpus, and an encoder; by default a small embedded example
        (`kdner.data.quickstart`)
Writes  OUT/transfer, OUT/teacher, OUT/teacher-2 and so on, OUT/logits, OUT/student, OUT/baseline, OUT/evaluation,
        OUT/entities, OUT/page.html to look at, and OUT/_summary.json
Needs   what its stages need; each is a job of its own here. Started again it goes on where it stopped

    python jobs/pipeline.py
    python jobs/pipeline.py --labeled eng.train --labeled-size 750 --test eng.testb --corpus news.parquet

With --labeled-size N the rest of the labeled set joins the transfer set without its labels (the paper's low-resource
simulation). The baseline is the same student, trained on the labeled set only.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from kdner.distillation.main_inputs import QUICKSTART, QUICKSTART_STEPS, Inputs, read_inputs
from kdner.distillation.recipe import Distillation
from kdner.flags import Corpus, HeldOut, LabeledSet, Layout, changed_flags, part_of
from kdner.jobs.check_data import print_checks
from kdner.jobs.distill_student import DistillStudent, distill_student
from kdner.jobs.evaluate import Evaluate, evaluate
from kdner.jobs.finetune_teacher import FinetuneTeacher, finetune_teacher
from kdner.jobs.precompute_logits import PrecomputeLogits, precompute_logits
from kdner.jobs.tag_corpus import TagCorpus, tag_corpus
from kdner.measuring.data_check import check_data
from kdner.measuring.reports import pipeline_report, pipeline_summary
from kdner.on_ray.job import Stages, once, run_job
from kdner.on_ray.map_files import planned
from kdner.on_ray.student_job import TRANSFER_FILE, Drawing, draw_transfer_corpus, write_test_quality
from kdner.on_ray.train import Workers, trainings_at_once
from kdner.pages.pipeline_page import pipeline_page
from kdner.runs.provenance import settings
from kdner.runs.run_directory import RunDirectory
from kdner.runs.storage import join
from kdner.runs.trackers import TrackerName, check_tracker
from kdner.shards.tally import check_errors
from kdner.student.config import StudentConfig
from kdner.teacher.by_name import teacher_names
from kdner.teacher.fine_tuning import FineTuning

NOT_IN_RESULT = ("check", "out", "actors", "workers", "tracker", "ids", "max_error_rate")
"""Flags that do not change the result; or, `workers`, no more than another order of sentences would."""
READ = ("labeled", "test", "corpus", "vectors", "teacher")
"""Flags that say what is read, of which the content counts."""
TRANSFER = "transfer"
"""Folder of the transfer corpus, and of the corpus's plan."""
RECIPE = ("vectors", "student", "distillation", "workers", "tracker")
"""Flags that distill_student has, too."""


@dataclass(frozen=True, kw_only=True)
class Pipeline(LabeledSet, Corpus):
    """From a labeled set and a corpus without labels to a trained student and a tagged corpus."""

    labeled: str = QUICKSTART
    """Labeled set: a file of CoNLL columns (token first, tag last), a .jsonl file of text and spans, or
    hf:NAME[/CONFIG][:SPLIT]; quickstart is the embedded example, with its own test set and corpus."""
    test: str = ""
    """Labeled set for the final quality, in the same formats; or --test-share holds it out of --labeled."""
    corpus: tuple[str, ...] = ()
    """Files, folders or globs of Parquet, JSONL or plain text (a document a line), each also gzipped, on a local disk
    or any file system that pyarrow knows (s3://, gs://), and hf:NAME[/CONFIG][:SPLIT]. All of it is tagged."""
    transfer_words: int = 1_200_000
    """White-space separated words of --corpus drawn at random for the transfer set; 0 takes all of it."""
    teacher: tuple[str, ...] = ("minilm", "features:minilm")
    """Teachers to train, each an encoder to fine-tune or features:ENCODER for a feature-based tagger over it, where
    ENCODER is minilm, a model directory (also of transformers' Trainer), or a name on the Hugging Face hub (safetensors
    only). The student learns from the mean of their logits."""
    vectors: str = "teacher"
    """First word vectors: teacher (its piece embeddings reduced by SVD; words that it has never seen are then made of
    pieces), random, or a GloVe or word2vec text file."""
    check: bool = False
    """Only check the labeled set, the test set and the corpus, and print what is wrong or odd about them, as check_data
    does; nothing is written."""
    out: str = "runs/pipeline"
    """Folder for everything, which every node sees."""
    tracker: TrackerName | None = None
    """Service that gets the numbers of the trainings, beside TensorBoard: wandb, mlflow or trackio, set up as its own
    documentation says (pip install 'kdner[wandb]', and so on)."""
    fine_tuning: FineTuning = field(default_factory=FineTuning)
    student: StudentConfig = field(default_factory=StudentConfig)
    distillation: Distillation = field(default_factory=Distillation)
    workers: Workers = field(default_factory=Workers)


def pipeline(config: Pipeline) -> dict[str, Any]:
    """Do the job; returns its summary."""
    check_tracker(config.tracker)
    passing = (*NOT_IN_RESULT, *READ, *vars(part_of(config, Layout)), *vars(part_of(config, HeldOut)))
    fixed = {key: value for key, value in settings(config).items() if key not in passing}
    fixed |= changed_flags(config, Layout) | changed_flags(config, HeldOut)
    labeled, corpus = part_of(config, LabeledSet), part_of(config, Corpus)
    inputs = read_inputs(
        labeled,
        corpus,
        test=config.test,
        teachers=config.teacher,
        student=config.student,
        vectors=config.vectors,
        out=config.out,
        plan_corpus=partial(planned, join(config.out, TRANSFER)),
    )
    fixed["inputs"] = inputs.fingerprint()
    if config.labeled == QUICKSTART:
        steps = min(config.distillation.min_steps, QUICKSTART_STEPS)
        config = replace(config, distillation=replace(config.distillation, min_steps=steps))
    work = partial(_run_stages, config, inputs)
    summary = once(config.out, {"job": "pipeline", **fixed}, work, configuration=config, remarks=inputs.remarks)
    check_errors(summary["tagged"], config.max_error_rate)  # which may have been higher when the run was finished
    return summary


def _run_stages(config: Pipeline, inputs: Inputs, directory: RunDirectory) -> dict[str, Any]:
    names = (TRANSFER, "logits", "student", "baseline", "evaluation", "entities")
    transfer, logits, student, baseline, evaluation, entities = (f"{directory.path}/{name}" for name in names)
    teachers = {f"{directory.path}/{name}": name for name in teacher_names(len(config.teacher))}
    labeled, drawn, first = vars(inputs.labeled), f"{transfer}/{TRANSFER_FILE}", next(iter(teachers))
    stages = Stages(6, directory, (names[0], *teachers.values(), *names[1:]))

    drawing = Drawing(inputs=inputs, words=config.transfer_words, out=transfer)
    stages.run("Draw the transfer corpus", {"draw_transfer_corpus": (draw_transfer_corpus, drawing)}, inputs.paths)
    tuning = {}
    for (folder, name), encoder in zip(teachers.items(), config.teacher, strict=True):
        job = FinetuneTeacher(
            **labeled, teacher=encoder, out=folder, fine_tuning=config.fine_tuning, tracker=config.tracker
        )
        tuning[f"finetune_{name}"] = (finetune_teacher, job)
    stages.run("Train the teachers", tuning, [inputs.labeled.labeled, *config.teacher], most=len(tuning))
    passed_on = ("language", "hard_wrapped", "max_error_rate", "ids")
    reading: dict[str, Any] = {name: getattr(config, name) for name in passed_on}
    scoring = PrecomputeLogits(corpus=(drawn,), **reading, teacher=tuple(teachers), actors=config.actors, out=logits)
    stages.run("Score the transfer corpus", {"precompute_logits": (precompute_logits, scoring)}, [drawn, *teachers])
    recipe: dict[str, Any] = {key: getattr(config, key) for key in RECIPE}
    distilling = DistillStudent(**labeled, **recipe, teacher=first, logits=(logits,), out=student)
    alone = replace(distilling, logits=(), out=baseline)
    learning = {"distill_student": (distill_student, distilling), "distill_baseline": (distill_student, alone)}
    most = trainings_at_once(config.workers)
    stages.run("Distill the student; train the baseline", learning, [inputs.labeled.labeled, logits], most=most)
    models = (*teachers, student, baseline)
    reading_test = vars(part_of(config, Layout)) | vars(part_of(config, HeldOut))
    compared = Evaluate(**reading_test, test=inputs.test, models=models, compare=(first, student), out=evaluation)
    (quality,) = stages.run("Evaluate all models", {"evaluate": (evaluate, compared)}, [inputs.test, *models])
    write_test_quality((student, baseline), quality, quickstart=config.labeled == QUICKSTART)
    corpus = inputs.corpus_to_tag(drawn)
    tagging = TagCorpus(**vars(corpus), student=student, out=entities)
    (tagged,) = stages.run("Tag the corpus", {"tag_corpus": (tag_corpus, tagging)}, [*corpus.corpus, student])
    summary = pipeline_summary(quality, tagged, stages.seconds)
    page = pipeline_page(directory, summary, quickstart=config.labeled == QUICKSTART)
    directory.write_bytes("page.html", page.encode())
    return summary


def main(config: Pipeline) -> None:
    """Do the job and print its report; with --check only that of its input."""
    if config.check:
        labeled = "" if config.labeled == QUICKSTART else config.labeled
        layout, corpus, held_out = part_of(config, Layout), part_of(config, Corpus), part_of(config, HeldOut)
        print_checks(check_data(layout, corpus, labeled=labeled, test=config.test, held_out=held_out))
    else:
        print(pipeline_report(pipeline(config), config.out, quickstart=config.labeled == QUICKSTART))


if __name__ == "__main__":
    run_job(Pipeline, main)
