"""The student as users have it: a network that tags texts, is saved in a folder and comes back from it."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any, overload

import torch
from torch.optim.optimizer import Optimizer, register_optimizer_step_post_hook

from kdner import __version__
from kdner.runs.hub import CARD, describe, model_folder, push_folder
from kdner.runs.training_state import save_weights
from kdner.student.network import Network
from kdner.student.saved import (
    FORMAT_VERSION,
    MODEL_FILES,
    MODEL_TYPE,
    SCALES,
    VOCABULARY_FILE,
    WORDS,
    SavedStudent,
    WeightsType,
)
from kdner.student.tagger import Entity, Tagger
from kdner.student.thresholds import Score
from kdner.text.words import splitter_fingerprint


class Student(Network):
    """An LSTM-CNN tagger with its vocabulary, its label list and the language of its texts."""

    _kept: tuple[Tagger, _Weights] | None = None
    """The tagger of the last call of `tag`, and the weights that it has."""
    card: str = ""
    """The model card of the folder that it was read from, for the next one."""

    @overload
    def tag(self, texts: str, *, hard_wrapped: bool = ..., score: Score = ...) -> list[Entity]: ...  # type: ignore[overload-overlap]
    @overload
    def tag(self, texts: Iterable[str], *, hard_wrapped: bool = ..., score: Score = ...) -> list[list[Entity]]: ...
    def tag(
        self, texts: str | Iterable[str], *, hard_wrapped: bool = False, score: Score = None
    ) -> list[Entity] | list[list[Entity]]:
        """Return the entities of a text, or of each of many, by start, as `kdner.student.tagger.Tagger` does.

        With `score`, one threshold or a mapping of labels to theirs, entities with a lower score are left out.

        Any number of threads may call this at once. Weights count as they are at the call. Only a change that PyTorch
        does not count, one through `parameter.data`, goes unnoticed; a new `Tagger` has it.

        Raises:
            InputError: it is neither a string nor an iterable of strings; the message names the place of what is none.
                Or a threshold is not from 0 to 1, or of a label that the student does not have.
        """
        kept = self._kept  # other threads may change it meanwhile
        if kept is None or not kept[1].are_those_of(self):
            weights = _Weights(self)
            kept = self._kept = Tagger(self), weights
        return kept[0].tag(texts, hard_wrapped=hard_wrapped, score=score)

    def __getstate__(self) -> dict[str, Any]:
        return {name: value for name, value in vars(self).items() if name != "_kept"}

    def save(self, folder: Path, *, model_type: str = MODEL_TYPE, dtype: WeightsType = "float32") -> None:
        """Write `MODEL_FILES` into an existing folder; `model_type` tells later what they hold."""
        config = {
            "model_type": model_type,
            "format_version": FORMAT_VERSION if dtype == "int8" else 1,
            "kdner": __version__,
            "labels": self.labels,
            **splitter_fingerprint(self.language),
            **asdict(self.config),
        }
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        kind = torch.float32 if dtype == "float32" else torch.bfloat16
        weights = {name: values.to(kind) for name, values in self.state_dict().items()}
        if dtype == "int8":
            weights[WORDS], weights[SCALES] = _in_int8(self.state_dict()[WORDS])
        save_weights(weights, folder / "model.safetensors")
        self.vocabulary.save(folder / VOCABULARY_FILE)

    def save_pretrained(
        self,
        folder: str | Path,
        *,
        license: str | None = None,
        language: str | Sequence[str] | None = None,
        dtype: WeightsType = "float32",
    ) -> None:
        """Write `MODEL_FILES` and the card into a folder, which is created.

        Args:
            folder: a local folder.
            license: of the model, as the hub calls it, such as `cc-by-4.0`, for the card.
            language: its code or codes, such as `en`, for the card.
            dtype: numeric type of the weights on disk; bfloat16 takes half the room, and moves a score by some
                hundredths at most; int8 takes little more than a quarter, but older versions of kdner cannot read it.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        self.save(folder, dtype=dtype)
        (folder / CARD).write_text(self.card or self._plain_card(folder.name), encoding="utf-8")
        describe(folder / CARD, license=license, language=language)

    def push_to_hub(self, repo_id: str, **options: Any) -> str:
        """Put the student on the Hugging Face hub, with its card; returns the commit's address.

        Args:
            repo_id: `OWNER/MODEL`; it is created where there is none.
            options: those of `kdner.runs.hub.push_folder`, such as `license`, `language`, `private`, `token`.

        Raises:
            InputError: the hub refuses it.
        """
        with tempfile.TemporaryDirectory(prefix="kdner-") as folder:
            self.save_pretrained(folder)
            return push_folder(folder, repo_id, **options)

    @classmethod
    def from_pretrained(cls, name: str | Path, revision: str | None = None, **options: Any) -> Student:
        """Read what `save_pretrained` or a job wrote, ready for inference.

        Args:
            name: a folder or its URI; `GENERAL`, which needs no network; or a model of the Hugging Face hub,
                `OWNER/MODEL` or `OWNER/MODEL@REVISION`. A folder wins.
            revision: branch, tag or commit on the hub.
            options: those of `kdner.runs.hub.model_folder`, such as `token`, `cache_dir`, `local_files_only`.

        Raises:
            InputError: there is no such folder or model, it is not a student's, or is one of another version's.
        """
        folder = model_folder(name, MODEL_FILES, revision=revision, **options)
        student = cls.of(SavedStudent.read(folder))
        if (folder / CARD).is_file():
            student.card = (folder / CARD).read_text("utf-8")
        return student

    def _plain_card(self, name: str) -> str:
        from kdner.student.model_card import plain_card  # here, because it imports the hub's client

        return plain_card(name, self.labels, self.parameters_count)


def _in_int8(table: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Round each row of [R, D] to whole numbers from -127 to 127; returns them, and each row's scale, float32 [R]."""
    scales = table.float().abs().amax(dim=1) / 127
    rows = table / torch.where(scales > 0, scales, 1)[:, None]
    return rows.round().to(torch.int8), scales


class _Weights:
    """The weights of a network at one moment, told from later ones.

    They lie at the same places in memory, which is held so that no others can, and PyTorch has counted no change in
    place. It counts none that a fused optimizer makes, so the steps of these are counted here.
    """

    def __init__(self, network: Network) -> None:
        self.modules = list(network.modules())
        self.memory = [parameter.detach() for parameter in network.parameters()]
        self.state = self._state()

    def are_those_of(self, network: Network) -> bool:
        """Tell whether a network has these weights."""
        return self.modules[0] is network and self.state == self._state()

    def _state(self) -> list[Any]:
        """Return what changes with the weights, in less time than a text takes.

        These are the steps of fused optimizers, the modules within each module, and for each parameter where it lies
        and how often it was changed there. Changes of a parameter that was made in inference mode are not counted.
        """
        state: list[Any] = [_fused_steps().count]
        for module in self.modules:
            state.extend(module._modules.values())
            for parameter in module._parameters.values():
                if parameter is not None:
                    version = None if parameter.is_inference() else parameter._version
                    state.append((parameter.data_ptr(), version))
        return state


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
