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

import logging
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import torch

from kdner.data.corpus import CorpusPlan, read_shard
from kdner.data.corpus_sample import sample_corpus
from kdner.data.labeled_sets import read_labeled
from kdner.device import best_dtype
from kdner.flags import Actors
from kdner.measuring.evaluation import evaluate
from kdner.measuring.figures import check_figures, throughput_figure
from kdner.measuring.peers import SpacyPeer, TransformersPeer, check_peers
from kdner.measuring.reports import throughput_report
from kdner.measuring.student_speed import StudentTimer, TeacherTimer, time_growth, time_steps
from kdner.measuring.teacher_speed import SHAPES, random_teacher
from kdner.on_ray.cluster import Crew, connect, in_fresh_process, largest_node
from kdner.on_ray.job import provenance, run
from kdner.on_ray.shard_map import numeric_type, shard_map
from kdner.runs.run_directory import RunDirectory
from kdner.runs.schema import ENTITIES
from kdner.runs.storage import create_folder, without_secrets
from kdner.student.model import Student
from kdner.student.tag_documents import TagDocuments
from kdner.teacher.model import Teacher
from kdner.text.words import count_words, split

WARM_UP_DOCUMENTS = 500
SPACY_TRAINING_DOCUMENTS = 100

logger = logging.getLogger("kdner.measure_throughput")


@dataclass(frozen=True, kw_only=True)
class MeasureThroughput:
    """Measure how fast a student tags."""

    student: str
    """Student directory."""
    corpus: tuple[str, ...]
    """Files, folders or globs of a corpus, as for tag_corpus."""
    text_column: str = "text"
    """Column, or JSON key, of a document's text."""
    words: int = 2_000_000
    """White-space separated words to draw from it, in whole documents."""
    dtype: Literal["float32", "bfloat16"] | None = None
    """Numeric type of the student; by default what tag_corpus would take here."""
    teachers: tuple[str, ...] = ("bert-base", "bert-large")
    """To stand beside: teacher directories, or bert-base or bert-large: the true shape with random weights (it needs
    the extra quickstart for its tokenizer)."""
    batches: tuple[int, ...] = (1, 32, 64, 128)
    """Batch sizes, in sentences."""
    sentences: int = 2048
    """Sentences that the student tags at each batch size, in each process."""
    teacher_sentences: int = 32
    """Of these teachers label about so many, and at least 4 batches, spread evenly over all."""
    actors: tuple[int, ...] = ()
    """Numbers of actors, of one CPU core each, to run tag_corpus with; by default 1, 2, 4 and so on, and all cores."""
    peers: tuple[Literal["spacy", "transformers"], ...] = ()
    """Other taggers to put in the same run: spaCy's ner, trained for a moment on what the student tagged, with a
    process on each core; transformers' pipeline with the first of the teachers in float32."""
    peer_documents: int = 400
    """Documents that spaCy tags; the transformers pipeline gets a 50th of them."""
    growth: tuple[int, ...] = (1_000, 100_000, 10_000_000)
    """Words to tag in one process to see whether the cost of a word grows; the sample is repeated where it is
    smaller. A document of 5 MB comes last."""
    test: str = ""
    """Labeled set to score the student and --models on."""
    models: tuple[str, ...] = ()
    """With --test: teacher or student directories to score beside the student."""
    rounds: int = 3
    """How often everything is measured, in turns; medians are reported."""
    out: str = "runs/measure_throughput"
    """Folder for measurement.json and throughput.png."""


def measure_throughput(config: MeasureThroughput) -> dict[str, Any]:
    """Do the job; returns the measurements."""
    check_figures()
    check_peers(config.peers)
    Student.from_pretrained(config.student)
    test = read_labeled(config.test) if config.test else []
    with TemporaryDirectory() as scratch:
        teachers = {name: _teacher(name, scratch) for name in config.teachers}
        sample = sample_corpus(config.corpus, f"{scratch}/sample", words=config.words, text_column=config.text_column)
        texts = [text for shard in sample.shards for text in read_shard(sample, shard)["text"].to_pylist()]
        texts = [text for text in texts if text and not text.isspace()]
        connect()
        cores = largest_node("CPU")
        dtype = numeric_type(scratch, config.dtype, Actors(), use_gpu=False)
        found: dict[str, Any] = {
            "student": without_secrets(config.student),
            "dtype": dtype,
            "cores": cores,
            "documents": len(texts),
            "words": sum(map(count_words, texts)),
            "batches": _time_batches(config, teachers, texts, dtype, cores),
            "actors": _time_actors(config, sample, dtype, cores, scratch),
            "peers": _time_peers(config, teachers, texts, cores),
            "steps": in_fresh_process(time_steps, config.student, dtype, sample),
            "growth": in_fresh_process(time_growth, config.student, dtype, texts, config.growth),
        }
        models = (config.student, *config.models) if test else ()
        found["models"] = {
            without_secrets(folder): in_fresh_process(evaluate, folder, test, config.test) for folder in models
        }
    create_folder(config.out)
    directory = RunDirectory(config.out)
    directory.write_json("measurement.json", {**found, "provenance": provenance(config)})
    directory.write_bytes("throughput.png", throughput_figure(found))
    return found


def _teacher(name: str, scratch: str) -> str:
    folder = name
    if name in SHAPES:
        folder = f"{scratch}/{name}"
        random_teacher(name, folder)
    Teacher.read_labels(folder)
    return folder


def _time_batches(
    config: MeasureThroughput, teachers: dict[str, str], texts: list[str], dtype: str, cores: int
) -> list[dict[str, Any]]:
    """Time the student and all teachers in turns; one row for each of them and each batch size."""
    sentences = list(islice(_sentences(reversed(texts)), config.sentences))
    fastest = str(best_dtype(torch.device("cpu"))).removeprefix("torch.")
    readings: dict[tuple[int, str], list[list[tuple[int, list[float]]]]] = {}
    with ExitStack() as stack:

        def crew(size: int, *arguments: Any, **options: Any) -> Crew:
            return stack.enter_context(Crew(size, *arguments, **options))

        timers = {"student": crew(cores, StudentTimer, config.student, dtype, texts[:WARM_UP_DOCUMENTS], sentences)}
        for name, folder in teachers.items():
            timers[f"{name}, float32"] = crew(1, TeacherTimer, folder, "float32", sentences, sort=False, threads=cores)
            sorted_ = f"{name}, {fastest}, sorted"
            timers[sorted_] = crew(1, TeacherTimer, folder, fastest, sentences, sort=True, threads=cores)
        for number in range(config.rounds):
            for batch in config.batches:
                logger.info("round %d of %d: batches of %d", number + 1, config.rounds, batch)
                for name, timer in timers.items():
                    most = () if name == "student" else (max(4, config.teacher_sentences // batch),)
                    readings.setdefault((batch, name), []).append(timer.ask("time", batch, *most))
    rows = []
    for (batch, name), rounds in readings.items():
        rates = [sum(words / sum(seconds) for words, seconds in processes) for processes in rounds]
        latencies = [1000 * one for processes in rounds for _, seconds in processes for one in seconds]
        p50, p99 = np.percentile(latencies, [50, 99]).tolist()
        rows.append({"batch": batch, "model": name, **_spread(rates), "p50_ms": p50, "p99_ms": p99})
    return rows


def _sentences(texts: Iterator[str]) -> Iterator[str]:
    for text in texts:
        yield from (text[sentence.starts[0] : sentence.ends[-1]] for sentence in split(text))


def _time_actors(
    config: MeasureThroughput, sample: CorpusPlan, dtype: str, cores: int, scratch: str
) -> list[dict[str, Any]]:
    """Run the shard map of tag_corpus with each number of actors."""
    powers = [2**k for k in range(cores.bit_length()) if 2**k < cores]
    counts = config.actors or (*powers, cores)
    arguments = {"student": config.student, "dtype": dtype}
    rates: dict[int, list[float]] = {count: [] for count in counts}
    memory = dict.fromkeys(counts, 0)
    for number in range(config.rounds):
        for count in counts:
            directory = RunDirectory.open(
                f"{scratch}/entities-{number}-{count}", {}, {"files": [shard.name for shard in sample.shards]}
            )
            actors = Actors(count=count, gpus=0)
            done = shard_map(
                "tag_corpus", sample, directory, TagDocuments, arguments, ENTITIES, actors=actors, use_gpu=False
            )
            rates[count].append(done["words_per_second"])
            memory[count] = max(memory[count], done["actor_peak_memory_mb"])
    return [{"actors": count, **_spread(rates[count]), "actor_peak_memory_mb": memory[count]} for count in counts]


def _time_peers(
    config: MeasureThroughput, teachers: dict[str, str], texts: list[str], cores: int
) -> list[dict[str, Any]]:
    """Run peers on documents of the same sample."""
    rows = []
    documents = texts[-config.peer_documents :]
    if "spacy" in config.peers:
        training = texts[:SPACY_TRAINING_DOCUMENTS]
        tagged = Student.from_pretrained(config.student).tag(training)
        with Crew(1, SpacyPeer, training, tagged, processes=cores) as crew:
            rates = [crew.ask("words_per_second", documents)[0] for _ in range(config.rounds)]
        rows.append({"peer": f"spaCy's ner, nlp.pipe(n_process={cores})", **_spread(rates)})
    if "transformers" in config.peers and teachers:
        name, folder = next(iter(teachers.items()))
        few = documents[-max(1, config.peer_documents // 50) :]
        with Crew(1, TransformersPeer, folder, "float32", device=torch.device("cpu"), threads=cores) as crew:
            rates = [crew.ask("words_per_second", few)[0] for _ in range(config.rounds)]
        rows.append({"peer": f"transformers pipeline, {name}, float32", **_spread(rates)})
    return rows


def _spread(rates: list[float]) -> dict[str, float]:
    return {"words_per_second": float(np.median(rates)), "least": min(rates), "most": max(rates)}


def main(config: MeasureThroughput) -> None:
    """Do the job and print its tables."""
    print(throughput_report(measure_throughput(config)))
    print(f"\n{Path(config.out) / 'throughput.png'}")


if __name__ == "__main__":
    run(MeasureThroughput, main)
