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

import time
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import torch

from kdner.data.corpus import CorpusPlan
from kdner.data.corpus_sample import sample_corpus
from kdner.errors import InputError
from kdner.flags import Actors
from kdner.measuring.reports import speed_report
from kdner.measuring.teacher_speed import SHAPES, measure_scoring, random_teacher
from kdner.on_ray.cluster import connect, in_cluster, in_fresh_process, largest_node
from kdner.on_ray.job import provenance, run
from kdner.on_ray.shard_map import ShardActor, numeric_type, shard_map
from kdner.runs.run_directory import RunDirectory
from kdner.runs.schema import LOGITS
from kdner.runs.storage import create_folder, without_secrets
from kdner.teacher.model import Teacher
from kdner.teacher.score_documents import ScoreDocuments


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
    """Teacher directory, or bert-base or bert-large: the true shape with random weights (it needs the extra
    quickstart for its tokenizer)."""
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
        teacher = config.teacher
        if teacher in SHAPES:
            teacher = f"{scratch}/teacher"
            random_teacher(config.teacher, teacher)
        Teacher.read_labels(teacher)
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
        dtype = numeric_type(scratch, config.dtype, Actors(), use_gpu=use_gpu)
        found = in_fresh_process(
            measure_scoring,
            teacher,
            sample,
            dtype=dtype,
            threads=largest_node("CPU"),
            rounds=config.rounds,
            peer_documents=config.peer_documents,
        )
        found = {"teacher": without_secrets(config.teacher), **found, "shard_map": []}
        for index in range(config.rounds if config.actors else 0):
            folder = f"{scratch}/round-{index}"
            arguments = {"teachers": (teacher,), "dtype": dtype}
            loop = in_fresh_process(time_loop, sample, RunDirectory(f"{folder}-loop"), arguments)
            for count in config.actors:
                directory = RunDirectory.open(f"{folder}-{count}", {}, {"files": [s.name for s in sample.shards]})
                actors = Actors(count=count, gpus=0)
                summary = shard_map(
                    "measure", sample, directory, ScoreDocuments, arguments, LOGITS, actors=actors, use_gpu=False
                )
                rate = found["words"] / summary["seconds"]
                found["shard_map"].append(
                    {"actors": count, "words_per_second": rate, "times_loop": rate * loop / found["words"]}
                )
    create_folder(config.out)
    RunDirectory(config.out).write_json("measurement.json", {**found, "provenance": provenance(config)})
    return found


def time_loop(sample: CorpusPlan, run: RunDirectory, arguments: dict[str, Any]) -> float:
    """Map all shards in this process, on one thread, without Ray; returns seconds."""
    torch.set_num_threads(1)
    Path(run.path).mkdir(parents=True)
    actor = ShardActor(sample, run, ScoreDocuments, arguments, LOGITS)
    started = time.monotonic()
    for shard in sample.shards:
        actor.map_shard(shard.index)
    return time.monotonic() - started


def main(config: MeasureTeacher) -> None:
    """Do the job and print the table."""
    print(speed_report(measure_teacher(config)))


if __name__ == "__main__":
    run(MeasureTeacher, main)
