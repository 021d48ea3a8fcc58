"""What a stage has done so far, as Ray's metrics: every node offers them to Prometheus."""

from __future__ import annotations

from collections import Counter as Tally
from functools import cache

from ray.util import metrics

from kdner.progress import Progress

TAGS = ("stage",)


class PrometheusMetrics:
    """Watches the progress of a stage, in the process that has it.

    Prometheus sees, with the tag `stage`, the counters ``ray_kdner_documents_total`` (or ``steps``: what the stage
    counts) and ``ray_kdner_words_total``, which grow by what this process sees done; and as gauges
    ``ray_kdner_documents_done`` of ``ray_kdner_documents_planned``, ``ray_kdner_words_per_second``, and each number
    that the stage shows, such as ``ray_kdner_errors``, ``ray_kdner_shards``, ``ray_kdner_loss``.
    """

    def __init__(self, stage: str) -> None:
        self.tags = {"stage": stage}
        self._counted = Tally[str]()

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

    def show(self, **numbers: float) -> None:
        """Report numbers as they are."""
        for name, value in numbers.items():
            _gauge(f"kdner_{name}").set(value, self.tags)

    def _count(self, name: str, total: int) -> None:
        if total > self._counted[name]:
            _counter(f"kdner_{name}_total").inc(total - self._counted[name], self.tags)
            self._counted[name] = total


@cache
def _gauge(name: str) -> metrics.Gauge:
    return metrics.Gauge(name, name.replace("_", " "), TAGS)


@cache
def _counter(name: str) -> metrics.Counter:
    return metrics.Counter(name, name.replace("_", " "), TAGS)
