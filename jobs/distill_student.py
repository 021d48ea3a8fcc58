r"""Distill a student from the teacher's logits and a labeled set.

Reads   a labeled set, and the run directory of precompute_logits (without one of them: the other only); a teacher for
        the word vectors
Writes  a student directory: config.json, model.safetensors, vocabulary.json, README.md (model card), and those of a run
Needs   by default one worker on one core, or on a GPU; any number of workers. Started again it goes on after the last
        epoch

    python jobs/distill_student.py --labeled eng.train --labeled-size 750 --teacher runs/teacher --logits runs/logits \
        --out runs/student
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from kdner.distillation.learning_sets import read_sets
from kdner.distillation.recipe import Distillation
from kdner.distillation.untrained_student import vectors_fingerprint
from kdner.errors import InputError
from kdner.flags import LabeledSet
from kdner.labeled.sets import drawn_fingerprint, source_fingerprint
from kdner.on_ray.job import once, run_job
from kdner.on_ray.student_job import SCRATCH, make_student
from kdner.on_ray.train import Workers
from kdner.runs.run_directory import RunDirectory
from kdner.runs.trackers import TrackerName, check_tracker
from kdner.student.config import StudentConfig
from kdner.student.model_card import Origin
from kdner.student.saved import MODEL_FILES
from kdner.teacher.by_name import encoder_folder
from kdner.teacher.encoder import encoder_fingerprint, pinned
from kdner.teacher.model_card import base_models
from kdner.text.words import splitter_fingerprint


@dataclass(frozen=True, kw_only=True)
class DistillStudent(LabeledSet):
    """Distill a student from the teacher's logits and a labeled set."""

    labeled: str = ""
    """Labeled set: a file of CoNLL columns (token first, tag last), a .jsonl file of text and spans, or
    hf:NAME[/CONFIG][:SPLIT]. Without one the student learns from --logits only: all that a finished teacher needs."""
    logits: tuple[str, ...] = ()
    """Run directories of precompute_logits over one corpus: the transfer set, with the mean of all teachers' logits.
    Without one the student learns from the labeled set only."""
    logits_weights: tuple[float, ...] = ()
    """Weight of each teacher in the mean, in the order of --logits; by default all weigh the same."""
    teacher: str | None = None
    """Model whose piece embeddings become word vectors, for `--vectors teacher`: a teacher directory that
    finetune_teacher or transformers' Trainer saved, minilm, or a name on the Hugging Face hub."""
    vectors: str = "teacher"
    """First word vectors: teacher (its piece embeddings reduced by SVD; words that it has never seen are then made of
    pieces), random, or a GloVe or word2vec text file."""
    development: str | None = None
    """Labeled set to choose the best epoch by; without one, and with a --development-share of 0, the last is kept."""
    development_share: float = 0.0
    """Share (0 to 1) of the labeled sentences to draw for development, and not to learn from, where no --development is
    given."""
    out: str
    """Folder for the student, which every node sees."""
    tracker: TrackerName | None = None
    """Service that gets the numbers of the training, beside TensorBoard: wandb, mlflow or trackio, set up as its own
    documentation says (pip install 'kdner[wandb]', and so on)."""
    student: StudentConfig = field(default_factory=StudentConfig)
    distillation: Distillation = field(default_factory=Distillation)
    workers: Workers = field(default_factory=Workers)


def distill_student(config: DistillStudent) -> dict[str, Any]:
    """Do the job; returns its summary."""
    check_tracker(config.tracker)
    sets = read_sets(
        config,
        logits=config.logits,
        logits_weights=config.logits_weights,
        development=config.development,
        development_share=config.development_share,
    )
    encoder = encoder_folder(config.teacher) if config.teacher else None
    if config.teacher and not encoder:
        raise InputError(f"--teacher {config.teacher}: has no encoder to take word vectors from")
    encoder = pinned(encoder) if encoder else None
    fingerprint = {
        "job": "distill_student",
        "labeled": drawn_fingerprint(config) if config.labeled else {"seed": config.seed},
        "development": source_fingerprint(config.development, config)
        if config.development
        else config.development_share,
        "logits": sets.logits_fingerprint,
        "logits_weights": list(config.logits_weights),
        "vectors": vectors_fingerprint(config.vectors),
        "teacher": encoder_fingerprint(encoder) if encoder else None,
        "student": asdict(config.student),
        "distillation": asdict(config.distillation),
        **splitter_fingerprint(config.language),
    }

    def work(directory: RunDirectory) -> dict[str, Any]:
        return make_student(
            directory,
            sets,
            config.student,
            config.distillation,
            config.workers,
            vectors=config.vectors,
            encoder=encoder,
            seed=config.seed,
            origin=Origin.of(config.labeled, base_models=base_models(config.teacher) if config.teacher else []),
            tracker=config.tracker,
        )

    files = [*MODEL_FILES, "README.md"]
    return once(
        config.out,
        fingerprint,
        work,
        configuration=config,
        remarks=sets.remarks,
        scratch=SCRATCH,
        files=files,
        labels=sets.labels,
    )


if __name__ == "__main__":
    run_job(DistillStudent, distill_student)
