"""Measure how fast a teacher scores documents, and what Ray adds.

Reads   a corpus, of which some documents are drawn; a teacher directory, or the true shape of one with random weights
Writes  OUT/measurement.json
Needs   all cores of a node, or a GPU, with nothing else running; each start measures anew

    python jobs/measure_teacher.py --corpus news.parquet --peer-documents 8
    python jobs/measure_teacher.py --corpus news.parquet --teacher bert-large --actors 1 2 4

First, in one process: floating-point operations per second from documents to a file of logits, as a share of the
matrix-product peak of the same threads in the same run. Then, with `--actors`, the shard map with so many actors of one
core against a plain loop over the same shards in one process of one core.
"""

from __future__ import annotations

from dataclasses import dataclass
from tempfile import TemporaryDirectory
from typing import Any, Literal

from kdner.corpora.draws import sample_corpus
from kdner.device import dtype_of
from kdner.errors import InputError
from kdner.flags import Actors
from kdner.measuring.reports import speed_report
from kdner.measuring.teacher_speed import measure_scoring, teacher_or_shape
from kdner.on_ray.cluster import connect, in_cluster, in_fresh_process, largest_node
from kdner.on_ray.job import run_job, save_measurements
from kdner.on_ray.pool import teachers_type
from kdner.on_ray.throughput import compare_with_loop
from kdner.runs.storage import without_secrets


@dataclass(frozen=True, kw_only=True)
class MeasureTeacher:
    """Measure how fast a teacher scores documents, and what Ray adds."""

    corpus: tuple[str, ...]
    """Files, folders or globs of a corpus, as for precompute_logits."""
    text_column: str = "text"
    """Column, or JSON key, of a document's text."""
    words: int = 50_000
    """White-space separated words to draw from it, in whole documents."""
    shard_documents: int = 10
    """Documents in one shard."""
    teacher: str = "bert-base"
    """Teacher directory that finetune_teacher or transformers' Trainer saved, or bert-base or bert-large: the true
    shape with random weights (it needs the extra quickstart for its tokenizer)."""
    dtype: Literal["float32", "bfloat16"] | None = None
    """Numeric type of the teacher; by default what precompute_logits would take here."""
    rounds: int = 3
    """How often everything is measured; medians are reported, with the least and the most."""
    peer_documents: int = 0
    """Documents that the transformers pipeline scores in the same rounds; 0 leaves it out."""
    actors: tuple[int, ...] = ()
    """Numbers of actors, of one CPU core each, to run the shard map with; not where the cluster has GPUs."""
    out: str = "runs/measure_teacher"
    """Folder for measurement.json."""


def measure_teacher(config: MeasureTeacher) -> dict[str, Any]:
    """Do the job; returns the measurements."""
    with TemporaryDirectory() as scratch:
        teacher = teacher_or_shape(config.teacher, scratch)
        sample = sample_corpus(
            config.corpus,
            f"{scratch}/sample",
            words=config.words,
            text_column=config.text_column,
            shard_documents=config.shard_documents,
        )
        connect()
        use_gpu = in_cluster("GPU") > 0
        if use_gpu and config.actors:
            raise InputError(
                "--actors: the shard map is measured on CPU cores; leave it out where the cluster has GPUs"
            )
        dtype = dtype_of(config.dtype or teachers_type(Actors(), use_gpu=use_gpu))
        scoring = in_fresh_process(
            measure_scoring,
            teacher,
            sample,
            dtype=dtype,
            threads=largest_node("CPU"),
            rounds=config.rounds,
            peer_documents=config.peer_documents,
        )
        rows = compare_with_loop(sample, teacher, dtype, config.actors, words=scoring["words"], rounds=config.rounds)
    measurements = {"teacher": without_secrets(config.teacher), **scoring, "shard_map": rows}
    save_measurements(config.out, measurements, config)
    return measurements


def main(config: MeasureTeacher) -> None:
    """Do the job and print the table."""
    print(speed_report(measure_teacher(config)))


if __name__ == "__main__":
    run_job(MeasureTeacher, main)
