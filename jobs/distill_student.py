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

import shutil
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kdner.data.labeled_sets import check_labels, draw, drawn_fingerprint, read_drawn, read_labeled, source_fingerprint
from kdner.distillation.examples import TransferSet
from kdner.distillation.trainer import Distillation
from kdner.distillation.untrained_student import write_untrained_student
from kdner.errors import InputError
from kdner.flags import LabeledSet
from kdner.on_ray.cluster import on_one_node
from kdner.on_ray.job import once, run
from kdner.on_ray.train import Workers, distill
from kdner.runs.fingerprint import hash_of_files
from kdner.runs.run_directory import RunDirectory
from kdner.student.model import MODEL_FILES, StudentConfig
from kdner.student.model_card import model_card
from kdner.teacher.by_name import encoder_folder
from kdner.teacher.model import MODEL_FILES as TEACHER_FILES
from kdner.text.words import SPLITTER_VERSION


@dataclass(frozen=True, kw_only=True)
class DistillStudent(LabeledSet):
    """Distill a student from the teacher's logits and a labeled set."""

    logits: tuple[str, ...] = ()
    """Run directories of precompute_logits over one corpus: the transfer set, with the mean of all teachers' logits.
    Without one the student learns from the labeled set only."""
    logits_weights: tuple[float, ...] = ()
    """Weight of each teacher in the mean, in the order of --logits; by default all weigh the same."""
    teacher: str | None = None
    """Teacher directory that finetune_teacher wrote, for `--vectors teacher`."""
    vectors: str = "teacher"
    """First word vectors: teacher (its piece embeddings reduced by SVD), random, or a GloVe or word2vec text file."""
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
    labeled, _, labels = read_drawn(config)
    transfer = TransferSet(config.logits, config.logits_weights) if config.logits else None
    if transfer:
        labels = transfer.labels
        check_labels(labeled, labels, config.labeled)
    if config.development:
        development = read_labeled(config.development)
        check_labels(development, labels, config.development)
    else:
        development, labeled = draw(labeled, round(config.development_share * len(labeled)), config.seed)
    encoder = encoder_folder(config.teacher) if config.teacher else None
    if config.teacher and not encoder:
        raise InputError(f"--teacher {config.teacher}: has no encoder to take word vectors from")
    fingerprint = {
        "job": "distill_student",
        "labeled": drawn_fingerprint(config),
        "development": source_fingerprint(config.development) if config.development else config.development_share,
        "logits": {f"run {i}": run.manifest()["fingerprint"] for i, run in enumerate(transfer.runs)}
        if transfer
        else None,
        "logits_weights": list(config.logits_weights),
        "vectors": config.vectors,
        "teacher": hash_of_files(encoder, TEACHER_FILES) if encoder else None,
        "student": asdict(config.student),
        "distillation": asdict(config.distillation),
        "splitter": SPLITTER_VERSION,
    }

    def work(directory: RunDirectory) -> dict[str, Any]:
        folder = directory.local_path
        initial, checkpoints = folder / ".initial", folder / ".checkpoints"
        if not initial.is_dir():
            on_one_node(
                write_untrained_student,
                initial,
                config.student,
                labels=labels,
                labeled=labeled,
                transfer=transfer,
                vectors=config.vectors,
                teacher=encoder,
                seed=config.seed,
            )
        student, state = distill(
            checkpoints,
            folder,
            initial,
            config.distillation,
            config.workers,
            seed=config.seed,
            labeled=labeled,
            development=development,
            transfer=transfer,
        )
        student.save(folder)
        summary = {
            "labels": labels,
            "parameters": student.parameters_count,
            "vocabulary_words": len(student.vocabulary.words),
            "labeled_sentences": len(labeled),
            "development_sentences": len(development),
            "transfer_words": transfer.words if transfer else 0,
            "training_seconds": round(state.seconds, 1),
            "training_words_per_second": round(state.words / state.seconds) if state.seconds else 0,
            "best_epoch": state.best_epoch,
            "development_f1": round(state.best_f1, 4) if development else None,
            "history": state.history,
        }
        card = model_card(Path(config.out).name, summary, asdict(config.student), asdict(config.distillation))
        directory.write_bytes("README.md", card.encode())
        shutil.rmtree(initial)
        shutil.rmtree(checkpoints)
        return summary

    return once(
        config.out,
        fingerprint,
        work,
        configuration=config,
        files=[*MODEL_FILES, "README.md"],
        labels=labels,
    )


if __name__ == "__main__":
    run(DistillStudent, distill_student)
