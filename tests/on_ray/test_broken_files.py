"""Full disks and broken input, through the shard map: a clear refusal, nothing lost, and the same files once mended."""

from __future__ import annotations

import os
import random
import resource
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from files import put_lines, put_parquet

from kdner.corpora.plan import plan_corpus
from kdner.errors import InputError
from kdner.flags import Actors
from kdner.on_ray.job import once
from kdner.on_ray.shard_actor import ShardActor
from kdner.on_ray.shard_map import shard_map
from kdner.runs.schema import ENTITIES
from kdner.shards.work import ShardWork

pytestmark = pytest.mark.ray

TEXTS = [" ".join(random.Random(row).sample(["Anna", "flew", "to", "Paris", "in", "1996"], 6)) for row in range(90)]
SHARDS = [f"part-0000{index}.parquet" for index in range(3)]


class Finder:
    """An actor that finds one long entity in each document, on a disk that is full from one of them on."""

    schema = ENTITIES

    def __init__(self, full_at: str | None = None) -> None:
        self.full_at = full_at

    def __call__(self, documents: pa.Table) -> pa.Table:
        if self.full_at in documents["id"].to_pylist():
            _, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, hard))
        rows = [
            {"id": row["id"], "entities": [self.entity(row["text"])], "words": 6, "error": None}
            for row in documents.to_pylist()
        ]
        return pa.Table.from_pylist(rows, schema=ENTITIES)

    def counts(self, documents: pa.Table, mapped: pa.Table) -> dict[str, int]:
        return {"words": 6 * mapped.num_rows, "entities": mapped.num_rows}

    def entity(self, text):
        long = random.Random(text).randbytes(10_000).hex()  # 30 of these are 300 kB, however well compressed
        return {"start": 0, "end": len(long), "label": "PER", "text": long, "score": 1.0}


def finding(**arguments):
    return ShardWork(job="find", actor=Finder, arguments=arguments, actors=Actors(count=1), use_gpu=False, patience_s=0)


def run(source, out, corpus=None, **arguments):
    """Do a job as the jobs do; its actors fill disks as `arguments` say. `corpus` is an older plan of the source."""

    def work(corpus, directory):
        return shard_map(corpus, directory, finding(**arguments))

    return do(work, source, out, corpus)


def run_here(source, out, corpus=None):
    """Do the same job in this process, one shard after the other."""

    def work(corpus, directory):
        actor = ShardActor(directory, finding())
        return {"documents": sum(actor.map_shard(shard).counts["documents"] for shard in corpus.shards)}

    return do(work, source, out, corpus)


def do(work, source, out, corpus):
    corpus = corpus or plan_corpus([source], shard_documents=30)

    names = [shard.name for shard in corpus.shards]
    assert names == SHARDS
    return once(str(out), {"corpus": corpus.fingerprint()}, lambda directory: work(corpus, directory), files=names)


def contents(out):
    """Everything in a run directory but what holds times (the summary, and the account of tries), and kept counts."""
    left_out = {"_summary.json", ".tries.json", "_failed.json", ".counts"}
    return {path.name: path.read_bytes() for path in Path(out).iterdir() if path.name not in left_out}


def put_corpus(folder, name, **options):
    if name.endswith("parquet"):
        return put_parquet(folder / name, {"text": TEXTS}, row_group_size=10, **options)
    return put_lines(folder / name, TEXTS)


def test_a_full_disk(cluster, tmp_path):
    source = put_corpus(tmp_path, "corpus.txt")
    run_here(source, tmp_path / "undisturbed")
    with pytest.raises(InputError, match=r"out/part-00002\.parquet: cannot be written.*File too large.*make room"):
        run(source, tmp_path / "out", full_at="corpus.txt:70")
    whole = contents(tmp_path / "undisturbed")
    assert contents(tmp_path / "out") == {name: whole[name] for name in ("_manifest.json", *SHARDS[:2])}
    assert run(source, tmp_path / "out")["documents"] == 90
    assert contents(tmp_path / "out") == whole


def cut_off(path):
    path.write_bytes(path.read_bytes()[:-100])


def damage(path):
    """Change bytes of the last row group's texts; the footer stays intact."""
    metadata = pq.ParquetFile(path).metadata
    begin = metadata.row_group(metadata.num_row_groups - 1).column(0).dictionary_page_offset
    with path.open("r+b") as file:
        file.seek(begin + 80)
        file.write(b"XYZ")


CHECKED = {"compression": "none", "write_page_checksum": True}
BROKEN = {
    "parquet cut off": ("corpus.parquet", {}, cut_off, "changed since the job began.*restore it"),
    "gzip cut off": ("corpus.txt.gz", {}, cut_off, "changed since the job began.*restore it"),
    "compressed page": ("corpus.parquet", {"compression": "gzip"}, damage, "cannot be read.*Mend or remove it"),
    "page with checksum": ("corpus.parquet", CHECKED, damage, "cannot be read.*checksum"),
}


@pytest.mark.parametrize(("name", "options", "harm", "complaint"), BROKEN.values(), ids=BROKEN.keys())
def test_input_that_breaks_after_planning(tmp_path, name, options, harm, complaint):
    breaks_after_planning(tmp_path, run_here, name, options, harm, complaint)


def test_input_that_breaks_under_a_running_cluster(cluster, tmp_path):
    breaks_after_planning(tmp_path, run, *BROKEN["parquet cut off"])


def breaks_after_planning(tmp_path, run, name, options, harm, complaint):
    source = Path(put_corpus(tmp_path, name, **options))
    run_here(str(source), tmp_path / "undisturbed")
    whole = contents(tmp_path / "undisturbed")
    corpus, content, before = plan_corpus([str(source)], shard_documents=30), source.read_bytes(), source.stat()

    harm(source)
    os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(InputError, match=f"{name}: {complaint}"):
        run(str(source), tmp_path / "out", corpus)
    assert contents(tmp_path / "out").items() <= whole.items() and "_SUCCESS" not in contents(tmp_path / "out")
    if harm is cut_off:
        with pytest.raises(InputError, match=f"{name}: cannot be read"):
            run(str(source), tmp_path / "out")

    source.write_bytes(content)
    os.utime(source, ns=(before.st_atime_ns, before.st_mtime_ns))
    assert run(str(source), tmp_path / "out")["documents"] == 90
    assert contents(tmp_path / "out") == whole
