"""The transfer set of a trial: cut into the files of its logits, and the part of it that a student learns from."""

from __future__ import annotations

import random
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa

from kdner.distillation.examples import TransferSet
from kdner.runs.run_directory import RunDirectory
from kdner.runs.schema import LOGITS
from kdner.study.specs import REST, StudentSpec

PART_CHARACTERS = 500_000
"""Characters of text that are scored together and lie in one file."""


def transfer_parts(rest: pa.Table, drawn: pa.Table) -> Iterator[tuple[str, pa.Table]]:
    """Cut a transfer set into parts of about `PART_CHARACTERS`, with the names of their files.

    Names of the files of `rest`, the sentences that were not drawn, begin with `REST`; `drawn` is from the corpus.
    """
    for prefix, of_prefix in ((REST, rest), ("part", drawn)):
        characters = np.cumsum([len(text or "") for text in of_prefix["text"].to_pylist()])
        cuts = np.flatnonzero(np.diff(characters // PART_CHARACTERS)) + 1
        bounds = [0, *cuts.tolist(), of_prefix.num_rows]
        for number, (first, last) in enumerate(pairwise(bounds)):
            if last > first:
                yield f"{prefix}-{number:05d}.parquet", of_prefix.slice(first, last - first)


def students_transfer_set(logits: RunDirectory, spec: StudentSpec, folder: Path, seed: int) -> TransferSet:
    """Return the part of a trial's transfer set that a student learns from.

    Args:
        logits: the finished run directory of the logits of all teachers.
        spec: what the student's name says.
        folder: gets the part where it is not the whole transfer set.
        seed: decides which documents are drawn.
    """
    manifest = logits.manifest()
    weights = [float(not spec.teachers or number in spec.teachers) for number in range(1, 1 + manifest["teachers"])]
    files = [
        name for name in logits.files if spec.transfer == "all" or name.startswith(REST) == (spec.transfer == REST)
    ]
    if not spec.transfer_sentences and len(files) == len(logits.files):
        return TransferSet([logits.path], weights)
    tables = list(logits.tables(files=files))
    if spec.transfer_sentences:
        tables = [_sample(pa.concat_tables(tables), spec.transfer_sentences, seed)]
    names = [f"part-{number:05d}.parquet" for number in range(len(tables))]
    described = {"files": names, "labels": manifest["labels"], "teachers": manifest["teachers"]}
    part = RunDirectory.open(str(folder), manifest["fingerprint"], described)
    for name, table in zip(names, tables, strict=True):
        part.write_table(name, table, LOGITS)
    part.finish({})
    return TransferSet([str(folder)], weights)


def _sample(table: pa.Table, sentences: int, seed: int) -> pa.Table:
    """Draw documents until they hold so many sentences; the last one may hold more."""
    lengths = [len(words_of_sentences or ()) for words_of_sentences in table["sentence_words"].to_pylist()]
    order = random.Random(seed).sample(range(len(lengths)), len(lengths))
    last = int(np.searchsorted(np.cumsum([lengths[row] for row in order]), sentences)) + 1
    return table.take(sorted(order[:last])).combine_chunks()
