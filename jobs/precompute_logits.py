"""Run one or several teachers over a corpus once, and keep their logits.

Reads   a corpus, and teacher directories
Writes  a run directory: one Parquet file of `kdner.runs.schema.LOGITS` for each shard, _manifest.json,
        _summary.json, and _SUCCESS last
Needs   GPUs where the cluster has them, else CPU cores; started again it does only what is missing;
        with --estimate it only says what all of it would take

    python jobs/precompute_logits.py --corpus s3://bucket/news --teacher runs/teacher --out runs/logits
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal

from kdner.corpora.plan import CorpusPlan
from kdner.device import dtype_name, dtype_of
from kdner.flags import Corpus, Estimation, LabelMap, Language, Retries
from kdner.labels.folding import read_label_map
from kdner.labels.tags import check_same_labels
from kdner.measuring.estimate import estimate_report
from kdner.on_ray.job import run_job
from kdner.on_ray.pool import numeric_type, teachers_type
from kdner.on_ray.shard_map import map_corpus
from kdner.shards.work import ShardWork
from kdner.teacher.by_name import (
    check_model,
    joined_labels,
    model_fingerprint,
    pinned_model,
    teacher_names,
)
from kdner.teacher.scheme_sample import scheme_sample
from kdner.teacher.score_documents import ScoreDocuments
from kdner.text.words import split


@dataclass(frozen=True, kw_only=True)
class PrecomputeLogits(Retries, Estimation, LabelMap, Corpus):
    """Run one or several teachers over a corpus once, and keep their logits."""

    teacher: tuple[str, ...]
    """Teachers, with one label list: directories that finetune_teacher, distill_student or transformers' Trainer saved
    (a token classifier as safetensors, with its fast tokenizer) and that every node sees, NAME[@REVISION] of one on the
    Hugging Face hub, spacy:NAME, gliner:NAME=TYPE,TYPE, or module:Class[=ARGUMENT] for a class of your own. Labels may
    be of any scheme. The logits of several lie side by side."""
    language: Language = "en"
    """Language of the documents, whose abbreviations end no sentence: that of the student to be distilled."""
    dtype: Literal["float32", "bfloat16"] | None = None
    """Numeric type of the teacher; by default bfloat16 where the cluster has GPUs or the CPU multiplies it in hardware,
    else float32."""
    out: str
    """Run directory for the logits: a folder which every node sees, or a URI such as s3://bucket/run."""


def precompute_logits(config: PrecomputeLogits) -> dict[str, Any]:
    """Do the job; returns its summary, or with --estimate the estimate."""
    teachers = tuple(map(pinned_model, config.teacher))
    for teacher in teachers:
        check_model(teacher)
    label_map = read_label_map(config.label_map)
    by_teacher = joined_labels(teachers, label_map)
    labels = by_teacher[teachers[0]]
    for teacher, others in by_teacher.items():
        check_same_labels(labels, others, teachers[0], teacher)
    dtype = dtype_of(numeric_type(config.out, config.dtype) or teachers_type(config.actors, use_gpu=True))
    models = dict(zip(teacher_names(len(teachers)), map(model_fingerprint, teachers), strict=True))

    splitting = partial(split, language=config.language, hard_wrapped=config.hard_wrapped)

    def work(plan: CorpusPlan) -> ShardWork:
        return ShardWork(
            job="precompute_logits",
            actor=ScoreDocuments,
            arguments={
                "teachers": teachers,
                "dtype": dtype,
                "label_map": label_map,
                "sample": scheme_sample(plan, teachers, splitting, timeout_s=config.shard_timeout),
                "language": config.language,
                "hard_wrapped": config.hard_wrapped,
            },
            actors=config.actors,
            use_gpu=True,
        )

    return map_corpus(
        config,
        config.out,
        work,
        job="precompute_logits",
        fingerprint={**models, "dtype": dtype_name(dtype), **({"label_map": label_map} if label_map else {})},
        describe={"labels": labels, "teachers": len(models)},
        language=config.language,
        retries=config,
        estimation=config,
    )


def main(config: PrecomputeLogits) -> None:
    """Do the job; with --estimate print the estimate."""
    summary = precompute_logits(config)
    if config.estimate:
        print(estimate_report(summary))


if __name__ == "__main__":
    run_job(PrecomputeLogits, main)
