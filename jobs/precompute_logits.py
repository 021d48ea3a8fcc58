"""Run the teacher over a corpus once, and keep its logits.

Reads   a corpus, and a teacher directory
Writes  a run directory: one Parquet file of `kdner.schema.LOGITS` for each shard, manifest.json, summary.json, and
        _SUCCESS last
Needs   GPUs where the cluster has them, else CPU cores; started again it does only what is missing

    python jobs/precompute_logits.py --corpus s3://bucket/news --teacher runs/teacher --out runs/logits
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kdner.documents import ScoreDocuments
from kdner.fingerprint import hash_of_files
from kdner.job import run
from kdner.options import Corpus
from kdner.schema import LOGITS
from kdner.shardmap import map_corpus
from kdner.teacher import MODEL_FILES, Teacher


@dataclass(frozen=True, kw_only=True)
class PrecomputeLogits(Corpus):
    """Run the teacher over a corpus once, and keep its logits."""

    teacher: str
    """Teacher directory, as finetune_teacher writes it; every node sees it."""
    out: str
    """Run directory for the logits: a folder which every node sees, or a URI such as s3://bucket/run."""


def precompute_logits(config: PrecomputeLogits) -> dict[str, Any]:
    """Do the job; returns its summary."""
    labels = Teacher.labels_of(config.teacher)
    return map_corpus(
        "precompute_logits",
        config,
        config.out,
        ScoreDocuments,
        {"teacher": config.teacher},
        LOGITS,
        model=hash_of_files(config.teacher, MODEL_FILES),
        labels=labels,
        use_gpu=True,
    )


if __name__ == "__main__":
    run(PrecomputeLogits, precompute_logits)
