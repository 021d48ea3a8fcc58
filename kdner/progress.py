"""Progress of a long step: a bar on a terminal, a quiet line now and then elsewhere."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from types import TracebackType
from typing import Any

from tqdm import tqdm

logger = logging.getLogger(__name__)

LINE_EVERY_S = 15.0
BAR_EVERY_S = 0.5


class Progress:
    """Counts units of work and words, and shows them with their rate and the remaining time."""

    def __init__(
        self, what: str, total: int, unit: str, *, terminal: bool, bar: Callable[..., Any] = tqdm
    ) -> None:
        """Begin.

        Args:
            what: the step's name.
            total: units of work in all.
            unit: name of one unit.
            terminal: show a bar rather than log lines.
            bar: makes the bar; takes `total`, `desc` and `unit` as tqdm does.
        """
        self.what, self.total, self.unit = what, total, unit
        self.done = self.words = 0
        self._started = self._shown = time.monotonic()
        self._drawn = 0
        self._bar = bar(total=total, desc=what, unit=unit) if terminal and total else None

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._draw()
            self._bar.close()
        elif error is None and self.done:
            logger.info("%s", self.line())

    def advance(self, units: int, words: int, **numbers: float) -> None:
        """Count finished work; `numbers`, such as a loss, are shown as they are."""
        self.done += units
        self.words += words
        self._numbers = numbers
        now = time.monotonic()
        if now - self._shown >= (LINE_EVERY_S if self._bar is None else BAR_EVERY_S):
            self._shown = now
            if self._bar is None:
                logger.info("%s", self.line())
            else:
                self._draw()

    def line(self) -> str:
        """Return one line: work done, numbers, words per second, remaining time."""
        elapsed = max(time.monotonic() - self._started, 1e-9)
        parts = [f"{self.what}: {self.done:,} of {self.total:,} {self.unit}s", *self._figures(elapsed)]
        if 0 < self.done < self.total:
            parts.append(f"{_duration(elapsed / self.done * (self.total - self.done))} left")
        else:
            parts.append(f"{_duration(elapsed)}")
        return ", ".join(parts)

    _numbers: dict[str, float] = {}  # noqa: RUF012  (never changed in place)

    def _figures(self, elapsed: float) -> list[str]:
        figures = [f"{name} {value:.4g}" for name, value in self._numbers.items()]
        return [*figures, f"{self.words / elapsed:,.0f} words/s"] if self.words else figures

    def _draw(self) -> None:
        if self._bar is not None:
            figures = self._figures(max(time.monotonic() - self._started, 1e-9))
            self._bar.set_description(", ".join([self.what, *figures]))
            self._bar.update(self.done - self._drawn)
            self._drawn = self.done


def _duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
