"""The numbers of a training in Weights & Biases, MLflow or Trackio, beside TensorBoard.

Each is told where to write, and by whom, as its own documentation says: by WANDB_MODE and `wandb login`, by
MLFLOW_TRACKING_URI, by TRACKIO_DIR. A training that goes on after it was cut off goes on in the same run there.
"""

from __future__ import annotations

import hashlib
import importlib
import importlib.util
import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal, Protocol

from kdner.errors import InputError
from kdner.progress import Progress

TrackerName = Literal["wandb", "mlflow", "trackio"]
PROJECT = "kdner"
"""Name of the project, or experiment, that all runs are in."""

logger = logging.getLogger(__name__)


class Tracker:
    """Watches the progress of a training and hands its numbers, and its words per second, to a tracking service.

    Once the service fails nothing more is handed to it, with one warning: the training does not end for want of it.
    """

    def __init__(self, service: TrackerName, folder: Path) -> None:
        """Take the name of the service, and the folder of the training, which names the run."""
        self.service, self.folder = service, folder
        self._run: _Run | None = None
        self._failed = False

    def __call__(self, progress: Progress) -> None:
        """Hand over the numbers that the progress shows.

        Raises:
            InputError: the service cannot be begun with.
        """
        if self._run is None:
            self._run = _begin(self.service, self.folder)
        if self._failed:
            return
        try:
            if progress.words:
                self._run.log({**progress.latest, "words_per_second": progress.words_per_second}, progress.done)
            if progress.finished:
                self._run.finish()
        except Exception as error:  # each service has errors of its own
            self._failed = True
            logger.warning("--tracker %s: takes no more numbers (%s: %s)", self.service, type(error).__name__, error)


def check_tracker(service: TrackerName | None) -> None:
    """Check that a service's package is installed, before any work.

    Raises:
        InputError: it is not.
    """
    if service and importlib.util.find_spec(service) is None:
        raise InputError(f"--tracker {service}: its package is not installed. Run: pip install 'kdner[{service}]'")


class _Run(Protocol):
    def log(self, numbers: Mapping[str, float], step: int) -> None:
        """Hand over the numbers of a step."""

    def finish(self) -> None:
        """End the run."""


class _WandbRun:
    def __init__(self, wandb: Any, folder: Path) -> None:
        self._run = wandb.init(
            project=PROJECT, name=folder.name, id=_identity(folder), resume="allow", config={"out": str(folder)}
        )

    def log(self, numbers: Mapping[str, float], step: int) -> None:
        self._run.log(dict(numbers), step=step)

    def finish(self) -> None:
        self._run.finish()


class _MlflowRun:
    def __init__(self, mlflow: Any, folder: Path) -> None:
        self._client = mlflow.MlflowClient()
        self._experiment = mlflow.set_experiment(PROJECT).experiment_id
        same = f"tags.`kdner.identity` = '{_identity(folder)}'"
        begun = self._client.search_runs([self._experiment], filter_string=same, max_results=1)
        if begun:
            self._id = begun[0].info.run_id
            self._client.update_run(self._id, status="RUNNING")
        else:
            tags = {"kdner.identity": _identity(folder)}
            self._id = self._client.create_run(self._experiment, run_name=folder.name, tags=tags).info.run_id
            self._client.log_param(self._id, "out", str(folder))

    def log(self, numbers: Mapping[str, float], step: int) -> None:
        for name, value in numbers.items():
            self._client.log_metric(self._id, name, float(value), step=step)

    def finish(self) -> None:
        self._client.set_terminated(self._id)


class _TrackioRun:
    def __init__(self, trackio: Any, folder: Path) -> None:
        self._run = trackio.init(
            project=PROJECT, name=f"{folder.name}-{_identity(folder)}", resume="allow", config={"out": str(folder)}
        )

    def log(self, numbers: Mapping[str, float], step: int) -> None:
        self._run.log(dict(numbers), step=step)

    def finish(self) -> None:
        self._run.finish()


_RUNS: dict[TrackerName, Callable[[Any, Path], _Run]] = {
    "wandb": _WandbRun,
    "mlflow": _MlflowRun,
    "trackio": _TrackioRun,
}


def _begin(service: TrackerName, folder: Path) -> _Run:
    check_tracker(service)
    try:
        return _RUNS[service](importlib.import_module(service), folder)
    except Exception as error:  # each service has errors of its own
        raise InputError(
            f"--tracker {service}: cannot be begun with ({type(error).__name__}: {error}); set it up as its "
            "documentation says, or leave the flag out"
        ) from error


def _identity(folder: Path) -> str:
    """Return what tells the run of a folder from others of its name."""
    return hashlib.sha256(str(folder.resolve()).encode()).hexdigest()[:12]
