"""Progress of a long step: a bar on a terminal, a quiet line now and then elsewhere, and whoever else watches."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from typing import Any

from tqdm import tqdm

logger = logging.getLogger(__name__)

LINE_EVERY_S = 15.0
BAR_EVERY_S = 0.5


class Progress:
    """Counts units of work and words, and shows them with their rate and the remaining time.

    Args:
        what: the step's name.
        unit: name of one unit of work.
        terminal: show a bar rather than log lines.
        bar: makes the bar; takes `total`, `initial`, `desc` and `unit` as tqdm does.
        watchers: called with this object when it begins and whenever it advances; `latest` are the numbers of this
            advance, `numbers` those that are shown.
    """

    def __init__(
        self,
        what: str,
        unit: str,
        *,
        terminal: bool = False,
        bar: Callable[..., Any] = tqdm,
        watchers: Sequence[Callable[[Progress], None]] = (),
    ) -> None:
        self.what, self.unit, self.watchers = what, unit, watchers
        self.total = self.done = self.before = self.words = 0
        self.numbers: dict[str, float] = {}
        self.latest: dict[str, float] = {}
        self._terminal, self._make_bar = terminal, bar
        self._bar: Any = None
        self._drawn = 0
        self._started = self._shown = time.monotonic()

    @property
    def finished(self) -> bool:
        """Whether the last unit is done."""
        return self.done >= self.total

    @property
    def words_per_second(self) -> float:
        """Words of the work done since it began, by the time since then."""
        return self.words / max(time.monotonic() - self._started, 1e-9)

    def begin(self, total: int, done: int = 0) -> None:
        """Start the clock on `total` units of work, of which `done` were done before."""
        self.total = total
        self.done = self.before = self._drawn = done
        self._started = self._shown = time.monotonic()
        if self._terminal:
            self._bar = self._make_bar(total=total, initial=done, desc=self.what, unit=self.unit)
        self._tell()

    def advance(self, units: int, words: int, **numbers: float) -> None:
        """Count finished work; `numbers`, such as a loss, are shown until they change. The last unit ends it."""
        self.done += units
        self.words += words
        self.latest = numbers
        self.numbers.update(numbers)
        now = time.monotonic()
        if self.finished or now - self._shown >= (LINE_EVERY_S if self._bar is None else BAR_EVERY_S):
            self._shown = now
            self._show()
        self._tell()

    def line(self) -> str:
        """Return one line: work done, numbers, words per second, remaining or whole time."""
        elapsed, done = time.monotonic() - self._started, self.done - self.before
        parts = [f"{self.what}: {self.done:,} of {self.total:,} {self.unit}s", *self._figures()]
        if done and not self.finished:
            parts.append(f"{_duration(elapsed / done * (self.total - self.done))} left")
        else:
            parts.append(f"took {_duration(elapsed)}")
        return ", ".join(parts)

    def _tell(self) -> None:
        for watcher in self.watchers:
            watcher(self)

    def _figures(self) -> list[str]:
        figures = [f"{name.replace('_', ' ')} {value:.4g}" for name, value in self.numbers.items()]
        return [*figures, f"{self.words_per_second:,.0f} words/s"] if self.words else figures

    def _show(self) -> None:
        if self._bar is None:
            logger.info("%s", self.line())
            return
        self._bar.set_description(", ".join([self.what, *self._figures()]))
        self._bar.update(self.done - self._drawn)
        self._drawn = self.done
        if self.finished:
            self._bar.close()


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
