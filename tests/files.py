"""Files that the tests write, and what is read back from them."""

from __future__ import annotations

import gzip
import hashlib
import json
import os
import re
import stat
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from kdner.corpora.plan import read_shard
from kdner.labels.tags import entities_of
from kdner.runs.schema import CORPUS

TEXTS = [
    "Ada Lovelace lived in London.",
    "",
    "Čapek  wrote “R.U.R.” 🤖",
    "one",
    "two words",
    "three more words",
    "end",
]


def put(path, content):
    content = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return str(path)


def put_lines(path, lines):
    return put(path, "".join(f"{line}\n" for line in lines))


def put_json(path, records):
    return put_lines(path, [json.dumps(record) for record in records])


def put_parquet(path, columns, **options):
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink, **options)
    return put(path, sink.getvalue().to_pybytes())


def rows(corpus):
    tables = [read_shard(corpus, shard) for shard in corpus.shards]
    assert all(table.schema.equals(CORPUS) for table in tables)
    assert [table.num_rows for table in tables] == [shard.documents for shard in corpus.shards]
    return [(row["id"], row["text"]) for table in tables for row in table.to_pylist()]


def jsonl(*records):
    return "".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records)


def document(text, *spans):
    return {"text": text, "spans": [{"start": s, "end": e, "label": name} for s, e, name in spans]}


def entity_texts(sentences):
    return [
        (s.text[s.starts[first] : s.ends[last - 1]], name)
        for s in sentences
        for first, last, name in entities_of(s.tags)
    ]


MEASURED = re.compile("seconds?$|memory_mb$|provenance$|^tries$")


def contents(folder):
    """Give what a job left: the hash of each file, and the summary without what differs from run to run."""
    files = {path.name: path.read_bytes() for path in Path(folder).glob("[!.]*") if path.is_file()}
    summary = json.loads(files.pop("_summary.json"))
    hashes = {name: hashlib.sha256(content).hexdigest() for name, content in files.items()}
    return {**hashes, "_summary.json": {key: summary[key] for key in summary if not MEASURED.search(key)}}


def put_columns(path, sentences):
    """Write a labeled set as CoNLL columns."""
    rows = [
        "\n".join(f"{s.text[a:b]}\t{t}" for a, b, t in zip(s.starts, s.ends, s.tags, strict=True)) for s in sentences
    ]
    return put(path, "\n\n".join(rows) + "\n")


def unusual_permissions(folder):
    """List what lies beneath a folder and has not the permissions that the umask gives to files and folders."""
    umask = os.umask(0o077)
    os.umask(umask)
    usual = {True: 0o777 & ~umask, False: 0o666 & ~umask}
    return [path for path in Path(folder).rglob("*") if stat.S_IMODE(path.stat().st_mode) != usual[path.is_dir()]]
