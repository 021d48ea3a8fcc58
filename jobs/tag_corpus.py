"""Tag a corpus with a student.

Reads   a corpus, and a student directory
Writes  a run directory: one Parquet file of `kdner.schema.ENTITIES` for each shard, manifest.json, summary.json, and
        _SUCCESS last
Needs   CPU cores; started again it does only what is missing

    python jobs/tag_corpus.py --corpus news/*.parquet --student runs/student --out runs/entities
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kdner.documents import TagDocuments
from kdner.fingerprint import hash_of_files
from kdner.job import run
from kdner.options import Corpus
from kdner.schema import ENTITIES
from kdner.shardmap import map_corpus
from kdner.student import MODEL_FILES, Student


@dataclass(frozen=True, kw_only=True)
class TagCorpus(Corpus):
    """Tag a corpus with a student."""

    student: str
    """Student directory, as distill_student writes it; every node sees it."""
    out: str
    """Run directory for the entities: a folder which every node sees, or a URI such as s3://bucket/run."""


def tag_corpus(config: TagCorpus) -> dict[str, Any]:
    """Do the job; returns its summary."""
    labels = Student.load(config.student).labels
    return map_corpus(
        "tag_corpus",
        config,
        config.out,
        TagDocuments,
        {"student": config.student},
        ENTITIES,
        model=hash_of_files(config.student, MODEL_FILES),
        labels=labels,
        use_gpu=False,
    )


if __name__ == "__main__":
    run(TagCorpus, tag_corpus)
