"""The student's training loop on Ray Train: workers, checkpoints, and carrying on after a failure."""

from __future__ import annotations

import logging
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ray.train
import ray.train.torch
import torch
from ray.train import Checkpoint, CheckpointConfig, FailureConfig, LoggingConfig, RunConfig, ScalingConfig
from ray.train.torch import TorchTrainer

from kdner.distillation.checkpoint import State, best_student
from kdner.distillation.examples import TransferSet
from kdner.distillation.recipe import Distillation
from kdner.distillation.trainer import Diverged, Trainer
from kdner.errors import InputError
from kdner.labeled.sentence import LabeledSentence
from kdner.on_ray.cluster import await_cores, connect, in_cluster
from kdner.on_ray.console import console, set_up_logging, stage_progress
from kdner.runs.trackers import TrackerName
from kdner.student.network import Network
from kdner.student.saved import SavedStudent

STAGE = "distill_student"
"""As Ray's dashboard calls it, and the folder of its checkpoints."""
DIVERGED = ".diverged"
"""File by which workers tell that their training diverged."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Workers:
    """The processes that train one student."""

    count: int = 1
    """Workers; each adds its own batches to every step, and gradients are averaged."""
    cpus: int = 1
    """CPU cores, and threads, of one worker. With steps of 1,600 words two threads are slower than one."""
    gpu: bool | None = None
    """Whether each worker has a GPU; by default where the cluster has one for each."""
    max_failures: int = 3
    """Failures (a lost worker or node) after which training goes on from the last epoch's checkpoint."""

    def __post_init__(self) -> None:
        for name in ("count", "cpus"):
            if getattr(self, name) < 1:
                raise InputError(f"--workers.{name} {getattr(self, name)}: must be at least 1")


def distill(
    folder: Path,
    logs: Path,
    initial: Path,
    config: Distillation,
    workers: Workers,
    *,
    seed: int,
    labeled: list[LabeledSentence],
    development: list[LabeledSentence],
    transfer: TransferSet | None,
    tracker: TrackerName | None = None,
) -> tuple[SavedStudent, State]:
    """Train a student and return the best epoch's, with the state of the last.

    Started again on the same folder it goes on after the last finished epoch.

    Args:
        folder: where the checkpoints lie; every node must see it.
        logs: folder beneath which the logs for TensorBoard lie.
        initial: a student directory to start from.
        config: the recipe.
        workers: how many processes, and what each may use.
        seed: of the order of sentences and of dropout.
        labeled: sentences with gold labels to train on.
        development: sentences with gold labels to choose the best epoch by.
        transfer: the transfer set, or None to train on the labeled set only.
        tracker: the service that gets the numbers of the training, beside TensorBoard.

    Raises:
        InputError: the training diverged.
    """
    connect()
    await_cores()
    diverged = folder / DIVERGED
    diverged.unlink(missing_ok=True)
    gpu = _with_gpu(workers)
    trainer = TorchTrainer(
        _work,
        train_loop_config={
            "initial": str(initial),
            "config": config,
            "cpus": workers.cpus,
            "seed": seed,
            "labeled": labeled,
            "development": development,
            "transfer": transfer,
            "relay": console.relay,
            "logs": str(logs),
            "tracker": tracker,
            "diverged": str(diverged),
        },
        scaling_config=ScalingConfig(
            num_workers=workers.count, use_gpu=gpu, resources_per_worker={"CPU": workers.cpus}
        ),
        run_config=RunConfig(
            name=STAGE,
            storage_path=str(folder),
            failure_config=FailureConfig(max_failures=workers.max_failures),
            checkpoint_config=CheckpointConfig(num_to_keep=1),
            logging_config=LoggingConfig(log_level="WARNING"),
        ),
    )
    with console.awaiting(logs.name):
        checkpoint = trainer.fit().checkpoint
    if diverged.exists():
        said = diverged.read_text("utf-8")
        diverged.unlink()
        raise Diverged(said)
    if checkpoint is None:
        raise RuntimeError(f"{folder}: training ended without a checkpoint")
    with checkpoint.as_directory() as saved:
        return best_student(Path(saved), initial)


def trainings_at_once(workers: Workers) -> int:
    """Return how many students the cluster has room to train at the same time; at least one."""
    connect()
    await_cores()
    cores = in_cluster("CPU") // (workers.count * workers.cpus)
    cards = in_cluster("GPU") // workers.count if _with_gpu(workers) else cores
    return max(1, min(cores, cards))


def _with_gpu(workers: Workers) -> bool:
    """Return whether each worker has a GPU: as asked, else where the cluster has one for each."""
    return workers.gpu if workers.gpu is not None else in_cluster("GPU") >= workers.count


def _work(setting: dict[str, Any]) -> None:
    set_up_logging(setting["relay"])
    torch.set_num_threads(setting["cpus"])
    context = ray.train.get_context()
    rank, workers = context.get_world_rank(), context.get_world_size()
    trainer = Trainer(
        Network.of(SavedStudent.read(setting["initial"])),
        setting["config"],
        seed=setting["seed"],
        labeled=setting["labeled"],
        development=setting["development"] if rank == 0 else (),
        transfer=setting["transfer"],
        rank=rank,
        workers=workers,
        device=ray.train.torch.get_device(),
    )
    logs = Path(setting["logs"])
    checkpoint = ray.train.get_checkpoint()
    if checkpoint:
        with checkpoint.as_directory() as saved:
            trainer.restore(Path(saved))
        if rank == 0:
            logger.info("%s: goes on after epoch %d of %d", logs.name, trainer.state.epoch, trainer.epochs)

    def on_epoch(record: dict[str, float]) -> None:
        if rank > 0:
            ray.train.report(record)
            return
        with tempfile.TemporaryDirectory() as folder:
            trainer.save(Path(folder))
            ray.train.report(record, checkpoint=Checkpoint.from_directory(folder))

    first = {"logs": logs, "tracker": setting["tracker"], "show": True} if rank == 0 else {"show": False}
    try:
        trainer.train(on_epoch, stage_progress(logs.name, "step", **first))
    except Diverged as error:  # raised here, it would be a failure, after which Ray Train tries again
        if rank == 0:
            Path(setting["diverged"]).write_text(str(error), "utf-8")
