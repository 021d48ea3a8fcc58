"""What a stage has done so far, as Ray's metrics: every node offers them to Prometheus.

Ray 2.60 offers a gauge for two of its reports (10 s each) after it was set last, and a counter for as long as the node
lives. So the gauges of a stage are set again and again while it lasts, however long it says nothing, and end with it.
"""

from __future__ import annotations

import threading
import time
from collections import Counter as Tally
from functools import cache
from weakref import WeakSet

from ray.util import metrics

from kdner.progress import Progress

TAGS = ("stage",)
SET_EVERY_S = 1.0
"""Seconds between two times that a gauge is set: the least that Ray lets pass between two reports."""


class PrometheusMetrics:
    """Watches the progress of a stage, in the process that has it.

    Prometheus sees, with the tag `stage`, the counters ``ray_kdner_documents_total`` (or ``steps``: what the stage
    counts) and ``ray_kdner_words_total``, which grow by what this process sees done; and as gauges
    ``ray_kdner_documents_done`` of ``ray_kdner_documents_planned``, ``ray_kdner_words_per_second``, and each number
    that the stage shows, such as ``ray_kdner_errors``, ``ray_kdner_shards``, ``ray_kdner_loss``. The gauges last until
    the stage is finished, or nobody holds this any more, as where it fails.
    """

    def __init__(self, stage: str) -> None:
        self.tags = {"stage": stage}
        self._counted = Tally[str]()
        self._shown: dict[str, float] = {}

    def __call__(self, progress: Progress) -> None:
        """Report how far it is."""
        units = f"{progress.unit}s"
        self._count(units, progress.done - progress.before)
        self._count("words", progress.words)
        self.show(
            **{f"{units}_done": progress.done, f"{units}_planned": progress.total},
            words_per_second=progress.words_per_second,
            **progress.numbers,
        )
        if progress.finished:
            with _setting:
                _lasting.discard(self)

    def show(self, **numbers: float) -> None:
        """Report numbers as they are, from now on."""
        with _setting:
            self._shown |= numbers
            self._set()
            _lasting.add(self)
        _begin_to_repeat()

    def _set(self) -> None:
        for name, value in self._shown.items():
            _gauge(f"kdner_{name}").set(value, self.tags)

    def _count(self, name: str, total: int) -> None:
        """Count what is new in a total; a smaller one than before is that of a stage that began anew."""
        counted = self._counted[name] if total >= self._counted[name] else 0
        if total > counted:
            _counter(f"kdner_{name}_total").inc(total - counted, self.tags)
        self._counted[name] = total


_lasting = WeakSet[PrometheusMetrics]()
"""What this process shows of stages that are not finished."""
_setting = threading.Lock()


@cache
def _begin_to_repeat() -> None:
    threading.Thread(target=_repeat, name="prometheus", daemon=True).start()


def _repeat() -> None:
    while True:
        time.sleep(SET_EVERY_S)
        _set_all()


def _set_all() -> None:
    """Set all gauges once more; a function of its own, so that the thread holds none of them while it sleeps."""
    with _setting:
        for shown in _lasting:
            shown._set()


@cache
def _gauge(name: str) -> metrics.Gauge:
    return metrics.Gauge(name, name.replace("_", " "), TAGS)


@cache
def _counter(name: str) -> metrics.Counter:
    return metrics.Counter(name, name.replace("_", " "), TAGS)
