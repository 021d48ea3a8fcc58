"""The student as users have it: a network that tags texts, is saved in a folder and comes back from it."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterable
from dataclasses import asdict, fields
from functools import cache
from pathlib import Path
from typing import Any, overload

import torch
from safetensors.torch import load_file
from torch import Size, Tensor
from torch.optim.optimizer import Optimizer, register_optimizer_step_post_hook

from kdner.errors import InputError
from kdner.runs.storage import local_folder
from kdner.runs.training_state import save_weights
from kdner.student.network import Network, StudentConfig
from kdner.student.tagger import Entity, Tagger
from kdner.student.vocabulary import UNKNOWN, Vocabulary
from kdner.text.abbreviations import DEFAULT_LANGUAGE
from kdner.text.words import SPLITTER_VERSION, splitter_fingerprint

logger = logging.getLogger(__name__)

MODEL_TYPE = "kdner-student"
VOCABULARY_FILE = "vocabulary.json"
MODEL_FILES = ("config.json", "model.safetensors", VOCABULARY_FILE)
FIRST_SPLITTER = 2
"""The splitter of students that do not say theirs."""


class Student(Network):
    """An LSTM-CNN tagger with its vocabulary, its label list and the language of its texts."""

    _kept: tuple[Tagger, _Weights] | None = None
    """The tagger of the last call of `tag`, and the weights that it has."""

    @overload
    def tag(self, texts: str, *, hard_wrapped: bool = ...) -> list[Entity]: ...  # type: ignore[overload-overlap]
    @overload
    def tag(self, texts: Iterable[str], *, hard_wrapped: bool = ...) -> list[list[Entity]]: ...
    def tag(self, texts: str | Iterable[str], *, hard_wrapped: bool = False) -> list[Entity] | list[list[Entity]]:
        """Return the entities of a text, or of each of many, by start, as `kdner.student.tagger.Tagger` does.

        Any number of threads may call this at once. Weights count as they are at the call. Only a change that PyTorch
        does not count, one through `parameter.data`, goes unnoticed; a new `Tagger` has it.

        Raises:
            InputError: it is neither a string nor an iterable of strings; the message names the place of what is none.
        """
        kept = self._kept  # other threads may change it meanwhile
        if kept is None or not kept[1].are_those_of(self):
            weights = _Weights(self)
            kept = self._kept = Tagger(self), weights
        return kept[0].tag(texts, hard_wrapped=hard_wrapped)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_kept"}

    def save(self, folder: Path, *, model_type: str = MODEL_TYPE) -> None:
        """Write `MODEL_FILES` into an existing folder; `model_type` tells later what they hold."""
        config = {
            "model_type": model_type,
            "labels": self.labels,
            **splitter_fingerprint(self.language),
            **asdict(self.config),
        }
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        save_weights(self.state_dict(), folder / "model.safetensors")
        self.vocabulary.save(folder / VOCABULARY_FILE)

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> Student:
        """Read what `save` wrote, ready for inference.

        Raises:
            InputError: the folder, or that of a URI, is not a student's, or is one of another version's.
        """
        folder = local_folder(folder)
        missing = [name for name in MODEL_FILES if not (folder / name).is_file()]
        if missing:
            raise InputError(
                f"{folder}: not a student: it has no {', '.join(missing)}. Expected what distill_student writes."
            )
        config, labels, language = read_config(folder, MODEL_TYPE)
        student = cls(config, Vocabulary.load(folder / VOCABULARY_FILE), labels, language=language)
        student.load_weights(folder)
        if "beginnings" not in json.loads((folder / VOCABULARY_FILE).read_text("utf-8")):
            with torch.no_grad():  # before 0.4 a known word had nothing of the unknown one's vector
                student.words.weight[UNKNOWN + 1 :] -= student.words.weight[UNKNOWN]
        return student.eval()

    def load_weights(self, folder: Path) -> None:
        """Take the weights that `save` wrote.

        Raises:
            InputError: they are not of this shape.
        """
        weights = load_file(folder / "model.safetensors")
        if _shapes(self.state_dict()) != _shapes(weights):
            raise InputError(
                f"{folder}/model.safetensors: not the weights that config.json and vocabulary.json describe. Were they "
                "written by another version of kdner? Then train it again"
            )
        self.load_state_dict(weights)


def read_config(folder: Path, model_type: str) -> tuple[StudentConfig, list[str], str]:
    """Return the shape, the label list and the language that `Student.save` wrote.

    Raises:
        InputError: what was saved is of another type, or of another version's shape.
    """
    config = json.loads((folder / "config.json").read_text("utf-8"))
    if config.pop("model_type", None) != model_type:
        raise InputError(f"{folder}/config.json: not a student's: model_type is not {model_type}")
    labels, language = config.pop("labels"), config.pop("language", DEFAULT_LANGUAGE)
    version = config.pop("splitter", FIRST_SPLITTER)
    if unknown := set(config) - {field.name for field in fields(StudentConfig)}:
        raise InputError(
            f"{folder}/config.json: {', '.join(sorted(unknown))} is none of this version's settings of a student: "
            "another version of kdner wrote it. Tag with that version, or train it again"
        )
    if version != SPLITTER_VERSION:
        logger.warning(
            "%s: learned from the words of splitter %s, and will be given those of splitter %s, which differ in rare "
            "texts only; train it again where these matter",
            folder,
            version,
            SPLITTER_VERSION,
        )
    return StudentConfig(**config), labels, language


def _shapes(weights: dict[str, Tensor]) -> dict[str, Size]:
    return {name: values.shape for name, values in weights.items()}


class _Weights:
    """The weights of a network at one moment, told from later ones.

    They lie at the same places in memory, which is held so that no others can, and PyTorch has counted no change in
    place. It counts none that a fused optimizer makes, so the steps of these are counted here.
    """

    def __init__(self, network: Network) -> None:
        self.memory = [parameter.detach() for parameter in network.parameters()]
        self.state = _state(network)

    def are_those_of(self, network: Network) -> bool:
        """Tell whether a network has these weights."""
        return self.state == _state(network)


def _state(network: Network) -> tuple[int, list[tuple[int, int | None]]]:
    """Return the steps of fused optimizers, and for each parameter where it lies and how often it was changed there.

    Changes of a parameter that was made in inference mode are not counted.
    """
    return _fused_steps().count, [
        (parameter.data_ptr(), None if parameter.is_inference() else parameter._version)
        for parameter in network.parameters()
    ]


class _FusedSteps:
    """The number of steps that fused optimizers have made in this process since the first call of `_fused_steps`."""

    def __init__(self) -> None:
        self.count = 0
        register_optimizer_step_post_hook(self._add)

    def _add(self, optimizer: Optimizer, arguments: Any, options: Any) -> None:
        self.count += any(group.get("fused") for group in optimizer.param_groups)


@cache
def _fused_steps() -> _FusedSteps:
    return _FusedSteps()
