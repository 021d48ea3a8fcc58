"""What becomes of a shard in a process: it is mapped, or given back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Literal, NamedTuple

COUNTS = "kdner.counts"
"""The key of a file's metadata under which its counts lie, as JSON."""
REPLACED = "kdner.replaced_characters"
"""The key under which the numbers of characters lie, by input file, that became U+FFFD when the shard was read."""


class MappedShard(NamedTuple):
    """What is known of a shard that has its file."""

    counts: Counter[str]
    """Documents, words, errors, and what else the work counts."""
    reasons: Sequence[tuple[str, int, str]] = ()
    """The most frequent errors, each with its number and the id of a document."""
    replaced: Mapping[str, int] = MappingProxyType({})
    """Characters that became U+FFFD when it was read, by input file."""


class GivenBack(Exception):
    """A process gives a shard back: another one should try."""

    def __init__(self, kind: Literal["process", "storage", "start"], reason: str) -> None:
        """Say why.

        Args:
            kind: what is at fault: the process that maps, the storage as this machine sees it, or the process's start.
            reason: what was seen, for people.
        """
        super().__init__(reason)
        self.kind, self.reason = kind, reason
