"""Files of a corpus that changed since its run began: in nothing that is read, in a way that a user accepts, or else.

The plan that the run keeps says what the files were. Where sizes or times of change differ, the digest of what was read
tells whether they are the same. A file whose change is accepted keeps its rows and their ids, so that each row is there
exactly once: its finished shards stay, and the others are read from the file as it is now.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow.compute as pc

from kdner.corpora.corpus_listing import CorpusListing
from kdner.corpora.files import SourceFile
from kdner.corpora.ids import MapFiles
from kdner.corpora.inspected import Inspected
from kdner.corpora.inspection import content_digest, inspector
from kdner.corpora.kept_plan import FILES_OF_PLAN, kept_plan
from kdner.corpora.plan import CorpusPlan, plan_listing
from kdner.corpora.tables import FileTable
from kdner.errors import InputError
from kdner.runs.run_directory import RunDirectory
from kdner.runs.storage import locate, without_secrets

_NAMED = 3

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Changes:
    """What a run's corpus is now, beside what it was when the run began."""

    fingerprint: dict[str, Any]
    """That with which the run began where no change matters, else that of the corpus now."""
    files: Mapping[int, Inspected | None]
    """Files that changed in a way that does not matter, by number; None for those whose content is the same."""


def changes_since(
    run: RunDirectory,
    listing: CorpusListing,
    *,
    accepted: Sequence[str] = (),
    map_files: MapFiles = map,
    is_elsewhere: bool = False,
) -> Changes:
    """Tell whether the files of a corpus changed since a run began, and whether that matters.

    A file of another name always does, since ids may be made from it; of a corpus elsewhere, where they are.

    Args:
        run: the run directory; perhaps no run has begun there.
        listing: of its corpus now.
        accepted: paths of files whose change is accepted.
        map_files: reads files.
        is_elsewhere: whether the corpus may lie elsewhere now.

    Raises:
        InputError: a file that is accepted is none of the corpus, or has other documents or ids than it had.
    """
    named, now = _numbers(listing.files, accepted), listing.fingerprint()
    before = (run.manifest()["fingerprint"].get("corpus") if run.begun else None) or {}
    alike = _how_read(before, with_paths=not is_elsewhere) == _how_read(now, with_paths=not is_elsewhere)
    plan = kept_plan(run, listing) if alike else None
    if plan is None:
        return Changes(now, {})
    if renamed := _renamed(run, listing.files, made_ids_only=is_elsewhere):
        logger.warning("%s", _listed(renamed, "of other names than the files with which the run began"))
        return Changes(now, {})
    changed = _changed(run, listing.files)
    if not changed:
        return Changes(before, {})
    files = {number: plan.files[number] for number in changed}
    digests = map_files(content_digest, list(files.values()))
    same = {number for (number, file), digest in zip(files.items(), digests, strict=True) if digest == file.digest}
    others = [number for number in changed if number not in same]
    if unsaid := [files[number].path for number in others if number not in named]:
        if not is_elsewhere:
            logger.warning(
                "%s; where the change is known, --accept-changes keeps the finished shards of the files that it names",
                _listed(unsaid, "changed since the run began"),
            )
        return Changes(now, {})
    if same:
        logger.info("%s", _listed([files[number].path for number in same], "written anew with the same content"))
    if not others:
        return Changes(before, dict.fromkeys(same))
    inspect = inspector(listing, 1, with_ids=plan.listing.ids == "check")
    inspected = dict(zip(others, map_files(inspect, [listing.files[number] for number in others]), strict=True))
    for number, one in inspected.items():
        _check_same_documents(files[number], one.file)
        logger.warning("%s: changed since the run began; its finished shards stay", files[number].path)
    return Changes(before, {**dict.fromkeys(same), **inspected})


def plan_kept_or_made(
    run: RunDirectory, listing: CorpusListing, map_files: MapFiles = map
) -> tuple[CorpusPlan, dict[str, Any]]:
    """Return the plan of a corpus, and the fingerprint by which runs know it; nothing is written.

    It is the plan that the run keeps, where that is of this corpus and no change of files matters; else a new one.

    Raises:
        InputError: as `kdner.corpora.plan.plan_listing` says.
    """
    fingerprint = changes_since(run, listing, map_files=map_files).fingerprint
    kept = None
    if run.begun and run.manifest()["fingerprint"].get("corpus") == fingerprint:
        kept = kept_plan(run, listing)
    if kept is None or [field.name for field in kept.kept] != list(dict.fromkeys(listing.keep_columns)):
        return plan_listing(listing, map_files), fingerprint
    return kept, fingerprint


def _numbers(files: FileTable, paths: Sequence[str]) -> set[int]:
    """Return the numbers of files by their paths."""
    if not paths:
        return set()
    numbers = {_plain(path): number for number, path in enumerate(files.table["path"].to_pylist())}
    if unknown := [path for path in paths if _plain(path) not in numbers]:
        raise InputError(f"--accept-changes {without_secrets(unknown[0])}: not a file of the corpus; give its path")
    return {numbers[_plain(path)] for path in paths}


def _plain(path: str) -> str:
    return without_secrets(path) if "://" in path else locate(path)[1]


def _how_read(fingerprint: Mapping[str, Any], *, with_paths: bool) -> dict[str, Any]:
    """Return of a corpus's fingerprint what a change of its files leaves as it is."""
    files = fingerprint.get("files", {})
    return {
        **{key: value for key, value in fingerprint.items() if key not in ("files", "listing")},
        "number": fingerprint["listing"]["files"] if "listing" in fingerprint else len(files),
        "paths": sorted(files) if with_paths else None,
    }


def _changed(run: RunDirectory, files: FileTable) -> list[int]:
    """Return the numbers of files that have not the size and time of change that the kept plan has."""
    (kept,) = run.tables(["size", "mtime_ns"], files=[FILES_OF_PLAN])
    pairs = ((table[name].fill_null(-1).to_numpy() for table in (kept, files.table)) for name in ("size", "mtime_ns"))
    return np.flatnonzero(np.any([was != is_now for was, is_now in pairs], axis=0)).tolist()


def has_other_made_ids(run: RunDirectory, files: FileTable) -> bool:
    """Tell whether a kept plan's files have other names now, where ids are made from them."""
    return bool(_renamed(run, files, made_ids_only=True))


def _renamed(run: RunDirectory, files: FileTable, *, made_ids_only: bool) -> list[str]:
    """Return the paths of files that have not the name that the kept plan has, perhaps of those with made ids only."""
    (kept,) = run.tables(["name", "id_column"], files=[FILES_OF_PLAN])
    differs = pc.not_equal(kept["name"], files.table["name"])
    if made_ids_only:
        differs = pc.and_(differs, kept["id_column"].is_null())
    return files.table["path"].filter(differs).to_pylist()


def _check_same_documents(was: SourceFile, now: SourceFile) -> None:
    if now.rows != was.rows:
        change = f"holds {now.rows:,} documents now, and held {was.rows:,}"
    elif (now.id_column, now.ids_digest) != (was.id_column, was.ids_digest):
        change = "has other ids of its documents than before, or in another order"
    else:
        return
    raise InputError(
        f"{was.path}: {change}; --accept-changes is for documents that say something else in the same rows, with the "
        "same ids: restore the file, or give another --out"
    )


def _listed(paths: Iterable[str], what: str) -> str:
    """Return ``a, b, c and 7 other files: what``."""
    first, *others = sorted(map(without_secrets, paths))
    more = f" and {len(others) + 1 - _NAMED:,} other files" if len(others) >= _NAMED else ""
    return f"{', '.join([first, *others][:_NAMED])}{more}: {what}"
