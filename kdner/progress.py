"""Progress of a long step: a bar on a terminal, a quiet line now and then elsewhere."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
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
        bar: makes the bar; takes `total`, `desc` and `unit` as tqdm does.
    """

    def __init__(self, what: str, unit: str, *, terminal: bool = False, bar: Callable[..., Any] = tqdm) -> None:
        self.what, self.unit = what, unit
        self.total = self.done = self.words = 0
        self._terminal, self._make_bar = terminal, bar
        self._bar: Any = None
        self._drawn = 0
        self._numbers: dict[str, float] = {}
        self._started = self._shown = time.monotonic()

    def begin(self, total: int) -> None:
        """Start the clock on `total` units of work."""
        self.total = total
        self._started = self._shown = time.monotonic()
        if self._terminal:
            self._bar = self._make_bar(total=total, desc=self.what, unit=self.unit)

    def advance(self, units: int, words: int, **numbers: float) -> None:
        """Count finished work; `numbers`, such as a loss, are shown as they are. The last unit ends it."""
        self.done += units
        self.words += words
        self._numbers = numbers
        now, finished = time.monotonic(), self.done >= self.total
        if finished or now - self._shown >= (LINE_EVERY_S if self._bar is None else BAR_EVERY_S):
            self._shown = now
            self._show(finished)

    def line(self) -> str:
        """Return one line: work done, numbers, words per second, remaining or whole time."""
        elapsed = time.monotonic() - self._started
        parts = [f"{self.what}: {self.done:,} of {self.total:,} {self.unit}s", *self._figures(elapsed)]
        if 0 < self.done < self.total:
            parts.append(f"{_duration(elapsed / self.done * (self.total - self.done))} left")
        else:
            parts.append(f"took {_duration(elapsed)}")
        return ", ".join(parts)

    def _figures(self, elapsed: float) -> list[str]:
        figures = [f"{name} {value:.4g}" for name, value in self._numbers.items()]
        return [*figures, f"{self.words / max(elapsed, 1e-9):,.0f} words/s"] if self.words else figures

    def _show(self, finished: bool) -> None:
        if self._bar is None:
            logger.info("%s", self.line())
            return
        self._bar.set_description(", ".join([self.what, *self._figures(time.monotonic() - self._started)]))
        self._bar.update(self.done - self._drawn)
        self._drawn = self.done
        if finished:
            self._bar.close()


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
