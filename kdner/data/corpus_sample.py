"""A sample of a corpus, as a corpus of one file: what measurements work on."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from kdner.data.corpus import CorpusPlan, draw_documents, plan_corpus
from kdner.errors import InputError
from kdner.runs.run_directory import RunDirectory
from kdner.runs.schema import CORPUS


def sample_corpus(
    corpus: Sequence[str], folder: str, *, words: int, text_column: str, shard_documents: int | None = None
) -> CorpusPlan:
    """Draw whole documents of about `words` white-space separated words into a file of `folder`, and plan its shards.

    Raises:
        InputError: if the corpus holds no documents.
    """
    whole = plan_corpus(corpus, text_column=text_column, shard_documents=100, staging=f"{folder}/.corpus")
    drawn = pa.concat_tables(draw_documents(whole, words, seed=1))
    if not drawn.num_rows:
        raise InputError("--words: the corpus holds no documents to measure on")
    RunDirectory.open(folder, {}).write_table("sample.parquet", drawn, CORPUS)
    return plan_corpus([f"{folder}/sample.parquet"], shard_documents=shard_documents)
