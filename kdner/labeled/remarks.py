"""What was odd about labeled sets and did not keep them from being read: counted and logged, and listed by jobs."""

from __future__ import annotations

import logging
from collections import Counter
from dataclasses import asdict, dataclass

from kdner.runs.run_directory import RunDirectory

logger = logging.getLogger(__name__)

REMARKS_FILE = "_remarks.jsonl"
"""Lists, in a run directory, what was odd about the labeled sets that the job has read, a JSON object a line."""
REPLACED = "characters that are no text, replaced by U+FFFD"
_SHOWN = 3


@dataclass(frozen=True, slots=True)
class Remark:
    """One thing that was odd."""

    what: str
    """What it is, in the plural, as it follows a number: ``rows without a token``."""
    where: str
    """File and line, or row of a dataset."""
    detail: str = ""
    """What was found there."""
    times: int = 1
    """How often, at this place."""


class Remarks:
    """All that was odd about the labeled sets that were read with it, in their order."""

    def __init__(self) -> None:
        self.found: list[Remark] = []
        self._usual: set[str] = set()

    def add(self, what: str, where: str, detail: str = "", *, times: int = 1, usual: bool = False) -> None:
        """Add something odd; `usual` is what annotators do on purpose, which the log does not warn of."""
        self.found.append(Remark(what, where, detail, times))
        if usual:
            self._usual.add(what)

    def include(self, others: Remarks) -> None:
        """Add what was odd about another set."""
        self.found += others.found
        self._usual |= others._usual

    @property
    def counts(self) -> dict[str, int]:
        """How often each thing was found, by its name."""
        counts: Counter[str] = Counter()
        for remark in self.found:
            counts[remark.what] += remark.times
        return dict(sorted(counts.items()))

    def log(self, source: str) -> None:
        """Log how often each thing was found in a set, and the first places."""
        for what, count in self.counts.items():
            places = [f"{remark.where} {remark.detail}".strip() for remark in self.found if remark.what == what]
            level = logging.INFO if what in self._usual else logging.WARNING
            shown = "; ".join([*places[:_SHOWN], *(["..."] if len(places) > _SHOWN else [])])
            logger.log(level, "%s: %s %s: %s", source, f"{count:,}", what, shown)

    def write(self, directory: RunDirectory) -> None:
        """List them all in a run directory, in `REMARKS_FILE`, if there are any."""
        if self.found:
            directory.write_json_lines(REMARKS_FILE, map(asdict, self.found))
