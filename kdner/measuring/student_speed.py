"""How fast a student tags, by itself: batch by batch beside a teacher, step by step, and as texts grow.

These are the processes that `jobs/measure_throughput.py` starts and asks. Words are white-space separated words of the
original text; nothing here needs Ray.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import torch

from kdner.corpora.plan import CorpusPlan, read_shard
from kdner.corpora.slices import SliceReader
from kdner.memory import peak_memory_mb
from kdner.runs.run_directory import RunDirectory
from kdner.runs.schema import CORPUS, ENTITIES
from kdner.student.engine import NumericType
from kdner.student.saved import SavedStudent
from kdner.student.tag_documents import TagDocuments
from kdner.student.tagger import Tagger
from kdner.teacher.model import Teacher
from kdner.teacher.padded_batches import padded
from kdner.text.words import count_words, split

STEPS = ("read", "split", "look up", "LSTM", "decode", "write")
"""What `time_steps` tells apart: to read and write files, and the steps of a tagger. To look up is to encode the words
that were not seen before; the rest of looking up is part of the LSTM, which gathers rows of a table. To decode goes
from emissions to columns of entities."""

LONG_DOCUMENT_CHARACTERS = 5_000_000
SHARD_DOCUMENTS = 1000
WARM_UP_DOCUMENTS = 200


class StudentTimer:
    """A process that tags batches of sentences, as text, on one thread; it has tagged other text before."""

    def __init__(self, student: str, dtype: NumericType, warm_up: Sequence[str], sentences: Sequence[str]) -> None:
        torch.set_num_threads(1)
        self.student = SavedStudent.read(student)
        self.dtype, self.warm_up, self.sentences = dtype, warm_up, sentences

    def time(self, batch: int) -> tuple[int, list[float]]:
        """Tag all sentences, from text to entities; returns their words, and the seconds of each batch."""
        tagger = Tagger(self.student, dtype=self.dtype)
        tagger.tag(self.warm_up)
        seconds = _seconds([partial(tagger.tag, texts) for texts in _batches(self.sentences, batch)])
        return sum(map(count_words, self.sentences)), seconds


class TeacherTimer:
    """A process that labels batches of sentences, as words, on many threads."""

    def __init__(self, teacher: str, dtype: torch.dtype, texts: Sequence[str], *, sort: bool, threads: int) -> None:
        torch.set_num_threads(threads)
        self.teacher = Teacher.load(teacher, dtype=dtype)
        sentences = [
            ([word for sentence in split(text) for word in sentence.words], count_words(text)) for text in texts
        ]
        self.sentences = sorted(sentences, key=lambda sentence: len(sentence[0])) if sort else sentences

    def time(self, batch: int, batches: int) -> tuple[int, list[float]]:
        """Label some of all batches, from words to labels, each padded to its longest sentence.

        They are evenly spread, so that sorted ones are of all lengths. The last one is labeled once before, untimed.

        Args:
            batch: sentences in a batch.
            batches: how many to label.

        Returns:
            their white-space separated words, and the seconds of each.
        """
        every = _batches(self.sentences, batch)
        chosen = [every[k] for k in sorted({(2 * i + 1) * len(every) // (2 * batches) for i in range(batches)})]
        words = [[words for words, _ in sentences] for sentences in chosen]
        self.label(words[-1])
        count = sum(count for sentences in chosen for _, count in sentences)
        return count, _seconds([partial(self.label, sentences) for sentences in words])

    def label(self, sentences: Sequence[Sequence[str]]) -> list[np.ndarray]:
        """Return the label ids of each sentence; all of them in one forward pass."""
        windows = self.teacher.pieces.windows(sentences)
        pieces, mask = padded(windows, np.arange(len(windows.lengths)), self.teacher.tokenizer.pad_token_id)
        with torch.inference_mode():
            labels = self.teacher.model(input_ids=pieces, attention_mask=mask).logits.argmax(dim=2).numpy()
        firsts = windows.firsts - np.repeat(np.cumsum(windows.lengths) - windows.lengths, windows.words)
        rows = np.repeat(np.arange(len(windows.lengths)), windows.words)
        return np.split(labels[rows, firsts], np.cumsum(windows.words)[:-1])


def time_steps(student: str, dtype: NumericType, plan: CorpusPlan) -> dict[str, Any]:
    """Tag a corpus in this process, on one thread, from documents to files of entities.

    Returns:
        `words`; `seconds` of all of it and of each of `STEPS`, the rest being `other`; `peak_memory_mb`; and
        `first_text_seconds`, from a student directory to the entities of a first text.
    """
    torch.set_num_threads(1)
    started = time.perf_counter()
    tag = TagDocuments(student, dtype)
    tag.tagger.tag("Angela Merkel flew to Paris.")
    first = time.perf_counter() - started
    times = tag.tagger.times
    times.reset()
    with TemporaryDirectory() as folder:
        run, reader = RunDirectory(folder), SliceReader(plan.text_column)
        started = time.perf_counter()
        words = 0
        for shard in plan.shards:
            with times.step("read"):
                documents = read_shard(plan, shard, reader)
            entities = tag(documents)
            with times.step("write"):
                run.write_table(shard.name, entities, ENTITIES)
            words += int(entities["words"].to_numpy().sum())
        seconds = time.perf_counter() - started
    steps = {step: times.seconds[step] for step in STEPS}
    return {
        "words": words,
        "seconds": {"all": seconds, **steps, "other": seconds - sum(steps.values())},
        "peak_memory_mb": round(peak_memory_mb()),
        "first_text_seconds": first,
    }


def time_in_turns(taggers: Mapping[str, Tagger], texts: Sequence[str], rounds: int = 3) -> dict[str, float]:
    """Return how many words/s each tagger does on one thread, of texts whose words it has seen before.

    It is the median of rounds in which they take turns, so that what disturbs them, disturbs all of them.
    """
    torch.set_num_threads(1)
    for tagger in taggers.values():
        tagger.tag(texts)
    seconds = [_seconds([partial(tagger.tag, texts) for tagger in taggers.values()]) for _ in range(rounds)]
    words = sum(map(count_words, texts))
    return dict(zip(taggers, words / np.median(seconds, axis=0), strict=True))


def time_growth(
    student: str, dtype: NumericType, documents: Sequence[str], sizes: Sequence[int]
) -> list[dict[str, float]]:
    """Tag more and more words of documents, on one thread, and then a document of `LONG_DOCUMENT_CHARACTERS`.

    Args:
        student: its directory.
        dtype: what it computes in.
        documents: are repeated where they hold too few words; the first of them warm up.
        sizes: words of each measurement.

    Returns:
        `words`, `documents`, `microseconds_per_word` and the process's `peak_memory_mb` so far, for each.
    """
    torch.set_num_threads(1)
    tag = TagDocuments(student, dtype)
    counts = np.array([count_words(text) for text in documents])
    tag(_table(documents[:WARM_UP_DOCUMENTS]))
    rows = []

    def measure(tables: Iterator[pa.Table]) -> None:
        words = count = 0
        seconds = 0.0
        for table in tables:
            started = time.perf_counter()
            words += int(tag(table)["words"].to_numpy().sum())
            seconds += time.perf_counter() - started
            count += table.num_rows
        rows.append(
            {
                "words": words,
                "documents": count,
                "microseconds_per_word": 1e6 * seconds / words,
                "peak_memory_mb": round(peak_memory_mb()),
            }
        )

    for size in sizes:
        repeats = 1 + size // int(counts.sum())
        last = int(np.searchsorted(np.cumsum(np.tile(counts, repeats)), size)) + 1
        measure(_tables(documents, min(last, repeats * len(documents))))
    joined = "\n\n".join(documents)
    long = "\n\n".join([joined] * (1 + LONG_DOCUMENT_CHARACTERS // len(joined)))[:LONG_DOCUMENT_CHARACTERS]
    measure(iter([_table([long])]))
    return rows


def _tables(documents: Sequence[str], count: int) -> Iterator[pa.Table]:
    for first in range(0, count, SHARD_DOCUMENTS):
        last = min(first + SHARD_DOCUMENTS, count)
        yield _table([documents[i % len(documents)] for i in range(first, last)])


def _table(texts: Sequence[str]) -> pa.Table:
    return pa.table({"id": [str(i) for i in range(len(texts))], "text": list(texts)}, schema=CORPUS)


def _batches(items: Sequence[Any], size: int) -> list[Sequence[Any]]:
    return [items[first : first + size] for first in range(0, len(items), size)]


def _seconds(calls: Sequence[Callable[[], object]]) -> list[float]:
    seconds = []
    for call in calls:
        started = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - started)
    return seconds
