"""How fast a teacher scores documents, against what the machine can do and against the transformers pipeline.

Everything is measured in one process, in turns: the matrix-product peak, kdner, the peer, and again. Words are
white-space separated words of the original text. Nothing here needs Ray, so it runs on a bare machine as well.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any, cast

import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer, BertConfig

from kdner.data.corpus import CorpusPlan, read_shard
from kdner.data.corpus_slices import SliceReader
from kdner.device import dtype_name
from kdner.measuring.flops import encoder_flops, matmul_peak
from kdner.measuring.peers import TransformersPeer
from kdner.runs.run_directory import RunDirectory
from kdner.runs.schema import LOGITS
from kdner.teacher.encoder import encoder_path
from kdner.teacher.model import BATCH_PIECES, Teacher
from kdner.teacher.pieces import batch_windows
from kdner.teacher.score_documents import ScoreDocuments
from kdner.text.words import count_words, split

SHAPES: dict[str, dict[str, Any]] = {
    "bert-base": {
        "hidden_size": 768,
        "num_hidden_layers": 12,
        "num_attention_heads": 12,
        "intermediate_size": 3072,
    },
    "bert-large": {
        "hidden_size": 1024,
        "num_hidden_layers": 24,
        "num_attention_heads": 16,
        "intermediate_size": 4096,
    },
}
"""True shapes, for measurements with random weights, 9 labels and MiniLM's vocabulary (that of BERT uncased)."""


def random_teacher(shape: str, folder: str | Path) -> None:
    """Write a teacher of a true shape with random weights."""
    torch.manual_seed(0)
    names = ["O", *(f"{prefix}-T{i}" for i in range(4) for prefix in "BI")]
    labels: dict[str, Any] = {"id2label": dict(enumerate(names)), "label2id": {name: i for i, name in enumerate(names)}}
    model = AutoModelForTokenClassification.from_config(BertConfig(**SHAPES[shape], **labels))
    Teacher(model, AutoTokenizer.from_pretrained(encoder_path("minilm"))).save(folder)


def teacher_or_shape(name: str, scratch: str) -> str:
    """Return the directory of a teacher; of a name of `SHAPES`, one that is written to a folder `scratch`.

    Raises:
        InputError: it is neither.
    """
    folder = name
    if name in SHAPES:
        folder = f"{scratch}/{name}"
        random_teacher(name, folder)
    Teacher.read_labels(folder)
    return folder


def measure_scoring(
    teacher: str, plan: CorpusPlan, *, dtype: torch.dtype, threads: int, rounds: int = 3, peer_documents: int = 0
) -> dict[str, Any]:
    """Time reading, splitting, tokenizing, scoring and writing of a corpus, shard by shard.

    Args:
        teacher: its directory.
        plan: the corpus.
        dtype: the teacher's numeric type.
        threads: CPU threads of this process.
        rounds: how often everything is measured; one shard is scored before, untimed.
        peer_documents: the first so many documents also go through the transformers pipeline, in its default numeric
            type and in `dtype`; 0 leaves it out.

    Returns:
        medians, with the least and the most of each round: `peak_flops` and `flops` per second, `share` of the peak,
        `words_per_second`, `pieces_per_second`, and `peers`; also `padding`, the share of padding in all pieces.
    """
    torch.set_num_threads(threads)
    score = ScoreDocuments([teacher], dtype)
    model = cast("Teacher", score.teachers[0])
    shards = [[text for text in read_shard(plan, shard)["text"].to_pylist() if text] for shard in plan.shards]
    texts = [text for shard in shards for text in shard]
    amount = _amount(model, shards)
    peers = {}
    if peer_documents:
        for kind in dict.fromkeys((torch.float32, dtype)):
            peers[dtype_name(kind)] = TransformersPeer(teacher, kind, device=model.device, threads=threads)
    readings: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        _score_shards(plan, score, RunDirectory(folder), shards=1)
        for _ in range(rounds):
            peak = matmul_peak(model.device, dtype)
            seconds = _score_shards(plan, score, RunDirectory(folder))
            reading = {
                "peak_flops": peak,
                "flops": amount.flops / seconds,
                "share": amount.flops / seconds / peak,
                "words_per_second": amount.words / seconds,
                "pieces_per_second": amount.pieces / seconds,
            }
            for name, peer in peers.items():
                rate = peer.words_per_second(texts[:peer_documents])
                reading[f"pipeline_{name}_words_per_second"] = rate
                reading[f"times_pipeline_{name}"] = amount.words / seconds / rate
            readings.append(reading)
    spread = {key: [reading[key] for reading in readings] for key in readings[0]}
    return {
        "device": torch.cuda.get_device_name() if model.device.type == "cuda" else "cpu",
        "threads": threads,
        "dtype": dtype_name(dtype),
        "words": amount.words,
        "pieces": amount.pieces,
        "padding": 1 - amount.pieces / amount.padded,
        **{key: {"median": median(values), "min": min(values), "max": max(values)} for key, values in spread.items()},
    }


@dataclass(frozen=True, kw_only=True)
class _Amount:
    """How much work a corpus is."""

    words: int
    """White-space separated."""
    pieces: int
    padded: int
    """Pieces with the padding of their batches."""
    flops: int
    """Operations on the pieces, padding excluded."""


def _amount(teacher: Teacher, shards: Sequence[Sequence[str]]) -> _Amount:
    """Return how much work the texts of each shard are for a teacher."""
    sizes = [_window_sizes(teacher, texts) for texts in shards]
    limit = BATCH_PIECES[teacher.device.type]
    return _Amount(
        words=sum(count_words(text) for texts in shards for text in texts),
        pieces=sum(map(sum, sizes)),
        padded=sum(len(batch) * windows[batch[0]] for windows in sizes for batch in batch_windows(windows, limit)),
        flops=sum(encoder_flops(teacher.model, size) for windows in sizes for size in windows),
    )


def _score_shards(plan: CorpusPlan, score: ScoreDocuments, run: RunDirectory, shards: int | None = None) -> float:
    """Score the first so many shards, by default all, and write their files; returns seconds."""
    started = time.perf_counter()
    reader = SliceReader(plan.text_column)
    for shard in islice(plan.shards, shards):
        run.write_table(shard.name, score(read_shard(plan, shard, reader)), LOGITS)
    return time.perf_counter() - started


def _window_sizes(teacher: Teacher, texts: Sequence[str]) -> list[int]:
    """Return the pieces of each window that the texts are cut into."""
    sentences = (sentence.words for text in texts for sentence in split(text))
    return [len(window.pieces) for words in sentences for window in teacher.pieces.windows(words)]
