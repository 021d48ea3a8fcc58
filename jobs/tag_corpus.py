"""Tag a corpus with a student.

Reads   a corpus, and a student directory
Writes  a run directory: one Parquet file of `kdner.runs.schema.ENTITIES`, with the columns to keep, for each shard,
        _manifest.json, _summary.json, and _SUCCESS last
Needs   CPU cores; started again it does only what is missing; with --estimate it only says what all of it would
        take

    python jobs/tag_corpus.py --corpus news/*.parquet --student runs/student --out runs/entities
    python jobs/tag_corpus.py --corpus news/ --student runs/student --score 0.5 PER=0.7 --out runs/sure
    python jobs/tag_corpus.py --corpus news/ --student runs/student --keep-columns text day --out runs/with-texts
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kdner.corpora.plan import CorpusPlan
from kdner.errors import InputError
from kdner.flags import Corpus, Estimation, Retries
from kdner.measuring.estimate import estimate_report
from kdner.on_ray.job import run_job
from kdner.on_ray.pool import numeric_type
from kdner.on_ray.shard_map import map_corpus
from kdner.runs.fingerprint import hash_of_files
from kdner.runs.hub import model_folder, pinned
from kdner.runs.schema import ENTITIES
from kdner.shards.work import ShardWork
from kdner.student.engine import NumericType, fastest_type
from kdner.student.saved import MODEL_FILES, SavedStudent
from kdner.student.tag_documents import MIN_SHARDS, TagDocuments
from kdner.student.thresholds import parse_thresholds


@dataclass(frozen=True, kw_only=True)
class TagCorpus(Retries, Estimation, Corpus):
    """Tag a corpus with a student."""

    student: str
    """Student directory, as distill_student writes it, which every node sees; or a student of the Hugging Face hub:
    OWNER/MODEL, or OWNER/MODEL@REVISION."""
    dtype: NumericType | None = None
    """Numeric type of the student's LSTM; by default what the run began with, else int16, which is twice as fast and
    gives the same digits on every processor. Where llvmlite is not installed: bfloat16 if the CPU multiplies it, else
    float32."""
    score: tuple[str, ...] = ()
    """Leave out entities with a lower score: a threshold from 0 to 1 for all labels, LABEL=THRESHOLD for one of them,
    or both, as in 0.5 PER=0.7. evaluate measures which are best, in evaluation.json."""
    keep_columns: tuple[str, ...] = ()
    """Columns, or JSON keys, of the corpus to copy beside the entities, such as the text or a date; a.b is the field b
    of structs a. The id is always there. Columns of Parquet keep their types; those of JSON are numbers, truth values
    or strings, and other values become strings of JSON."""
    out: str
    """Run directory for the entities: a folder which every node sees, or a URI such as s3://bucket/run."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if taken := [name for name in self.keep_columns if name in ENTITIES.names]:
            raise InputError(
                f"--keep-columns {' '.join(taken)}: the output has {', '.join(ENTITIES.names)} of its own; leave "
                "it out, or rename it in the corpus"
            )


def tag_corpus(config: TagCorpus) -> dict[str, Any]:
    """Do the job; returns its summary, or with --estimate the estimate."""
    source = pinned(config.student, MODEL_FILES)
    student = SavedStudent.read(source)
    score = parse_thresholds(config.score, student.labels) if config.score else None
    dtype = numeric_type(config.out, config.dtype) or fastest_type()

    def work(plan: CorpusPlan) -> ShardWork:
        return ShardWork(
            job="tag_corpus",
            actor=TagDocuments,
            arguments={
                "student": source,
                "dtype": dtype,
                "hard_wrapped": config.hard_wrapped,
                "score": score,
                "kept": plan.kept,
            },
            actors=config.actors,
            use_gpu=False,
        )

    given = {"score": score, "keep_columns": list(dict.fromkeys(config.keep_columns))}
    model = {"model": hash_of_files(str(model_folder(source, MODEL_FILES)), MODEL_FILES), "dtype": dtype}
    return map_corpus(
        config,
        config.out,
        work,
        job="tag_corpus",
        fingerprint={**model, **{name: value for name, value in given.items() if value}},
        describe={"labels": student.labels},
        language=student.language,
        retries=config,
        estimation=config,
        min_shards=MIN_SHARDS,
        keep_columns=config.keep_columns,
    )


def main(config: TagCorpus) -> None:
    """Do the job; with --estimate print the estimate."""
    summary = tag_corpus(config)
    if config.estimate:
        print(estimate_report(summary))


if __name__ == "__main__":
    run_job(TagCorpus, main)
