"""What a job will take for a whole corpus: words, bytes, hours and cost, estimated from two samples.

Words are cheap to count, so they are counted in whole shards. Speed and bytes of output are those of the job's own
actors on documents drawn at random, in as many processes at once as the job would have. Each actor's time is that of
mapping, and of making Parquet of the result; reading the corpus, starting up and loading the model are not in it.
"""

from __future__ import annotations

import io
import math
import random
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from statistics import fmean
from typing import Any

import pyarrow as pa

from kdner.corpora.draws import draw_documents
from kdner.corpora.plan import CorpusPlan, read_shard
from kdner.errors import InputError
from kdner.runs.parquet import write_parquet
from kdner.text.words import count_words

COUNTED_SHARDS = 16
"""Shards, drawn at random, whose words are counted."""
SAMPLE_SECONDS = 10.0
"""About how long each actor is timed; less where the corpus has no more documents."""
SAMPLED_ACTORS = 64
"""Actors that are timed at most: about as many as share the caches and the memory of one node."""
WARM_UP_SECONDS = 1.0
"""An actor maps growing samples before it is timed, until one takes this long."""
WARM_UP_WORDS = 500
"""White-space separated words of the first of these."""


@dataclass(frozen=True, kw_only=True)
class Sample:
    """What one actor did while it was timed."""

    documents: int
    words: int
    """White-space separated."""
    seconds: float
    output_bytes: int
    """Bytes of Parquet, as the job writes it."""


class Sampler:
    """Times an actor on documents of a corpus; each seed draws others."""

    def __init__(
        self,
        plan: CorpusPlan,
        actor: Callable[..., Callable[[pa.Table], pa.Table]],
        arguments: Mapping[str, Any],
        seed: int,
        at_once: int = 1,
    ) -> None:
        """Build the actor, as `actor(**arguments)`; `at_once` threads of it map a shard each."""
        self.plan, self.seed, self.at_once = plan, seed, at_once
        self.map_table = actor(**arguments)

    def warm_up(self) -> int:
        """Map growing samples of other documents; returns how many words take about `SAMPLE_SECONDS`."""
        seed = self.seed + SAMPLED_ACTORS
        self._map(WARM_UP_WORDS, seed)  # a first call may compile or allocate, so that its time tells nothing
        words = WARM_UP_WORDS
        while (sample := self._map(words, seed)).seconds < WARM_UP_SECONDS and sample.words >= words:
            words *= 2
        return max(1, round(sample.words * SAMPLE_SECONDS / sample.seconds))

    def sample(self, words: int) -> Sample:
        """Map documents that hold `words` words, or all of a smaller corpus, shard by shard."""
        return self._map(words, self.seed)

    def _map(self, words: int, seed: int) -> Sample:
        tables = list(draw_documents(self.plan, words, seed))
        started = time.perf_counter()
        with ThreadPoolExecutor(self.at_once) as threads:
            output_bytes = sum(threads.map(self._output_bytes, tables))
        seconds = time.perf_counter() - started
        documents, counted = sum(table.num_rows for table in tables), sum(map(_words, tables))
        return Sample(documents=documents, words=counted, seconds=seconds, output_bytes=output_bytes)

    def _output_bytes(self, table: pa.Table) -> int:
        file = io.BytesIO()
        write_parquet(self.map_table(table).combine_chunks(), file)
        return file.tell()


def estimate_words(plan: CorpusPlan, seed: int = 0) -> int:
    """Estimate the white-space separated words of a corpus from `COUNTED_SHARDS` shards; exact if it has no more.

    It is an estimate by words per byte of text, as the plan counts the bytes of all shards: where they count more than
    text, such as the keys of JSON, they do so in the counted shards too.
    """
    drawn = random.Random(seed).sample(plan.shards, min(COUNTED_SHARDS, len(plan.shards)))
    words = sum(_words(read_shard(plan, shard)) for shard in drawn)
    counted_bytes = max(1, sum(shard.text_bytes for shard in drawn))
    return round(words * int(plan.shards.text_bytes.sum()) / counted_bytes)


def extrapolate(
    samples: Sequence[Sample],
    *,
    shards: int,
    documents: int,
    words: int,
    actors: int,
    price_per_hour: float | None = None,
) -> dict[str, Any]:
    """Estimate what the whole corpus takes; `hours` are those of the actor that has most of the shards.

    Args:
        samples: of actors that were timed at the same time.
        shards: of the corpus.
        documents: of the corpus.
        words: of the corpus.
        actors: how many share it.
        price_per_hour: of the whole cluster; without it there is no `cost`.

    Raises:
        InputError: if the samples hold no words.
    """
    sampled_words = sum(sample.words for sample in samples)
    if not sampled_words:
        raise InputError(
            "--estimate: the documents drawn from the corpus hold no words; is --text-column the right one?"
        )
    bytes_per_word = sum(sample.output_bytes for sample in samples) / sampled_words
    speed = fmean(sample.words / sample.seconds for sample in samples)
    hours = math.ceil(shards / actors) / shards * words / speed / 3600
    return {
        "shards": shards,
        "documents": documents,
        "words": words,
        "output_bytes": round(words * bytes_per_word),
        "bytes_per_word": bytes_per_word,
        "actors": actors,
        "words_per_second_per_actor": speed,
        "words_per_second": speed * actors,
        "hours": hours,
        "cost": None if price_per_hour is None else hours * price_per_hour,
        "sample": {
            "actors": len(samples),
            "documents": sum(sample.documents for sample in samples),
            "words": sampled_words,
            "seconds": max(sample.seconds for sample in samples),
        },
    }


def estimate_report(estimate: dict[str, Any]) -> str:
    """Lay out what `kdner.on_ray.pool.estimate_corpus` returned."""
    sample = estimate["sample"]
    lines = {
        "shards": f"{estimate['shards']:,}",
        "documents": f"{estimate['documents']:,}",
        "words": f"{estimate['words']:,} (white-space separated, estimated)",
        "output": f"{estimate['output_bytes'] / 1e6:,.1f} MB, {estimate['bytes_per_word']:.2f} bytes a word",
        "actors": f"{estimate['actors']:,}, each with CPU cores: {estimate['cpus_per_actor']}, "
        f"GPUs: {estimate['gpus_per_actor']:g}",
        "words/s": f"{estimate['words_per_second_per_actor']:,.0f} an actor, "
        f"{estimate['words_per_second']:,.0f} together",
        "hours": f"{estimate['hours']:,.3f} for the whole corpus, starting up not counted",
        "cost": "give --price-per-hour" if estimate["cost"] is None else f"{estimate['cost']:,.2f}",
        "derived from": f"{sample['documents']:,} documents, {sample['words']:,} words, {sample['seconds']:.1f} s "
        f"on {sample['actors']:,} actors at once",
    }
    return "\n".join(f"{name:<14}{value}" for name, value in lines.items())


def _words(table: pa.Table) -> int:
    return sum(count_words(text) for text in table["text"].to_pylist() if text)
