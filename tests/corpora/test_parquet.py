from __future__ import annotations

import subprocess
import sys

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from files import put_parquet, rows

from kdner.corpora import parquet as corpus_parquet
from kdner.corpora.plan import plan_corpus

ROWS, BYTES = 600, 1_000_000
PLAN = (
    "import pickle; from kdner.corpora.plan import plan_corpus as plan; made = plan(sys.argv[2:], shard_documents=34);"
)
PLAN += "pickle.dump(made, open(sys.argv[1], 'wb'))"
READ = "import pickle; from kdner.corpora.plan import read_shard; plan = pickle.load(open(sys.argv[1], 'rb'));"
READ += "assert read_shard(plan, plan.shards[3]).nbytes > 34_000_000"


def peak_mb(code, *arguments):
    """Return the memory that code takes in a process of its own, beyond what importing takes."""
    before = "import sys, kdner.corpora.plan; from kdner.memory import peak_memory_mb; before = peak_memory_mb();"
    script = f"{before}{code};print(peak_memory_mb() - before)"
    ran = subprocess.run([sys.executable, "-c", script, *arguments], capture_output=True, text=True, check=True)
    return float(ran.stdout)


def test_long_rows_that_a_footer_tells_small_are_decoded_some_at_a_time(tmp_path):
    text = pa.DictionaryArray.from_arrays(pa.array(np.zeros(ROWS, np.int32)), pa.array(["Anna left. " * (BYTES // 11)]))
    pq.write_table(pa.table({"text": text}), tmp_path / "books.parquet", store_schema=False)
    assert (tmp_path / "books.parquet").stat().st_size < BYTES
    plan = str(tmp_path / "plan")
    assert peak_mb(PLAN, plan, str(tmp_path)) < 5 * 34 and peak_mb(READ, plan) < 5 * 34


@pytest.mark.parametrize("gathered", [1, 100, 1 << 20])
@pytest.mark.parametrize("at_once", [1, 3, 16])
def test_every_row_comes_once_however_many_are_decoded(tmp_path, monkeypatch, at_once, gathered):
    monkeypatch.setattr(corpus_parquet, "ROWS_DECODED_AT_ONCE", at_once)
    monkeypatch.setattr(corpus_parquet, "BYTES_GATHERED", gathered)
    texts = [f"document {row} " * (row % 7) for row in range(100)]
    columns = {"text": pa.array(texts).dictionary_encode(), "id": pa.array(range(100))}
    corpus = plan_corpus([put_parquet(tmp_path / "a.parquet", columns, row_group_size=30)], shard_documents=13)
    assert rows(corpus) == [(str(row), text) for row, text in enumerate(texts)]


def test_empty_row_groups_are_nothing(tmp_path):
    sink = tmp_path / "a.parquet"
    table = pa.table({"text": ["a", "b"]})
    with pq.ParquetWriter(sink, table.schema) as writer:
        for part in (table[:0], table[:1], table[:0], table[1:], table[:0]):
            writer.write_table(part)
    assert [text for _, text in rows(plan_corpus([str(sink)], shard_documents=1))] == ["a", "b"]
