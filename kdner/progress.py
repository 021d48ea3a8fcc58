"""Progress of a long step: what is done of all, how fast, and how long the rest takes; shown as lines or as bars."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tqdm import tqdm

logger = logging.getLogger(__name__)

FIRST_MINUTE_S = 60.0
LINE_EVERY_S = 5.0
"""Seconds between two lines of one step in its first minute; afterwards `LATER_LINE_EVERY_S`."""
LATER_LINE_EVERY_S = 15.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """How far a step is at one moment."""

    what: str
    """The step's name."""
    unit: str
    """Name of one unit of work, in the singular."""
    total: int
    """Units in all; 0 while the step is only starting."""
    done: int
    before: int
    """Units that were done before this start of the step."""
    words: int
    """Words of the work done since the start."""
    numbers: Mapping[str, float]
    """What else is shown, such as a loss."""
    seconds: float
    """Seconds since the start."""
    note: str = ""
    """What it waits for, or what takes long."""

    @property
    def finished(self) -> bool:
        """Whether the last unit is done."""
        return 0 < self.total <= self.done

    @property
    def words_per_second(self) -> float:
        """Words of the work done since the start, by the time since then."""
        return self.words / max(self.seconds, 1e-9)

    @property
    def figures(self) -> list[str]:
        """The numbers, the words per second and the note, as text."""
        figures = [f"{name.replace('_', ' ')} {value:.4g}" for name, value in self.numbers.items()]
        if self.words:
            figures.append(f"{self.words_per_second:,.0f} words/s")
        return [*figures, self.note] if self.note and not self.finished else figures

    def line(self) -> str:
        """Return one line: work done, numbers, words per second, remaining or whole time."""
        if not self.total:
            return f"{self.what}: starting, {duration(self.seconds)} so far"
        parts = [f"{self.what}: {self.done:,} of {self.total:,} {self.unit}s", *self.figures]
        newly_done = self.done - self.before
        if self.finished:
            parts.append(f"took {duration(self.seconds)}")
        elif newly_done:
            parts.append(f"{duration(self.seconds / newly_done * (self.total - self.done))} left")
        else:
            parts.append(f"{duration(self.seconds)} so far")
        return ", ".join(parts)


Display = Callable[[Snapshot], None]


class Progress:
    """Counts units of work and words.

    Args:
        what: the step's name.
        unit: name of one unit of work, in the singular.
        display: shows snapshots, of which it gets one at each advance; by default `Lines`.
        watchers: called with this object when it begins and whenever it advances; `latest` are the numbers of this
            advance, `numbers` those that are shown.
    """

    def __init__(
        self,
        what: str,
        unit: str,
        *,
        display: Display | None = None,
        watchers: Sequence[Callable[[Progress], None]] = (),
    ) -> None:
        self.what, self.unit, self.watchers = what, unit, watchers
        self.total = self.done = self.before = self.words = 0
        self.numbers: dict[str, float] = {}
        self.latest: dict[str, float] = {}
        self._display = display or Lines().show
        self._started = time.monotonic()

    @property
    def finished(self) -> bool:
        """Whether the last unit is done."""
        return self.done >= self.total

    @property
    def words_per_second(self) -> float:
        """Words of the work done since it began, by the time since then."""
        return self.snapshot().words_per_second

    def begin(self, total: int, done: int = 0) -> None:
        """Start the clock on `total` units of work, of which `done` were done before; again where it begins anew."""
        self.total, self.words = total, 0
        self.done = self.before = done
        self._started = time.monotonic()
        self._tell()

    def advance(self, units: int, words: int, **numbers: float) -> None:
        """Count finished work; `numbers`, such as a loss, are shown until they change. The last unit ends it."""
        self.done += units
        self.words += words
        self.latest = numbers
        self.numbers.update(numbers)
        self._tell()

    def snapshot(self) -> Snapshot:
        """Return how far it is now."""
        return Snapshot(
            what=self.what,
            unit=self.unit,
            total=self.total,
            done=self.done,
            before=self.before,
            words=self.words,
            numbers=dict(self.numbers),
            seconds=time.monotonic() - self._started,
        )

    def line(self) -> str:
        """Return one line; see `Snapshot.line`."""
        return self.snapshot().line()

    def _tell(self) -> None:
        self._display(self.snapshot())
        for watcher in self.watchers:
            watcher(self)


class Lines:
    """Shows steps as log lines: one every few seconds for each, and always the last."""

    def __init__(self) -> None:
        self._shown_at: dict[str, float] = {}

    def show(self, snapshot: Snapshot) -> None:
        """Log a line, unless the step's last one is too young."""
        if snapshot.finished and snapshot.done == snapshot.before:
            return
        last = min(self._shown_at.setdefault(snapshot.what, 0.0), snapshot.seconds)
        interval = LINE_EVERY_S if snapshot.seconds < FIRST_MINUTE_S else LATER_LINE_EVERY_S
        if snapshot.finished:
            self._shown_at.pop(snapshot.what)
        elif snapshot.seconds - last < interval:
            return
        else:
            self._shown_at[snapshot.what] = snapshot.seconds
        logger.info("%s", snapshot.line())


class Bars:
    """Shows steps as bars on a terminal, one below the other.

    Args:
        make: makes a bar; takes `total`, `initial`, `desc` and `unit` as tqdm does.
    """

    def __init__(self, make: Callable[..., Any] = tqdm) -> None:
        self._make = make
        self._bars: dict[str, Any] = {}

    def show(self, snapshot: Snapshot) -> None:
        """Draw the step's bar; close it when the step is finished."""
        bar = self._bars.get(snapshot.what)
        if bar is None or bar.total != (snapshot.total or None):
            if bar is not None:
                self._bars.pop(snapshot.what).close()
            if snapshot.finished:
                return
            bar = self._make(
                total=snapshot.total or None, initial=snapshot.done, desc=snapshot.what, unit=f" {snapshot.unit}s"
            )
            self._bars[snapshot.what] = bar
        bar.set_description(", ".join([snapshot.what, *snapshot.figures]), refresh=False)
        bar.update(snapshot.done - bar.n)
        if snapshot.finished:
            self._bars.pop(snapshot.what).close()


def duration(seconds: float) -> str:
    """Return a time as people say it, in its two largest units."""
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
