r"""Distill a student from the teacher's logits and a labeled set.

Reads   a labeled set; the run directory of precompute_logits (without it: the labeled set only); a teacher for the
        word vectors
Writes  a student directory: config.json, model.safetensors, vocabulary.json, README.md (model card), and those of a run
Needs   by default one worker on one core, or on a GPU; any number of workers. Started again it goes on after the last
        epoch

    python jobs/distill_student.py --labeled eng.train --labeled-size 750 --teacher runs/teacher --logits runs/logits \
        --out runs/student
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any

from kdner.data.labeled_sets import drawn_fingerprint, source_fingerprint
from kdner.distillation.recipe import Distillation
from kdner.errors import InputError
from kdner.flags import LabeledSet
from kdner.on_ray.job import once, run_job
from kdner.on_ray.student_job import make_student, read_sets
from kdner.on_ray.train import Workers
from kdner.runs.fingerprint import hash_of_files
from kdner.runs.run_directory import RunDirectory
from kdner.student.model import MODEL_FILES
from kdner.student.network import StudentConfig
from kdner.teacher.by_name import encoder_folder
from kdner.teacher.encoder import ENCODER_FILES
from kdner.text.words import splitter_fingerprint


@dataclass(frozen=True, kw_only=True)
class DistillStudent(LabeledSet):
    """Distill a student from the teacher's logits and a labeled set."""

    logits: tuple[str, ...] = ()
    """Run directories of precompute_logits over one corpus: the transfer set, with the mean of all teachers' logits.
    Without one the student learns from the labeled set only."""
    logits_weights: tuple[float, ...] = ()
    """Weight of each teacher in the mean, in the order of --logits; by default all weigh the same."""
    teacher: str | None = None
    """Teacher directory that finetune_teacher or transformers' Trainer saved, for `--vectors teacher`."""
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
    student: StudentConfig = field(default_factory=StudentConfig)
    distillation: Distillation = field(default_factory=Distillation)
    workers: Workers = field(default_factory=Workers)


def distill_student(config: DistillStudent) -> dict[str, Any]:
    """Do the job; returns its summary."""
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
    fingerprint = {
        "job": "distill_student",
        "labeled": drawn_fingerprint(config),
        "development": source_fingerprint(config.development) if config.development else config.development_share,
        "logits": sets.logits_fingerprint,
        "logits_weights": list(config.logits_weights),
        "vectors": config.vectors,
        "teacher": hash_of_files(encoder, ENCODER_FILES) if encoder else None,
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
        )

    files = [*MODEL_FILES, "README.md"]
    return once(config.out, fingerprint, work, configuration=config, files=files, labels=sets.labels)


if __name__ == "__main__":
    run_job(DistillStudent, distill_student)
