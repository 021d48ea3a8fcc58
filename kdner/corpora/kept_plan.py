"""The plan of a run's corpus, kept in its run directory: made once, and read again by every start and every reader.

Two Parquet files in a folder that readers of the run pass over: the files of the corpus, and the slices of its shards,
which is written last. They are a function of what the run's fingerprint holds, so that whoever has found the
fingerprints equal need not compare them again; and they hold no secrets of URIs.
"""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs

from kdner.corpora.corpus_listing import MIN_SHARDS, CorpusListing, Ids, list_corpus
from kdner.corpora.ids import MapFiles
from kdner.corpora.plan import CorpusPlan, plan_listing
from kdner.corpora.tables import FILES, SHARDS, FileTable, ShardTable
from kdner.errors import InputError
from kdner.runs.fingerprint import differences
from kdner.runs.run_directory import RunDirectory
from kdner.runs.storage import create_folder, join, locate, without_secrets

FOLDER = "_plan"
_FILES, _SHARDS = f"{FOLDER}/files.parquet", f"{FOLDER}/shards.parquet"
_KEPT, _SIZE, _IDS = "kdner.kept", "kdner.shard_text_bytes", "kdner.ids"
_OLD_MIN_SHARDS = (16, MIN_SHARDS)
"""Shards into which tag_corpus and precompute_logits cut small corpora when manifests did not say it, before 0.7."""
_SHOWN_DIFFERENCES = 5

logger = logging.getLogger(__name__)


def plan_of_run(run: RunDirectory, listing: CorpusListing, map_files: MapFiles = map) -> CorpusPlan:
    """Return the plan that a run directory keeps; make it, and keep it, where there is none yet.

    Args:
        run: opened with the listing's fingerprint, and locked.
        listing: that of its corpus now.
        map_files: see `kdner.corpora.plan.plan_listing`.

    Raises:
        InputError: as `kdner.corpora.plan.plan_listing` says, or the plan cannot be read.
    """
    if (plan := kept_plan(run, listing)) is not None:
        logger.info("the plan is there: %s documents in %s shards", f"{plan.documents:,}", f"{len(plan.shards):,}")
        return plan
    plan = plan_listing(listing, map_files)
    keep_plan(run, plan)
    return plan


def keep_plan(run: RunDirectory, plan: CorpusPlan) -> None:
    """Write a plan to a run directory, in place of what a job that was killed left of one."""
    filesystem, inner = locate(join(run.path, FOLDER))
    if filesystem.get_file_info(inner).type == pafs.FileType.Directory:
        filesystem.delete_dir_contents(inner)
    create_folder(join(run.path, FOLDER))
    plain = pa.array(map(without_secrets, plan.files.table["path"].to_pylist()), pa.string())
    run.write_table(_FILES, plan.files.table.set_column(0, FILES.field("path"), plain), FILES)
    schema = base64.b64encode(pa.schema(plan.kept).serialize()).decode()
    metadata = {_KEPT: schema, _SIZE: json.dumps(plan.shard_text_bytes), _IDS: plan.listing.ids}
    run.write_table(_SHARDS, plan.shards.table, SHARDS, metadata=metadata)


def kept_plan(run: RunDirectory, listing: CorpusListing) -> CorpusPlan | None:
    """Return the plan that a run directory keeps, if any, of files that lie where the listing found them.

    One that was made without a check of ids is none where the listing asks for it.

    Raises:
        InputError: it cannot be read, or is not one of so many files.
    """
    if not run.has(_SHARDS):
        return None
    _, metadata = run.table_metadata(_SHARDS)
    ids: Ids = "trust" if metadata.get(_IDS) == "trust" else "check"
    if (ids, listing.ids) == ("trust", "check"):
        logger.info("the plan that is there was made with --ids trust, and is made again")
        return None
    found, cut = run.tables(files=[_FILES, _SHARDS])
    listed = listing.files.table
    if found.num_rows != listed.num_rows or found["size"] != listed["size"]:
        raise InputError(f"{join(run.path, FOLDER)}: not the plan of this corpus; delete the folder and run again")
    inspected = {"encoding", "is_entered_at_offsets", "rows", "text_bytes", "id_column"}
    columns = [(found if name in inspected else listed)[name] for name in FILES.names]
    files = FileTable(pa.Table.from_arrays(columns, schema=FILES))
    kept = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(metadata[_KEPT])))
    shards = ShardTable(cut.replace_schema_metadata(), files)
    return CorpusPlan(replace(listing, ids=ids), files, shards, json.loads(metadata[_SIZE]), tuple(kept))


def plan_of_finished_run(run: RunDirectory, corpus: Sequence[str] = ()) -> CorpusPlan:
    """Return the plan of a finished run, without the columns that it kept, of a corpus that is as it was.

    Where the run keeps no plan, as older versions left it, the corpus is planned once more.

    Args:
        run: the finished run directory.
        corpus: where the files of its corpus lie now; by default where they lay when it was made.

    Raises:
        InputError: the corpus is gone, or not what it was.
    """
    wanted = run.manifest()["fingerprint"]["corpus"]
    how = {key: value for key, value in wanted.items() if key not in ("files", "listing", "shard_text_bytes")}
    inputs = list(corpus or wanted.get("files") or _kept_paths(run))
    size = wanted.get("shard_text_bytes")
    for min_shards in _OLD_MIN_SHARDS if size else (how.pop("min_shards", MIN_SHARDS),):
        listing = list_corpus(inputs, min_shards=min_shards, ids="trust", **how)
        now = listing.fingerprint()
        if size:
            now = {**{key: now[key] for key in now if key != "min_shards"}, "shard_text_bytes": size}
        if _wherever(now) != _wherever(wanted):
            break
        plan = kept_plan(run, listing) or plan_listing(listing)
        if size in (None, plan.shard_text_bytes):
            return replace(plan, kept=())
    raise InputError(
        f"{run.path}: its corpus is not what it was made of; they differ in\n  "
        + "\n  ".join(differences(wanted, now)[:_SHOWN_DIFFERENCES])
        + "\nRestore it, name where it lies now with --corpus, or run the job again"
    )


def _wherever(fingerprint: Mapping[str, Any]) -> dict[str, Any]:
    """Return a corpus's fingerprint without the paths of its files."""
    return {**fingerprint, "files": list(fingerprint.get("files", {}).values())}


def _kept_paths(run: RunDirectory) -> list[str]:
    (table,) = run.tables(["path"], files=[_FILES])
    return table["path"].to_pylist()
