"""Whose errors these are: the documents', or those of the process that maps them.

A card that fails on every call fails faster than others work, and so takes most of the shards. An error is a document's
only if the process proves that it still works, by a document that it has mapped before, or if another process fails on
the same documents.
"""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from threading import Lock

import pyarrow as pa
import pyarrow.compute as pc

from kdner.text.documents import EMPTY, NO_TEXT


class Blame(Enum):
    """Whose errors they are."""

    DOCUMENTS = "documents"
    PROCESS = "process"
    UNKNOWN = "unknown"
    """The process has never mapped a document without an error: another one must agree."""


class Health:
    """What a process knows of its own health, or of that of another one that maps for it."""

    def __init__(self, map_documents: Callable[[pa.Table], pa.Table]) -> None:
        self._map = map_documents
        self._probe: pa.Table | None = None
        self._lock = Lock()

    @property
    def can_tell(self) -> bool:
        """Whether a document is known that was mapped without an error."""
        return self._probe is not None

    def blame(self, documents: pa.Table, mapped: pa.Table) -> Blame:
        """Tell whose errors there are in what documents were mapped to.

        A document without text is at fault itself, in any process.
        """
        with self._lock:
            if self._probe is None:
                self._probe = _shortest(documents.filter(mapped["error"].is_null()))
            probe = self._probe
        failed = pc.invert(pc.is_in(mapped["error"], value_set=pa.array([None, NO_TEXT, EMPTY], pa.string())))
        if not pc.any(failed).as_py():
            return Blame.DOCUMENTS
        if probe is None:
            return Blame.UNKNOWN
        return Blame.DOCUMENTS if self._still_maps(probe) else Blame.PROCESS

    def _still_maps(self, probe: pa.Table) -> bool:
        try:
            return self._map(probe)["error"].null_count == 1
        except Exception:  # of whatever kind: it has mapped this document before
            return False


def _shortest(documents: pa.Table) -> pa.Table | None:
    if not documents.num_rows:
        return None
    lengths = pc.utf8_length(documents["text"])
    return documents.slice(pc.index(lengths, pc.min(lengths)).as_py(), 1)


def most_frequent(mapped: pa.Table, count: int = 3) -> list[tuple[str, int, str]]:
    """Return the most frequent errors in what documents were mapped to: each with its number and an id."""
    errors = mapped.filter(mapped["error"].is_valid()).select(["error", "id"])
    counted = errors.group_by("error").aggregate([("id", "count"), ("id", "min")]).sort_by([("id_count", "descending")])
    return [(row["error"], row["id_count"], row["id_min"]) for row in counted.slice(0, count).to_pylist()]
