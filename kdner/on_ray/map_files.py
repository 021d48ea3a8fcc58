"""The files of a corpus inspected by all cores of a cluster, for its plan."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain
from typing import Any

import ray
from ray.exceptions import RayTaskError

from kdner.corpora.corpus_listing import CorpusListing
from kdner.corpora.files import SourceFile
from kdner.corpora.plan import MapFiles
from kdner.on_ray.cluster import connect, in_cluster
from kdner.on_ray.console import console
from kdner.on_ray.job import input_error
from kdner.progress import Progress

FILES_IN_A_TASK, BYTES_IN_A_TASK = 256, 64 << 20
"""Files that a task inspects at most, or their bytes; a corpus of one task is inspected by the driver."""
TASKS_A_CORE = 2
"""Tasks that are sent for each core of the cluster before the first one is back."""


def map_files_of(listing: CorpusListing) -> MapFiles:
    """Return what inspects the files of a corpus: tasks of Ray, or the driver where there is little to read."""
    groups = list(_grouped(listing.files))
    return map if len(groups) < 2 else _MapFiles([len(group) for group in groups])


class _MapFiles:
    """Does as `map` does, by a task for each group of items, in order."""

    def __init__(self, sizes: Sequence[int]) -> None:
        self.sizes = sizes

    def __call__(self, function: Callable[[Any], Any], items: Iterable[Any]) -> Iterator[Any]:
        connect()
        progress = Progress("plan", "file", display=console.show)
        progress.begin(sum(self.sizes))
        task: Any = ray.remote(num_cpus=1)(_inspected)
        rest, under_way = iter(items), deque[Any]()
        most = TASKS_A_CORE * max(1, int(in_cluster("CPU")))
        for size in chain(self.sizes, [0] * most):
            if size:
                under_way.append((size, task.remote(function, [next(rest) for _ in range(size)])))
            if under_way and (not size or len(under_way) >= most):
                count, result = under_way.popleft()
                yield from _got(result)
                progress.advance(count, 0)


def _inspected(function: Callable[[Any], Any], items: Sequence[Any]) -> list[Any]:
    return [function(item) for item in items]


def _got(result: Any) -> list[Any]:
    try:
        return ray.get(result)
    except RayTaskError as error:
        raise input_error(error) or error from None


def _grouped(files: Iterable[SourceFile]) -> Iterator[list[SourceFile]]:
    group: list[SourceFile] = []
    size = 0
    for file in files:
        if group and (len(group) == FILES_IN_A_TASK or size + file.size > BYTES_IN_A_TASK):
            yield group
            group, size = [], 0
        group.append(file)
        size += file.size
    if group:
        yield group
