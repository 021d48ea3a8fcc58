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
from kdner.job import once, run
from kdner.options import Corpus
from kdner.rundir import RunDirectory
from kdner.schema import ENTITIES
from kdner.shardmap import check_errors, shard_map
from kdner.student import MODEL_FILES, Student
from kdner.text import SPLITTER_VERSION


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
    plan = config.plan(config.out)
    fingerprint = {
        "job": "tag_corpus",
        "student": hash_of_files(config.student, MODEL_FILES),
        "corpus": plan.fingerprint(),
        "splitter": SPLITTER_VERSION,
    }

    def work(directory: RunDirectory) -> dict[str, Any]:
        summary = shard_map(
            "tag",
            plan,
            directory,
            TagDocuments,
            {"student": config.student},
            ENTITIES,
            actors=config.actors,
            use_gpu=False,
        )
        check_errors(summary, config.max_error_rate)
        return summary

    return once(config.out, fingerprint, work, files=[shard.name for shard in plan.shards], labels=labels)


if __name__ == "__main__":
    run(TagCorpus, tag_corpus)
