"""The plan of a run's corpus, kept in its run directory: made once, and read again by every start and every reader.

Two Parquet files in a folder that readers of the run pass over: the slices of the shards, and the files of the corpus.
The latter is written last and names the former, so that a pair of them counts whole or not at all. They are a function
of what the run's fingerprint holds, so that whoever has found the fingerprints equal need not compare them again; and
they hold no secrets of URIs.
"""

from __future__ import annotations

import base64
import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np
import pyarrow as pa
import pyarrow.fs as pafs

from kdner.corpora.corpus_listing import CorpusListing, Ids
from kdner.corpora.ids import MapFiles
from kdner.corpora.inspected import Inspected
from kdner.corpora.plan import NO_OFFSET, CorpusPlan, place_of, plan_listing, slice_table
from kdner.corpora.tables import FILES, SHARDS, FileTable, ShardTable
from kdner.errors import InputError
from kdner.runs.run_directory import RunDirectory
from kdner.runs.storage import create_folder, join, locate, without_secrets

FOLDER = "_plan"
FILES_OF_PLAN = f"{FOLDER}/files.parquet"
_SHARDS = ("shards.parquet", "shards-2.parquet")
"""Names of the file of the slices: a plan that takes another's place is written beside it."""
_KEPT, _SIZE, _IDS, _CUT = "kdner.kept", "kdner.shard_text_bytes", "kdner.ids", "kdner.shards"
_LISTED = frozenset(["path", "name", "format", "size", "mtime_ns"])
"""What a listing tells of a file."""

logger = logging.getLogger(__name__)


def plan_of_run(
    run: RunDirectory,
    listing: CorpusListing,
    map_files: MapFiles = map,
    changed: Mapping[int, Inspected | None] = MappingProxyType({}),
) -> CorpusPlan:
    """Return the plan that a run directory keeps; make it, and keep it, where there is none yet.

    Args:
        run: opened with the listing's fingerprint, and locked.
        listing: that of its corpus now.
        map_files: see `kdner.corpora.plan.plan_listing`.
        changed: see `kdner.corpora.changes.Changes`.

    Raises:
        InputError: as `kdner.corpora.plan.plan_listing` says, or the plan cannot be read.
    """
    if (plan := kept_plan(run, listing)) is not None:
        if changed:
            plan = _replanned(plan, changed)
            _write(run, plan)
        logger.info("the plan is there: %s documents in %s shards", f"{plan.documents:,}", f"{len(plan.shards):,}")
        return plan
    if _shards_of(run):
        logger.info("the plan that is there was made with --ids trust, and is made again")
    plan = plan_listing(listing, map_files)
    keep_plan(run, plan)
    return plan


def keep_plan(run: RunDirectory, plan: CorpusPlan) -> None:
    """Write a plan to a run directory, unless it is there, in place of what a job that was killed left of one."""
    if kept_plan(run, plan.listing) is not None:
        return
    filesystem, inner = locate(join(run.path, FOLDER))
    if filesystem.get_file_info(inner).type == pafs.FileType.Directory:
        filesystem.delete_dir_contents(inner)
    create_folder(join(run.path, FOLDER))
    _write(run, plan)


def kept_plan(run: RunDirectory, listing: CorpusListing) -> CorpusPlan | None:
    """Return the plan that a run directory keeps, if any, of files that lie where the listing found them.

    One that was made without a check of ids is none where the listing asks for it.

    Raises:
        InputError: it cannot be read, or is not one of so many files.
    """
    shards_file = _shards_of(run)
    if shards_file is None:
        return None
    _, metadata = run.table_metadata(shards_file)
    ids: Ids = "trust" if metadata.get(_IDS) == "trust" else "check"
    if (ids, listing.ids) == ("trust", "check"):
        return None
    found, cut = run.tables(files=[FILES_OF_PLAN, shards_file])
    listed = listing.files.table
    if found.num_rows != listed.num_rows:
        raise InputError(f"{join(run.path, FOLDER)}: not the plan of this corpus; delete the folder and run again")
    columns = [_column(listed if name in _LISTED else found, name) for name in FILES.names]
    files = FileTable(pa.Table.from_arrays(columns, schema=FILES))
    kept = pa.ipc.read_schema(pa.py_buffer(base64.b64decode(metadata[_KEPT])))
    shards = ShardTable(cut.replace_schema_metadata(), files)
    return CorpusPlan(replace(listing, ids=ids), files, shards, json.loads(metadata[_SIZE]), tuple(kept))


def _column(files: pa.Table, name: str) -> pa.ChunkedArray | pa.Array:
    """Return a column; nulls where the plan was kept before there was one of this name."""
    return files[name] if name in files.column_names else pa.nulls(files.num_rows, FILES.field(name).type)


def _shards_of(run: RunDirectory) -> str | None:
    """Return the name of the file of the slices that the kept plan has; None where no plan is kept."""
    if not run.has(FILES_OF_PLAN):
        return None
    _, metadata = run.table_metadata(FILES_OF_PLAN)
    name = f"{FOLDER}/{metadata.get(_CUT, _SHARDS[0])}"
    return name if run.has(name) else None


def _write(run: RunDirectory, plan: CorpusPlan) -> None:
    """Write a plan; one that is there counts until all of this one is."""
    kept = _shards_of(run)
    name = next(name for name in _SHARDS if f"{FOLDER}/{name}" != kept)
    schema = base64.b64encode(pa.schema(plan.kept).serialize()).decode()
    metadata = {_KEPT: schema, _SIZE: json.dumps(plan.shard_text_bytes), _IDS: plan.listing.ids}
    run.write_table(f"{FOLDER}/{name}", plan.shards.table, SHARDS, metadata=metadata)
    plain = pa.array(map(without_secrets, plan.files.table["path"].to_pylist()), pa.string())
    files = plan.files.table.set_column(0, FILES.field("path"), plain)
    run.write_table(FILES_OF_PLAN, files, FILES, metadata={_CUT: name})


def _replanned(plan: CorpusPlan, changed: Mapping[int, Inspected | None]) -> CorpusPlan:
    """Return a plan of the same shards, whose slices are read where they lie in the changed files."""
    now = {number: inspected for number, inspected in changed.items() if inspected is not None}
    files = FileTable.of(now[k].file if k in now else file for k, file in enumerate(plan.files)) if now else plan.files
    cut = plan.shards.table
    columns = {name: cut[name].fill_null(NO_OFFSET).to_numpy().copy() for name in SHARDS.names}
    for place in np.flatnonzero(np.isin(columns["file"], list(now))).tolist():
        (file, marks, _), first = now[columns["file"][place]], int(columns["first"][place])
        groups, last = marks if file.format == "parquet" else None, first + int(columns["rows"][place])
        values = place_of(marks, groups, first, last, is_entered=file.is_entered_at_offsets)
        for name, value in zip(("offset", "text_bytes", "passed"), values, strict=True):
            columns[name][place] = value
    return replace(plan, files=files, shards=ShardTable(slice_table(columns), files))
