"""How fast a teacher scores documents, against what the machine can do and against the transformers pipeline.

Everything is measured in one process, in turns: the matrix-product peak, kdner, its forward passes alone, the peer, and
again. Words are white-space separated words of the original text. Nothing here needs Ray, so that a machine with a GPU,
torch, transformers and pyarrow is enough:

    python -m kdner.measuring.teacher_speed --corpus news.parquet --teacher bert-base
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from statistics import median
from typing import Any, cast

import numpy as np
import torch
from transformers import AutoModelForTokenClassification, BertConfig

from kdner.corpora.draws import sample_corpus
from kdner.corpora.plan import CorpusPlan, read_shard
from kdner.corpora.slices import SliceReader
from kdner.corpora.tables import Shard
from kdner.device import GPU_SHARDS_AT_ONCE, best_device, best_dtype, dtype_name, dtype_of
from kdner.errors import InputError
from kdner.measuring.flops import encoder_flops, matmul_peak
from kdner.measuring.peers import TransformersPeer
from kdner.measuring.reports import speed_report
from kdner.runs.run_directory import RunDirectory
from kdner.runs.schema import LOGITS
from kdner.teacher.encoder import model_folder
from kdner.teacher.model import Teacher
from kdner.teacher.packed_rows import PackedRows, cut_rows
from kdner.teacher.padded_batches import PaddedBatches
from kdner.teacher.pieces import Windows
from kdner.teacher.score_documents import ScoreDocuments
from kdner.teacher.tokenizers import load_tokenizer
from kdner.text.splitter import Sentences, Splitter
from kdner.text.words import count_words

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


def random_teacher(shape: str, folder: str | Path, tokenizer: str = "minilm") -> None:
    """Write a teacher of a true shape with random weights, and the tokenizer of an encoder."""
    torch.manual_seed(0)
    names = ["O", *(f"{prefix}-T{i}" for i in range(4) for prefix in "BI")]
    labels: dict[str, Any] = {"id2label": dict(enumerate(names)), "label2id": {name: i for i, name in enumerate(names)}}
    model = AutoModelForTokenClassification.from_config(BertConfig(**SHAPES[shape], **labels))
    Teacher(model, load_tokenizer(str(model_folder(tokenizer)))).save(folder)


def teacher_or_shape(name: str, scratch: str, tokenizer: str = "minilm") -> str:
    """Return the directory of a teacher; of a name of `SHAPES`, one that is written to a folder `scratch`.

    Raises:
        InputError: it is neither.
    """
    folder = name
    if name in SHAPES:
        folder = f"{scratch}/{name}"
        random_teacher(name, folder, tokenizer)
    Teacher.read_labels(folder)
    return folder


def measure_scoring(
    teacher: str,
    plan: CorpusPlan,
    *,
    dtype: torch.dtype,
    threads: int,
    rounds: int = 3,
    passes: int = 1,
    peer_documents: int = 0,
) -> dict[str, Any]:
    """Time reading, splitting, tokenizing, scoring and writing of a corpus, shard by shard.

    Args:
        teacher: its directory.
        plan: the corpus.
        dtype: the teacher's numeric type.
        threads: CPU threads of this process.
        rounds: how often everything is measured; one shard is scored before, untimed.
        passes: how often a round goes over all shards, without a stop between.
        peer_documents: the first so many documents also go through the transformers pipeline, in its default numeric
            type and in `dtype`; 0 leaves it out.

    Returns:
        medians, with the least and the most of each round: `peak_flops` and `flops` per second, `share` of the peak,
        `forward_share`, that of the forward passes alone, `words_per_second`, `pieces_per_second`, and those of the
        peers; `steps`, the share of its threads' time that each step took; also `fill`, the share of pieces in what the
        model was given, the rest being padding, and `warm_up_seconds`.
    """
    torch.set_num_threads(threads)
    score = ScoreDocuments([teacher], dtype)
    model = cast("Teacher", score.teachers[0])
    at_once = GPU_SHARDS_AT_ONCE if model.device.type == "cuda" else 1
    texts = [text for shard in plan.shards for text in read_shard(plan, shard)["text"].to_pylist() if text]
    words = sum(map(count_words, texts))
    windows = [_windows(model, read_shard(plan, shard)["text"].to_pylist()) for shard in plan.shards]
    sizes = np.concatenate([part.lengths for part in windows])
    pieces, flops = int(sizes.sum()), encoder_flops(model.model, sizes)
    peers = {}
    if peer_documents:
        for kind in dict.fromkeys((torch.float32, dtype)):
            peers[dtype_name(kind)] = TransformersPeer(teacher, kind, device=model.device, threads=threads)
    readings: list[dict[str, float]] = []
    with tempfile.TemporaryDirectory() as folder:
        started = time.perf_counter()
        _score_shards(plan, plan.shards[:1], score, folder, at_once=1)
        warm_up = time.perf_counter() - started
        score.times.reset()
        for _ in range(rounds):
            peak = matmul_peak(model.device, dtype)
            seconds = _score_shards(plan, plan.shards, score, folder, at_once=at_once, passes=passes) / passes
            reading = {
                "peak_flops": peak,
                "flops": flops / seconds,
                "share": flops / seconds / peak,
                "forward_share": flops / _forward_seconds(model, windows) / peak,
                "words_per_second": words / seconds,
                "pieces_per_second": pieces / seconds,
            }
            for name, peer in peers.items():
                rate = peer.words_per_second(texts[:peer_documents])
                reading[f"pipeline_{name}_words_per_second"] = rate
                reading[f"times_pipeline_{name}"] = words / seconds / rate
            readings.append(reading)
    spread = {key: [reading[key] for reading in readings] for key in readings[0]}
    spent = sum(score.times.seconds.values())
    return {
        "device": torch.cuda.get_device_name() if model.device.type == "cuda" else "cpu",
        "engine": type(model.engine).__name__,
        "threads": threads,
        "shards_at_once": at_once,
        "passes": passes,
        "dtype": dtype_name(dtype),
        "words": words,
        "pieces": pieces,
        "windows": len(sizes),
        "fill": pieces / sum(_given(model, part) for part in windows),
        "warm_up_seconds": warm_up,
        "steps": {name: seconds / spent for name, seconds in score.times.seconds.items()},
        **{key: {"median": median(values), "min": min(values), "max": max(values)} for key, values in spread.items()},
    }


def _score_shards(
    plan: CorpusPlan, shards: Sequence[Shard], score: ScoreDocuments, folder: str, *, at_once: int, passes: int = 1
) -> float:
    """Score shards and write their files, as so many threads of an actor do; returns seconds.

    Each pass over the shards writes into a run directory of its own.
    """
    reader = SliceReader(plan.text_column)
    runs = [Path(folder, str(number)) for number in range(passes)]
    for run in runs:
        run.mkdir(exist_ok=True)
    work = [(shard, RunDirectory(str(run))) for run in runs for shard in shards]

    def score_shard(shard: Shard, run: RunDirectory) -> None:
        with score.times.step("read"):
            documents = read_shard(plan, shard, reader)
        logits = score(documents)
        with score.times.step("write"):
            run.write_table(shard.name, logits, LOGITS)

    started = time.perf_counter()
    with ThreadPoolExecutor(at_once) as threads:
        list(threads.map(score_shard, *zip(*work, strict=True)))
    return time.perf_counter() - started


def _forward_seconds(teacher: Teacher, windows: Sequence[Windows]) -> float:
    """Run the model alone; returns seconds."""
    started = time.perf_counter()
    for part in windows:
        teacher.engine(part, len(teacher.labels), lambda output: output.logits, torch.float16)
    if teacher.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - started


def _windows(teacher: Teacher, texts: Sequence[str | None]) -> Windows:
    """Return the windows that the texts of a shard are cut into."""
    splitter = Splitter()
    words = splitter.split([text for text in texts if text])
    return teacher.pieces.windows(Sentences(splitter.types, words.types, words.lengths))


def _given(teacher: Teacher, windows: Windows) -> int:
    """Return the pieces that the model is given, with padding."""
    engine = teacher.engine
    if isinstance(engine, PackedRows):
        return len(list(cut_rows(windows, engine.row_pieces))) * engine.row_pieces
    if isinstance(engine, PaddedBatches):
        return sum(count * size for _, (count, size) in engine.shapes(windows.lengths))
    return len(windows.pieces)


def main() -> None:
    """Measure, print a table and write measurement.json."""
    flags = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    flags.add_argument("--corpus", nargs="+", required=True, help="files, folders or globs of a corpus")
    flags.add_argument("--text-column", default="text", help="column, or JSON key, of a document's text")
    flags.add_argument("--words", type=int, default=5_000_000, help="words to draw from it, in whole documents")
    flags.add_argument("--shard-documents", type=int, help="documents in one shard; by default as in precompute_logits")
    flags.add_argument(
        "--teacher", default="bert-base", help="teacher directory, or bert-base or bert-large: the shape"
    )
    flags.add_argument("--tokenizer", default="minilm", help="encoder whose tokenizer a shape gets")
    flags.add_argument("--dtype", choices=["float32", "bfloat16"], help="by default what the device is fastest at")
    flags.add_argument("--threads", type=int, default=torch.get_num_threads(), help="threads of a product on a CPU")
    flags.add_argument("--rounds", type=int, default=3, help="how often everything is measured")
    flags.add_argument("--passes", type=int, default=1, help="how often a round goes over the words, without a stop")
    flags.add_argument("--peer-documents", type=int, default=0, help="documents for the transformers pipeline")
    flags.add_argument("--out", default="measurement.json", help="file for all figures")
    given = flags.parse_args()
    dtype = dtype_of(given.dtype) if given.dtype else best_dtype(best_device())
    with tempfile.TemporaryDirectory() as scratch:
        try:
            teacher = teacher_or_shape(given.teacher, scratch, given.tokenizer)
            plan = sample_corpus(
                given.corpus,
                f"{scratch}/sample",
                words=given.words,
                text_column=given.text_column,
                shard_documents=given.shard_documents,
            )
            measurements = measure_scoring(
                teacher,
                plan,
                dtype=dtype,
                threads=given.threads,
                rounds=given.rounds,
                passes=given.passes,
                peer_documents=given.peer_documents,
            )
        except InputError as error:
            raise SystemExit(f"error: {error}") from error
    measurements = {"teacher": given.teacher, **measurements, "shard_map": []}
    Path(given.out).write_text(json.dumps(measurements, indent=2) + "\n", "utf-8")
    print(speed_report(measurements))  # noqa: T201 - a program's output


if __name__ == "__main__":
    main()
