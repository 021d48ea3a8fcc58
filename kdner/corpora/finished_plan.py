"""The plan of a finished run, for those who read it beside its corpus."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from kdner.corpora.changes import changes_since, has_other_made_ids
from kdner.corpora.corpus_listing import MIN_SHARDS, list_corpus
from kdner.corpora.kept_plan import FILES_OF_PLAN, kept_plan
from kdner.corpora.plan import CorpusPlan, plan_listing
from kdner.errors import InputError
from kdner.runs.fingerprint import differences
from kdner.runs.run_directory import RunDirectory

_OLD_MIN_SHARDS = (16, MIN_SHARDS)
"""Shards into which tag_corpus and precompute_logits cut small corpora when manifests did not say it, before 0.7."""
_SHOWN_DIFFERENCES = 5


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
        listing = list_corpus(inputs, min_shards=min_shards, ids="trust", out=run.path, **how)
        now = changes_since(run, listing, is_elsewhere=True).fingerprint
        if size:
            now = {**{key: now[key] for key in now if key != "min_shards"}, "shard_text_bytes": size}
        if _wherever(now) != _wherever(wanted):
            break
        kept = kept_plan(run, listing)
        if kept is not None and has_other_made_ids(run, listing.files):
            break
        plan = kept or plan_listing(listing)
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
    (table,) = run.tables(["path"], files=[FILES_OF_PLAN])
    return table["path"].to_pylist()
