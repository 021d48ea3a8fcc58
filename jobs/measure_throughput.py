r"""Measure how fast a student tags: beside BERT, beside peers, by actors, by steps and by size.

Reads   a student directory, and a corpus of which some documents are drawn; with --test also a labeled set
Writes  OUT/measurement.json and OUT/throughput.png
Needs   the CPU cores of one node with nothing else running; each start measures anew. The figure needs
        pip install 'kdner[measure]', spaCy 'kdner[peers]'

    python jobs/measure_throughput.py --student runs/student --corpus news.parquet
    python jobs/measure_throughput.py --student runs/student --corpus news.parquet --peers spacy transformers \
        --test eng.testb --models runs/teacher

Batch by batch, the student goes from the text of sentences to entities, in one process of one thread on each core, as
tag_corpus runs it. A teacher goes from words to labels, which is less, in one process on all cores: in float32 and in
the corpus's order, and in the fastest numeric type and sorted by length. Documents of the same corpus warm them up.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from kdner.corpora.draws import sample_corpus
from kdner.flags import Layout
from kdner.labeled.sets import read_labeled
from kdner.measuring.evaluation import evaluate
from kdner.measuring.figures import check_figures, throughput_figure
from kdner.measuring.peers import check_peers
from kdner.measuring.reports import throughput_report
from kdner.measuring.student_speed import time_growth, time_steps
from kdner.measuring.teacher_speed import teacher_or_shape
from kdner.on_ray.cluster import connect, in_fresh_process, largest_node
from kdner.on_ray.job import run_job, save_measurements
from kdner.on_ray.throughput import Amounts, Bench, time_actors, time_batches, time_peers
from kdner.runs.storage import without_secrets
from kdner.student.engine import NumericType, fastest_type
from kdner.student.model import Student
from kdner.text.words import count_words


@dataclass(frozen=True, kw_only=True)
class MeasureThroughput(Amounts, Layout):
    """Measure how fast a student tags."""

    student: str
    """Student directory."""
    corpus: tuple[str, ...]
    """Files, folders or globs of a corpus, as for tag_corpus."""
    text_column: str = "text"
    """Column, or JSON key, of a document's text."""
    words: int = 2_000_000
    """White-space separated words to draw from it, in whole documents."""
    dtype: NumericType | None = None
    """Numeric type of the student; by default what tag_corpus would take here."""
    teachers: tuple[str, ...] = ("bert-base", "bert-large")
    """To stand beside: teacher directories that finetune_teacher or transformers' Trainer saved, or bert-base or
    bert-large: the true shape with random weights (it needs the extra quickstart for its tokenizer)."""
    test: str = ""
    """Labeled set to measure F1 of the student and --models on."""
    models: tuple[str, ...] = ()
    """With --test: teacher or student directories whose F1 stands beside the student's."""
    out: str = "runs/measure_throughput"
    """Folder for measurement.json and throughput.png."""


def measure_throughput(config: MeasureThroughput) -> dict[str, Any]:
    """Do the job; returns the measurements."""
    check_figures()
    check_peers(config.peers)
    Student.from_pretrained(config.student)
    test = read_labeled(config.test, config) if config.test else []
    models = (config.student, *config.models) if test else ()
    with TemporaryDirectory() as scratch:
        sample = sample_corpus(
            config.corpus,
            f"{scratch}/sample",
            words=config.words,
            text_column=config.text_column,
            encoding=config.encoding,
        )
        teachers = {name: teacher_or_shape(name, scratch) for name in config.teachers}
        connect()
        dtype = config.dtype or fastest_type()
        cores = largest_node("CPU")
        bench = Bench(student=config.student, dtype=dtype, teachers=teachers, sample=sample, cores=cores)
        texts = bench.texts()
        measurements = {
            "student": without_secrets(config.student),
            "dtype": dtype,
            "cores": cores,
            "documents": len(texts),
            "words": sum(map(count_words, texts)),
            "batches": time_batches(bench, texts, config),
            "actors": time_actors(bench, config),
            "peers": time_peers(bench, texts, config),
            "steps": in_fresh_process(time_steps, config.student, dtype, sample),
            "growth": in_fresh_process(time_growth, config.student, dtype, texts, config.growth),
            "models": {
                without_secrets(folder): in_fresh_process(evaluate, folder, test, config.test).measures
                for folder in models
            },
        }
    directory = save_measurements(config.out, measurements, config)
    directory.write_bytes("throughput.png", throughput_figure(measurements))
    return measurements


def main(config: MeasureThroughput) -> None:
    """Do the job and print its tables."""
    print(throughput_report(measure_throughput(config)))
    print(f"\n{Path(config.out) / 'throughput.png'}")


if __name__ == "__main__":
    run_job(MeasureThroughput, main)
