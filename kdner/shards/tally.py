"""What the shards of a run add up to, and the errors that are too many for it."""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np

from kdner.corpora.plan import CorpusPlan
from kdner.corpora.tables import shard_name
from kdner.errors import InputError

MOST_REMEMBERED = 100
"""Shards whose counts are remembered one by one, evenly spread over the run."""
ERRORS_TO_JUDGE = 100
"""Documents with an error before a job may stop early for their number."""
REASONS_SHOWN = 3


class Tally:
    """What the rows that actors return add up to; a shard that comes twice is added once."""

    def __init__(self, plan: CorpusPlan, max_error_rate: float) -> None:
        self.counts, self.replaced = Counter[str](), Counter[str]()
        self.remembered: dict[int, dict[str, int]] = {}
        """The counts of `MOST_REMEMBERED` shards at most."""
        self._planned = plan.shards.documents
        self._added = np.zeros(len(self._planned), bool)
        self._remembered_of = -(-len(self._planned) // MOST_REMEMBERED)
        self.began, self.ended, self.memory_mb = math.inf, -math.inf, 0.0
        self._reasons: Counter[str] = Counter()
        self._examples: dict[str, str] = {}
        self._allowed = max(ERRORS_TO_JUDGE, max_error_rate * plan.documents)

    def add(self, row: Mapping[str, Any]) -> None:
        """Add a row.

        Raises:
            InputError: so many documents ended with an error that the job will fail, whatever comes; or the file has
                not the plan's number of documents.
        """
        shard, counts = row["shard"], json.loads(row["counts"])
        check_documents(shard_name(shard), counts["documents"], int(self._planned[shard]))
        if self._added[shard]:
            return
        self._added[shard] = True
        if shard % self._remembered_of == 0:
            self.remembered[shard] = counts
        self.counts.update(counts)
        self.replaced.update(json.loads(row["replaced"]))
        self.began, self.ended = min(self.began, row["began"]), max(self.ended, row["ended"])
        self.memory_mb = max(self.memory_mb, row["memory_mb"])
        for reason, count, example in json.loads(row["reasons"]):
            self._reasons[reason] += count
            self._examples.setdefault(reason, example)
        if (failed := self.errors - self.counts["empty"]) > self._allowed:
            raise InputError(
                f"{failed:,} of the first {self.documents:,} documents ended with an error, more than "
                f"--max-error-rate allows for all of the corpus, so that the job stops here:\n{self.reasons()}\n"
                "Mend the cause and run the same command with --retry-errors, or raise the limit"
            )

    @property
    def documents(self) -> int:
        """Documents of the shards whose rows are in."""
        return self.counts["documents"]

    @property
    def words(self) -> int:
        """Their words."""
        return self.counts["words"]

    @property
    def errors(self) -> int:
        """How many of them ended with an error."""
        return self.counts["errors"]

    def reasons(self) -> str:
        """Lay out the most frequent errors, a line for each, with an example."""
        return "\n".join(
            f"  {count:,} times {reason}, such as document {self._examples[reason]}"
            for reason, count in self._reasons.most_common(REASONS_SHOWN)
        )


def check_documents(name: str, documents: int, planned: int) -> None:
    """Check that a file has as many documents as the plan.

    Raises:
        InputError: it has not.
    """
    if documents != planned:
        raise InputError(f"{name}: holds {documents} documents where the plan has {planned}; delete it and run again")


def check_errors(counts: Mapping[str, Any], max_error_rate: float) -> None:
    """Refuse a run in which too many documents ended with an error; empty ones count as none, unless all are.

    Raises:
        InputError: it names the share and the remedy; the files stay, so a second start with a higher limit only
            finishes.
    """
    documents, empty = counts["documents"], counts.get("empty", 0)
    failed = counts["errors"] - (empty if empty < documents else 0)
    if failed > max_error_rate * documents:
        others = f" (and {empty:,} are empty)" if 0 < empty < documents else ""
        raise InputError(
            f"{failed:,} of {documents:,} documents ended with an error{others}, see the column error of the files: "
            f"{failed / documents:.1%}, above --max-error-rate {max_error_rate}. Mend them, or raise the limit."
        )
