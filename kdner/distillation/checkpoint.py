"""Checkpoints of a training: all that it takes to go on after an epoch, without pickle."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from kdner.runs.training_state import read_training_state, save_weights, write_training_state
from kdner.student.network import Network
from kdner.student.saved import SavedStudent

BEST_WEIGHTS = "best.safetensors"
STATE = "state.json"


@dataclass
class State:
    """How far a training is: all that a checkpoint holds beside the weights and the optimizers' moments."""

    epoch: int = 0
    """Finished epochs."""
    best_epoch: int = 0
    """The epoch, from 1, whose weights are kept; 0 before the first has ended."""
    best_f1: float | None = None
    """F1 (0 to 1) of the best epoch on the development set; None without one, when the last epoch is kept."""
    words: int = 0
    """Words of all steps so far, of all workers."""
    seconds: float = field(default=0.0, compare=False)
    """Time that these steps took, without what lies between epochs."""
    history: list[dict[str, float]] = field(default_factory=list)
    """The record of each epoch: `epoch`, `loss`, and `development_f1` where there is a development set."""


def write_checkpoint(
    folder: Path,
    model: nn.Module,
    best: Mapping[str, Tensor],
    optimizers: Sequence[torch.optim.Optimizer],
    state: State,
) -> None:
    """Write a checkpoint into an existing folder.

    Args:
        folder: where to.
        model: has the weights of the last epoch.
        best: weights of the best epoch.
        optimizers: have the moments of the model's parameters.
        state: how far the training is.
    """
    write_training_state(folder, model, optimizers)
    save_weights(best, folder / BEST_WEIGHTS)
    (folder / STATE).write_text(json.dumps(vars(state)), encoding="utf-8")


def read_checkpoint(
    folder: Path, model: nn.Module, optimizers: Sequence[torch.optim.Optimizer], device: torch.device
) -> tuple[dict[str, Tensor], State]:
    """Load weights and moments into a model and its optimizers; return the best epoch's weights and the state."""
    read_training_state(folder, model, optimizers, device)
    return load_file(folder / BEST_WEIGHTS, device=str(device)), _read_state(folder)


def best_student(checkpoint: Path, initial: Path) -> tuple[SavedStudent, State]:
    """Return the best epoch's student of a checkpoint, with the state of the last epoch.

    Args:
        checkpoint: what `write_checkpoint` wrote.
        initial: the student directory that training began with; gives shape and vocabulary.
    """
    network = Network.of(SavedStudent.read(initial))
    network.load_state_dict(load_file(checkpoint / BEST_WEIGHTS))
    return network.saved(), _read_state(checkpoint)


def _read_state(folder: Path) -> State:
    return State(**json.loads((folder / STATE).read_text("utf-8")))
