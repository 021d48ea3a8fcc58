"""Draws from a corpus: documents at random, and a sample of a corpus as one of its own."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator, Sequence

import pyarrow as pa

from kdner.corpora.plan import CorpusPlan, plan_corpus, read_shard
from kdner.corpora.slices import SliceReader
from kdner.data.encodings import UTF_8
from kdner.data.text_files import warn_of_replaced
from kdner.errors import InputError
from kdner.runs.run_directory import RunDirectory
from kdner.runs.schema import CORPUS
from kdner.text.words import count_words


def draw_documents(plan: CorpusPlan, words: int, seed: int, replaced: Counter[str] | None = None) -> Iterator[pa.Table]:
    """Read shards, and the documents of each, in an order drawn from the seed until they hold `words` words.

    Words are white-space separated. The last table ends with the document that reaches the number. 0 words means the
    whole corpus, in its own order. Each table has schema `kdner.runs.schema.CORPUS`. Characters that were replaced are
    logged at the end, and counted in `replaced`, by file.
    """
    replaced = Counter() if replaced is None else replaced
    try:
        if words == 0:
            reader = SliceReader(plan.text_column, plan.kept)
            yield from (read_shard(plan, shard, reader, replaced) for shard in plan.shards)
            return
        left = words
        draw = random.Random(seed)
        for shard in draw.sample(plan.shards, len(plan.shards)):
            documents = read_shard(plan, shard, replaced=replaced)
            table = documents.take(draw.sample(range(shard.documents), shard.documents))
            for row, text in enumerate(table["text"].to_pylist()):
                left -= count_words(text or "")
                if left <= 0:
                    yield table.slice(0, row + 1)
                    return
            yield table
    finally:
        warn_of_replaced(replaced)


def sample_corpus(
    corpus: Sequence[str],
    folder: str,
    *,
    words: int,
    text_column: str,
    encoding: str = UTF_8,
    shard_documents: int | None = None,
) -> CorpusPlan:
    """Draw whole documents of about `words` white-space separated words into a file of `folder`, and plan its shards.

    Raises:
        InputError: if the corpus holds no documents.
    """
    staging = f"{folder}/.corpus"
    how = {"text_column": text_column, "encoding": encoding, "staging": staging, "out": folder}
    whole = plan_corpus(corpus, shard_documents=100, **how)
    drawn = pa.concat_tables(draw_documents(whole, words, seed=1))
    if not drawn.num_rows:
        raise InputError("--words: the corpus holds no documents to measure on")
    RunDirectory.open(folder, {}).write_table("sample.parquet", drawn, CORPUS)
    return plan_corpus([f"{folder}/sample.parquet"], shard_documents=shard_documents)
