"""Train a teacher on a labeled set: fine-tune an encoder, or train an LSTM-CNN over the vectors of a frozen one.

Reads   a labeled set, and an encoder: minilm, a model directory, or a name on the Hugging Face hub
Writes  a Hugging Face model directory, or a feature-based tagger's (safetensors only), with README.md (model card)
Needs   one GPU where the cluster has one, else the cores of one node

    python jobs/finetune_teacher.py --labeled eng.train --labeled-size 750 --teacher minilm --out runs/teacher
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from kdner.distillation.teachers import train_teacher
from kdner.flags import LabeledSet
from kdner.labeled.remarks import Remarks
from kdner.labeled.sentence import LabeledSentence
from kdner.labeled.sets import drawn_fingerprint, read_drawn
from kdner.on_ray.cluster import on_one_node
from kdner.on_ray.console import console, stage_progress
from kdner.on_ray.job import once, run_job
from kdner.runs.hub import CARD
from kdner.runs.run_directory import RunDirectory
from kdner.runs.trackers import TrackerName, check_tracker
from kdner.student.model_card import Origin
from kdner.teacher.by_name import encoder_of, is_feature_based, pinned_teacher, teacher_fingerprint
from kdner.teacher.fine_tuning import FineTuning
from kdner.teacher.model_card import base_models, teacher_card
from kdner.teacher.tokenizers import check_encoder
from kdner.text.words import splitter_fingerprint

CHECKPOINTS = ".checkpoints"
"""Folder from which another start goes on."""


@dataclass(frozen=True, kw_only=True)
class FinetuneTeacher(LabeledSet):
    """Fine-tune a teacher on a labeled set."""

    teacher: str = "minilm"
    """Encoder to fine-tune: minilm, a model directory (also one that transformers' Trainer saved), or a name on the
    Hugging Face hub; safetensors only. Or features:ENCODER for a feature-based tagger: the encoder is frozen, and its
    vectors take the place of the student's word vectors in an LSTM-CNN."""
    out: str
    """Folder for the teacher, which every node sees."""
    tracker: TrackerName | None = None
    """Service that gets the numbers of the training, beside TensorBoard: wandb, mlflow or trackio, set up as its own
    documentation says (pip install 'kdner[wandb]', and so on)."""
    fine_tuning: FineTuning = field(default_factory=FineTuning)


def finetune_teacher(config: FinetuneTeacher) -> dict[str, Any]:
    """Do the job; returns its summary."""
    check_tracker(config.tracker)
    check_encoder(encoder_of(config.teacher))
    remarks = Remarks()
    labeled, _, labels = read_drawn(config, remarks)
    teacher = pinned_teacher(config.teacher)
    fingerprint = {
        "job": "finetune_teacher",
        "labeled": drawn_fingerprint(config),
        **teacher_fingerprint(teacher),
        "fine_tuning": asdict(config.fine_tuning),
        **splitter_fingerprint(config.language),
    }

    def work(directory: RunDirectory) -> dict[str, Any]:
        with console.awaiting(directory.local_path.name):
            return on_one_node(_fine_tune, replace(config, teacher=teacher), labeled, labels, directory.local_path)

    return once(
        config.out, fingerprint, work, configuration=config, remarks=remarks, scratch=(CHECKPOINTS,), labels=labels
    )


def _fine_tune(
    config: FinetuneTeacher,
    labeled: list[LabeledSentence],
    labels: list[str],
    folder: Path,
) -> dict[str, Any]:
    progress = stage_progress(folder.name, "step", logs=folder, tracker=config.tracker)
    teacher = train_teacher(
        config.teacher,
        labeled,
        labels,
        config.fine_tuning,
        seed=config.seed,
        progress=progress,
        checkpoints=folder / CHECKPOINTS,
    )
    teacher.save(folder)
    feature_based = is_feature_based(config.teacher)
    card = teacher_card(
        folder.name,
        Origin.of(config.labeled, base_models=base_models(config.teacher)),
        labels=labels,
        sentences=len(labeled),
        parameters=teacher.parameters,
        feature_based=feature_based,
        recipe={} if feature_based else asdict(config.fine_tuning),
    )
    (folder / CARD).write_text(card, encoding="utf-8")
    return {"sentences": len(labeled), "labels": labels, "parameters": teacher.parameters}


if __name__ == "__main__":
    run_job(FinetuneTeacher, finetune_teacher)
