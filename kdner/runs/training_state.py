"""Weights and optimizers' moments in files of safetensors: what a training needs to go on, without pickle."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from safetensors.torch import load_file, save
from torch import Tensor, nn

from kdner.runs.storage import commit

WEIGHTS = "model.safetensors"
MOMENTS = "optimizer.safetensors"


def save_weights(weights: Mapping[str, Tensor], path: Path) -> None:
    """Write tensors to a file of safetensors, whole or not at all.

    All may read it whom the umask lets; what `safetensors.torch.save_file` writes is for its owner alone.
    """
    with commit(str(path)) as file:
        file.write(save({name: tensor.contiguous() for name, tensor in weights.items()}))


def write_training_state(folder: Path, model: nn.Module, optimizers: Sequence[torch.optim.Optimizer]) -> None:
    """Write a model's weights, and what its optimizers keep of its parameters, into an existing folder."""
    names: dict[Tensor, str] = {parameter: name for name, parameter in model.named_parameters()}
    moments = {
        f"{names[parameter]}/{key}": torch.as_tensor(value)
        for optimizer in optimizers
        for parameter, entry in optimizer.state.items()
        for key, value in entry.items()
    }
    save_weights(model.state_dict(), folder / WEIGHTS)
    save_weights(moments, folder / MOMENTS)


def read_training_state(
    folder: Path, model: nn.Module, optimizers: Sequence[torch.optim.Optimizer], device: torch.device
) -> None:
    """Load what `write_training_state` wrote into a model on a device, and into its optimizers."""
    model.load_state_dict(load_file(folder / WEIGHTS, device=str(device)))
    parameters = dict(model.named_parameters())
    owners = {
        parameter: optimizer
        for optimizer in optimizers
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    for key, value in load_file(folder / MOMENTS, device=str(device)).items():
        name, moment = key.rsplit("/", 1)
        optimizer = owners[parameters[name]]
        is_count = moment == "step" and isinstance(optimizer, torch.optim.SparseAdam)
        optimizer.state[parameters[name]][moment] = int(value) if is_count else value
