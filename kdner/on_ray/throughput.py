"""Measuring in several processes at once: taggers side by side, and the shard map by its number of actors.

Words are white-space separated words of the original text. `kdner.measuring.student_speed` and
`kdner.measuring.teacher_speed` hold what is timed in one process.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
import torch

from kdner.corpora.plan import CorpusPlan, read_shard
from kdner.device import dtype_name, dtype_of
from kdner.flags import Actors
from kdner.measuring.peers import SpacyPeer, TransformersPeer
from kdner.measuring.student_speed import StudentTimer, TeacherTimer
from kdner.on_ray.cluster import Crew, in_fresh_process
from kdner.on_ray.pool import teachers_type
from kdner.on_ray.shard_actor import ShardActor
from kdner.on_ray.shard_map import shard_map
from kdner.runs.run_directory import RunDirectory
from kdner.shards.work import ShardWork
from kdner.student.engine import NumericType
from kdner.student.model import Student
from kdner.student.tag_documents import TagDocuments
from kdner.teacher.score_documents import ScoreDocuments
from kdner.text.words import split

WARM_UP_DOCUMENTS = 500
SPACY_TRAINING_DOCUMENTS = 100
PIPELINE_SHARE = 50
"""The transformers pipeline gets one document in so many of those that spaCy gets."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Amounts:
    """How much is measured, and beside what: flags of measure_throughput."""

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
    rounds: int = 3
    """How often everything is measured, in turns; medians are reported."""


@dataclass(frozen=True, kw_only=True)
class Bench:
    """What is measured, and where."""

    student: str
    """Student directory."""
    dtype: NumericType
    """The student's numeric type."""
    teachers: Mapping[str, str]
    """Teacher directories, by the names that rows show."""
    sample: CorpusPlan
    """The documents."""
    cores: int
    """CPU cores of the node."""

    def texts(self) -> list[str]:
        """Read the texts of the documents that have one."""
        texts = (text for shard in self.sample.shards for text in read_shard(self.sample, shard)["text"].to_pylist())
        return [text for text in texts if text and not text.isspace()]


def time_batches(bench: Bench, texts: Sequence[str], amounts: Amounts) -> list[dict[str, Any]]:
    """Time the student and all teachers in turns; returns a row for each of them and each batch size."""
    sentences = list(islice(_sentences(reversed(texts)), amounts.sentences))
    readings: dict[tuple[int, str], list[list[tuple[int, list[float]]]]] = {}
    with ExitStack() as stack:
        timers = {name: stack.enter_context(crew) for name, crew in _timers(bench, texts, sentences)}
        for number in range(amounts.rounds):
            for batch in amounts.batches:
                logger.info("round %d of %d: batches of %d", number + 1, amounts.rounds, batch)
                for name, timer in timers.items():
                    most = () if name == "student" else (max(4, amounts.teacher_sentences // batch),)
                    readings.setdefault((batch, name), []).append(timer.ask("time", batch, *most))
    rows = []
    for (batch, name), rounds in readings.items():
        rates = [sum(words / sum(seconds) for words, seconds in processes) for processes in rounds]
        latencies = [1000 * latency for processes in rounds for _, seconds in processes for latency in seconds]
        p50, p99 = np.percentile(latencies, [50, 99]).tolist()
        rows.append({"batch": batch, "model": name, **_spread(rates), "p50_ms": p50, "p99_ms": p99})
    return rows


def _timers(bench: Bench, texts: Sequence[str], sentences: Sequence[str]) -> Iterator[tuple[str, Crew]]:
    """Start the processes that are timed, one after the other: the student's, on each core, and two of each teacher."""
    warm_up = texts[:WARM_UP_DOCUMENTS]
    yield "student", Crew(bench.cores, StudentTimer, bench.student, bench.dtype, warm_up, sentences)
    fastest = dtype_of(teachers_type(Actors(), use_gpu=False))
    for name, folder in bench.teachers.items():
        for dtype, sort in ((torch.float32, False), (fastest, True)):
            shown = f"{name}, {dtype_name(dtype)}{', sorted' if sort else ''}"
            yield shown, Crew(1, TeacherTimer, folder, dtype, sentences, sort=sort, threads=bench.cores)


def _sentences(texts: Iterable[str]) -> Iterator[str]:
    for text in texts:
        yield from (text[sentence.starts[0] : sentence.ends[-1]] for sentence in split(text))


def time_actors(bench: Bench, amounts: Amounts) -> list[dict[str, Any]]:
    """Run the shard map of tag_corpus with each number of actors; returns a row for each."""
    powers = [2**k for k in range(bench.cores.bit_length()) if 2**k < bench.cores]
    counts = amounts.actors or (*powers, bench.cores)
    arguments = {"student": bench.student, "dtype": bench.dtype}
    rates: dict[int, list[float]] = {count: [] for count in counts}
    memory = dict.fromkeys(counts, 0)
    with TemporaryDirectory() as scratch:
        for number in range(amounts.rounds):
            for count in counts:
                work = ShardWork(
                    job="tag_corpus",
                    actor=TagDocuments,
                    arguments=arguments,
                    actors=Actors(count=count, gpus=0),
                    use_gpu=False,
                )
                summary = _map_sample(bench.sample, f"{scratch}/entities-{number}-{count}", work)
                rates[count].append(summary["words_per_second"])
                memory[count] = max(memory[count], summary["actor_peak_memory_mb"])
    return [{"actors": count, **_spread(rates[count]), "actor_peak_memory_mb": memory[count]} for count in counts]


def time_peers(bench: Bench, texts: Sequence[str], amounts: Amounts) -> list[dict[str, Any]]:
    """Run peers on documents of the same sample; returns a row for each."""
    rows = []
    documents = texts[-amounts.peer_documents :]
    if "spacy" in amounts.peers:
        training = texts[:SPACY_TRAINING_DOCUMENTS]
        tagged = Student.from_pretrained(bench.student).tag(training)
        with Crew(1, SpacyPeer, training, tagged, processes=bench.cores) as crew:
            rates = [crew.ask("words_per_second", documents)[0] for _ in range(amounts.rounds)]
        rows.append({"peer": f"spaCy's ner, nlp.pipe(n_process={bench.cores})", **_spread(rates)})
    if "transformers" in amounts.peers and bench.teachers:
        name, folder = next(iter(bench.teachers.items()))
        few = documents[-max(1, amounts.peer_documents // PIPELINE_SHARE) :]
        cpu = torch.device("cpu")
        with Crew(1, TransformersPeer, folder, torch.float32, device=cpu, threads=bench.cores) as crew:
            rates = [crew.ask("words_per_second", few)[0] for _ in range(amounts.rounds)]
        rows.append({"peer": f"transformers pipeline, {name}, float32", **_spread(rates)})
    return rows


def _spread(rates: Sequence[float]) -> dict[str, float]:
    return {"words_per_second": float(np.median(rates)), "least": min(rates), "most": max(rates)}


def compare_with_loop(
    sample: CorpusPlan, teacher: str, dtype: torch.dtype, counts: Sequence[int], *, words: int, rounds: int
) -> list[dict[str, float]]:
    """Time precompute_logits by its number of actors, of one core each, against a plain loop on one core.

    Args:
        sample: the documents.
        teacher: its directory.
        dtype: its numeric type.
        counts: numbers of actors.
        words: white-space separated words of the sample.
        rounds: how often everything is measured, in turns.

    Returns:
        for each round and number `actors`, `words_per_second`, and `times_loop`, which is times the loop of its round.
    """
    rows = []
    with TemporaryDirectory() as scratch:
        for number in range(rounds if counts else 0):
            works = [
                ShardWork(
                    job="measure",
                    actor=ScoreDocuments,
                    arguments={"teachers": (teacher,), "dtype": dtype},
                    actors=Actors(count=count, gpus=0),
                    use_gpu=False,
                )
                for count in counts
            ]
            loop = in_fresh_process(_time_loop, sample, RunDirectory(f"{scratch}/{number}-loop"), works[0])
            for count, work in zip(counts, works, strict=True):
                rate = words / _map_sample(sample, f"{scratch}/{number}-{count}", work)["seconds"]
                rows.append({"actors": count, "words_per_second": rate, "times_loop": rate * loop / words})
    return rows


def _time_loop(sample: CorpusPlan, run: RunDirectory, work: ShardWork) -> float:
    """Map all shards in this process, on one thread; returns seconds."""
    torch.set_num_threads(1)
    Path(run.path).mkdir(parents=True)
    actor = ShardActor(run, work)
    started = time.monotonic()
    for shard in sample.shards:
        actor.map_shard(shard)
    return time.monotonic() - started


def _map_sample(sample: CorpusPlan, folder: str, work: ShardWork) -> dict[str, Any]:
    """Run the shard map into a new run directory; returns its summary."""
    directory = RunDirectory.open(folder, {}, {"files": sample.shards.names})
    return shard_map(sample, directory, work)
