"""What a person sees of a process: its log, and the progress of its stages."""

from __future__ import annotations

import logging
import sys
from collections.abc import Callable
from pathlib import Path

from ray.experimental import tqdm_ray

from kdner.on_ray.prometheus import Metrics
from kdner.progress import Progress
from kdner.runs.tensorboard import TensorBoard

LOG_FORMAT = "%(asctime)s %(message)s"


def set_up_logging() -> None:
    """Log progress of kdner line by line, and of the libraries only warnings."""
    logging.basicConfig(format=LOG_FORMAT, datefmt="%H:%M:%S")
    logging.getLogger().setLevel(logging.WARNING)  # Ray Train has put it to INFO in its workers
    logging.getLogger("kdner").setLevel(logging.INFO)
    logging.getLogger("ray.data._internal.progress").setLevel(logging.ERROR)
    for name in ("ray.data", "ray.train", "datasets"):
        logging.getLogger(name).setLevel(logging.WARNING)


def on_terminal() -> bool:
    """Tell whether a person watches this process."""
    return sys.stderr.isatty()


def worker_progress(what: str, unit: str, *, terminal: bool, tensorboard: Path | None = None) -> Progress:
    """Return progress of a stage for a process of the cluster.

    Args:
        what: the stage.
        unit: what it counts.
        terminal: the driver's `on_terminal`, where its bar appears.
        tensorboard: folder beneath which to write logs for TensorBoard.
    """
    watchers: list[Callable[[Progress], None]] = [Metrics(what)]
    if tensorboard:
        watchers.append(TensorBoard(tensorboard))
    return Progress(what, unit, terminal=terminal, bar=tqdm_ray.tqdm, watchers=watchers)
