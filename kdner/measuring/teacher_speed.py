"""How fast a teacher scores documents, against what the machine can do and against the transformers pipeline.

Everything is measured in one process, in turns: the matrix-product peak, kdner, the peer, and again. Words are
white-space separated words of the original text. Nothing here needs Ray, so it runs on a bare machine as well.
"""

from __future__ import annotations

import tempfile
import time
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any, cast

import torch
from transformers import AutoModelForTokenClassification, AutoTokenizer, BertConfig

from kdner.data.corpus import CorpusPlan, read_shard
from kdner.data.corpus_rows import SliceReader
from kdner.measuring.flops import encoder_flops, matmul_peak
from kdner.measuring.peers import TransformersPeer
from kdner.runs.run_directory import RunDirectory
from kdner.runs.schema import LOGITS
from kdner.teacher.model import BATCH_PIECES, Teacher, batch_windows, encoder_path
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


def measure_scoring(
    teacher: str, plan: CorpusPlan, *, dtype: str, threads: int, rounds: int = 3, peer_documents: int = 0
) -> dict[str, Any]:
    """Time reading, splitting, tokenizing, scoring and writing of a corpus, shard by shard.

    Args:
        teacher: its directory.
        plan: the corpus.
        dtype: `float32` or `bfloat16`.
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
    shards = [read_shard(plan, shard)["text"].to_pylist() for shard in plan.shards]
    texts = [text for shard in shards for text in shard if text]
    sizes = [_window_sizes(model, [text for text in shard if text]) for shard in shards]
    padded = sum(len(b) * own[b[0]] for own in sizes for b in batch_windows(own, BATCH_PIECES[model.device.type]))
    pieces = sum(map(sum, sizes))
    flops = sum(encoder_flops(model.model, size) for own in sizes for size in own)
    words = sum(map(count_words, texts))
    peers = {}
    if peer_documents:
        kinds = dict.fromkeys(("float32", dtype))
        peers = {kind: TransformersPeer(teacher, kind, device=model.device, threads=threads) for kind in kinds}
    readings: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        _score_shards(plan, score, RunDirectory(folder), shards=1)
        for _ in range(rounds):
            peak = matmul_peak(model.device, getattr(torch, dtype))
            seconds = _score_shards(plan, score, RunDirectory(folder))
            reading = {
                "peak_flops": peak,
                "flops": flops / seconds,
                "share": flops / seconds / peak,
                "words_per_second": words / seconds,
                "pieces_per_second": pieces / seconds,
            }
            for kind, peer in peers.items():
                rate = peer.words_per_second(texts[:peer_documents])
                reading[f"pipeline_{kind}_words_per_second"] = rate
                reading[f"times_pipeline_{kind}"] = words / seconds / rate
            readings.append(reading)
    spread = {key: [reading[key] for reading in readings] for key in readings[0]}
    return {
        "device": torch.cuda.get_device_name() if model.device.type == "cuda" else "cpu",
        "threads": threads,
        "dtype": dtype,
        "words": words,
        "pieces": pieces,
        "padding": 1 - pieces / padded,
        **{key: {"median": median(values), "min": min(values), "max": max(values)} for key, values in spread.items()},
    }


def _score_shards(plan: CorpusPlan, score: ScoreDocuments, run: RunDirectory, shards: int | None = None) -> float:
    started = time.perf_counter()
    reader = SliceReader(plan.text_column)
    for shard in islice(plan.shards, shards):
        run.write_table(shard.name, score(read_shard(plan, shard, reader)), LOGITS)
    return time.perf_counter() - started


def _window_sizes(teacher: Teacher, texts: list[str]) -> list[int]:
    sentences = (sentence.words for text in texts for sentence in split(text))
    return [len(window.pieces) for words in sentences for window in teacher.pieces.windows(words)]
