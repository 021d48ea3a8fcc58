r"""Write a finished student once more, in less room.

Reads   a student; with --corpus also the documents whose words it is to keep
Writes  a student directory: config.json, model.safetensors, vocabulary.json, README.md, and those of a run
Needs   one core; no cluster

    python jobs/shrink_student.py runs/student --weights int8 --out runs/small
    python jobs/shrink_student.py runs/student --corpus news/ --min-count 2 --out runs/smaller
"""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import tyro

from kdner.corpora.plan import CorpusPlan, plan_corpus, read_shard
from kdner.corpora.slices import SliceReader
from kdner.errors import InputError
from kdner.flags import Encoded
from kdner.on_ray.console import say
from kdner.on_ray.job import once, run_job, shown_path
from kdner.runs.fingerprint import hash_of_files
from kdner.runs.hub import CARD, model_folder, pinned
from kdner.runs.run_directory import RunDirectory
from kdner.runs.storage import join
from kdner.student.model import Student
from kdner.student.pruning import pruned
from kdner.student.saved import MODEL_FILES, WeightsType
from kdner.student.vocabulary import Vocabulary
from kdner.text.words import split, splitter_fingerprint

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class ShrinkStudent(Encoded):
    """Write a finished student once more, in less room."""

    student: tyro.conf.Positional[str]
    """Student directory, or a student of the Hugging Face hub."""
    weights: WeightsType = "bfloat16"
    """Numeric type of the weights on disk: float32; bfloat16, half of that; or int8, little more than a quarter, with
    the word table in 8 bits and the rest in bfloat16. Tagging is as fast with each."""
    corpus: tuple[str, ...] = ()
    """Documents whose words it keeps: files, folders or globs of Parquet, JSONL or plain text, and
    hf:NAME[/CONFIG][:SPLIT]. By default it keeps its whole vocabulary."""
    text_column: str = "text"
    """Column, or JSON key, of a document's text; a.b is the field b of a column a of structs."""
    hard_wrapped: bool = False
    """The lines of the documents end in the middle of sentences, as in mails and old text files."""
    min_count: int = 1
    """With --corpus: how often words, and pieces of words, are used there at least, to be kept. With 1 the corpus is
    tagged as before; other words lose something. The pieces that spell any word are always kept."""
    max_parameters: int | None = None
    """With --corpus: limit for the whole student, which the words and pieces that are used most are kept within."""
    out: str
    """Folder for the student."""

    def __post_init__(self) -> None:
        if not self.corpus and (self.min_count != 1 or self.max_parameters is not None):
            raise InputError("--min-count, --max-parameters: need a --corpus, which says how often words are used")
        if self.min_count < 1:
            raise InputError(f"--min-count {self.min_count}: must be at least 1")


def shrink_student(config: ShrinkStudent) -> dict[str, Any]:
    """Do the job; returns its summary."""
    name = pinned(config.student, MODEL_FILES)
    student = Student.from_pretrained(name)
    source = model_folder(name, MODEL_FILES)
    plan: CorpusPlan | None = None
    if config.corpus:
        how = {"text_column": config.text_column, "encoding": config.encoding, "ids": "trust"}
        plan = plan_corpus(config.corpus, staging=join(config.out, ".corpus"), out=config.out, **how)
    fingerprint = {
        "job": "shrink_student",
        "student": hash_of_files(str(source), MODEL_FILES),
        "weights": config.weights,
        "corpus": plan.content_fingerprint() if plan else None,
        "min_count": config.min_count,
        "max_parameters": config.max_parameters,
        **splitter_fingerprint(student.language, hard_wrapped=config.hard_wrapped),
    }

    def work(directory: RunDirectory) -> dict[str, Any]:
        smaller = student
        if plan:
            counts = _count_words(plan, student.language, hard_wrapped=config.hard_wrapped)
            kept = pruned(student, counts, min_count=config.min_count, max_parameters=config.max_parameters)
            smaller = Student.of(kept, student.card)
        folder = directory.local_path
        smaller.save_pretrained(folder, dtype=config.weights)
        sizes = {"before": _size(source, student), "after": _size(folder, smaller)}
        if _is_larger(sizes):
            logger.warning(
                "%s: takes more room than %s, whose weights are of a smaller type than %s; int8 is the smallest",
                shown_path(config.out),
                config.student,
                config.weights,
            )
        with (folder / CARD).open("a", encoding="utf-8") as card:
            card.write(_note(sizes, config.weights, pruned=plan is not None))
        return sizes

    files = [*MODEL_FILES, CARD]
    summary = once(
        config.out, fingerprint, work, stage="shrink_student", configuration=config, files=files, labels=student.labels
    )
    say(f"before: {_said(summary['before'])}\nnow:    {_said(summary['after'])}, in {shown_path(config.out)}")
    return summary


def _count_words(plan: CorpusPlan, language: str, *, hard_wrapped: bool) -> Counter[str]:
    """Count the words of a corpus, as a student is given them."""
    counts: Counter[str] = Counter()
    reader = SliceReader(plan.text_column)
    for shard in plan.shards:
        for text in filter(None, read_shard(plan, shard, reader)["text"].to_pylist()):
            for sentence in split(text, language, hard_wrapped=hard_wrapped):
                counts.update(sentence.words)
    return counts


def _size(folder: Path, student: Student) -> dict[str, int]:
    vocabulary: Vocabulary = student.vocabulary
    return {
        "bytes": sum((folder / name).stat().st_size for name in MODEL_FILES),
        "parameters": student.parameters_count,
        "vocabulary_words": len(vocabulary.words),
        "vocabulary_pieces": len(vocabulary.beginnings) + len(vocabulary.continuations),
    }


def _said(size: dict[str, int]) -> str:
    return (
        f"{size['bytes'] / 1e6:.2f} MB, {size['parameters']:,} parameters, {size['vocabulary_words']:,} words, "
        f"{size['vocabulary_pieces']:,} pieces"
    )


def _is_larger(sizes: dict[str, dict[str, int]]) -> bool:
    """Tell whether the student takes more room than before; the words of its files may differ by a few bytes."""
    return sizes["after"]["bytes"] > 1.01 * sizes["before"]["bytes"]


def _note(sizes: dict[str, dict[str, int]], weights: WeightsType, *, pruned: bool) -> str:
    """Return what the card adds: what it says above is true of the student before."""
    words = ", with the words and pieces of a corpus only" if pruned else ""
    is_smaller = sizes["after"]["bytes"] < sizes["before"]["bytes"]
    title = "Made larger" if _is_larger(sizes) else "Made smaller" if is_smaller else "Written once more"
    return (
        f"\n## {title}\n\nThis is that student with weights in {weights}{words}; its figures above were measured "
        f"before.\n\n- Before: {_said(sizes['before'])}\n- Now: {_said(sizes['after'])}\n"
    )


if __name__ == "__main__":
    run_job(ShrinkStudent, shrink_student)
