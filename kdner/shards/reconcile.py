"""What the files of a run add up to: documents in must equal documents out, file by file."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pyarrow as pa

from kdner.corpora.plan import CorpusPlan
from kdner.corpora.tables import shard_name
from kdner.data.text_files import warn_of_replaced
from kdner.errors import InputError
from kdner.runs.run_directory import SUCCESS, RunDirectory
from kdner.shards.outcome import COUNTS, REPLACED
from kdner.shards.tally import Tally, check_documents

FOOTERS_AT_ONCE = 16
"""Files read at once to add up their counts: an object store answers slowly, but many at a time."""
ONE_SAMPLED_OF, MOST_SAMPLED = 100, 100
"""Of so many files whose counts are known one is read, and so many at most."""

logger = logging.getLogger(__name__)


def reconcile(plan: CorpusPlan, run: RunDirectory, tally: Tally, mapped: np.ndarray, known: pa.Table) -> dict[str, Any]:
    """Add up the counts of all files; where they are known, only a sample of the files is read, to compare them.

    Args:
        plan: which documents make which shard.
        run: all of its files are there.
        tally: of the shards that were mapped now.
        mapped: their numbers.
        known: counts of others, as `kdner.shards.kept_counts` gives them.

    Raises:
        InputError: a file has not the plan's number of documents, or not the counts that are known.
    """
    total, replaced, planned = tally.counts.copy(), tally.replaced.copy(), plan.shards.documents
    counts_of: dict[int, Any] = dict(tally.remembered)
    for shard, counts, characters in zip(*(column.to_pylist() for column in known.columns), strict=True):
        counts_of[shard] = json.loads(counts)
        check_documents(f"{run.path}/{shard_name(shard)}", counts_of[shard]["documents"], int(planned[shard]))
        total.update(counts_of[shard])
        replaced.update(json.loads(characters))
    told = np.union1d(mapped, known["shard"].to_numpy())
    untold = np.setdiff1d(np.arange(len(plan.shards)), told).tolist()
    for shard, rows, metadata in _footers(run, untold):
        check_documents(f"{run.path}/{shard_name(shard)}", rows, int(planned[shard]))
        total.update(json.loads(metadata[COUNTS]))
        replaced.update(json.loads(metadata.get(REPLACED, "{}")))
    for shard, rows, metadata in _footers(run, _sample(list(counts_of), len(told))):
        path, counts = f"{run.path}/{shard_name(shard)}", json.loads(metadata[COUNTS])
        check_documents(path, rows, int(planned[shard]))
        if counts_of[shard] != counts:
            raise InputError(f"{path}: holds {counts}, but {counts_of[shard]} was made; delete it and run again")
    if total["documents"] != plan.documents:
        raise InputError(f"{run.path}: holds {total['documents']} documents where the plan has {plan.documents}")
    warn_of_replaced(replaced)
    passed_over = {"files_passed_over": dict(plan.passed_over)} if plan.passed_over else {}
    ids = {"ids_checked": plan.listing.ids == "check"}
    return {**total, "replaced_characters": replaced.total(), **ids, **passed_over}


def forget_errors(run: RunDirectory) -> None:
    """Delete the files that hold documents with an error, so that they are made again; no other job works there."""
    pending = set(run.pending())
    made = [number for number, name in enumerate(run.files) if name not in pending]
    footers = _footers(run, made)
    bad = [shard_name(shard) for shard, _, metadata in footers if _has_errors(json.loads(metadata[COUNTS]))]
    if bad:
        logger.info("%d of %d shards hold documents with an error, and are made again", len(bad), len(made))
        run.delete([SUCCESS, *bad])


def _has_errors(counts: Mapping[str, int]) -> bool:
    return counts["errors"] > counts.get("empty", 0)


def _footers(run: RunDirectory, shards: Sequence[int]) -> Iterator[tuple[int, int, dict[str, str]]]:
    """Yield each shard with the number of rows, and the metadata, of its file."""
    with ThreadPoolExecutor(FOOTERS_AT_ONCE) as pool:
        for shard, footer in zip(shards, pool.map(run.table_metadata, map(shard_name, shards)), strict=True):
            yield shard, *footer


def _sample(shards: Sequence[int], told: int) -> list[int]:
    """Draw one of `ONE_SAMPLED_OF` of the shards of which the counts are told, out of those that are remembered."""
    count = min(-(-told // ONE_SAMPLED_OF), MOST_SAMPLED, len(shards))
    return np.random.default_rng(told).choice(sorted(shards), count, replace=False).tolist() if count else []
