"""The student as users have it: a network that tags texts, is saved in a folder and comes back from it."""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import asdict, fields
from functools import cache
from pathlib import Path
from typing import Any, Literal, overload

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file
from torch import Size, Tensor
from torch.optim.optimizer import Optimizer, register_optimizer_step_post_hook

from kdner import __version__
from kdner.errors import InputError
from kdner.runs.hub import CARD, describe, model_folder, push_folder
from kdner.runs.training_state import save_weights
from kdner.student.network import Network, StudentConfig
from kdner.student.tagger import Entity, Tagger
from kdner.student.thresholds import Score
from kdner.student.vocabulary import UNKNOWN, Vocabulary
from kdner.text.abbreviations import DEFAULT_LANGUAGE
from kdner.text.words import SPLITTER_VERSION, splitter_fingerprint

logger = logging.getLogger(__name__)

MODEL_TYPE = "kdner-student"
VOCABULARY_FILE = "vocabulary.json"
MODEL_FILES = ("config.json", "model.safetensors", VOCABULARY_FILE)
GENERAL = "kdner/general-tiny"
"""The student that comes with this package: persons, places, organizations and other names in English texts."""
FORMAT_VERSION = 1
"""Of `MODEL_FILES`; 1 is also what config.json does not name. A newer one is refused, never guessed at."""
FIRST_SPLITTER = 2
"""The splitter of students that do not say theirs."""


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

    def save(
        self, folder: Path, *, model_type: str = MODEL_TYPE, dtype: Literal["float32", "bfloat16"] = "float32"
    ) -> None:
        """Write `MODEL_FILES` into an existing folder; `model_type` tells later what they hold."""
        config = {
            "model_type": model_type,
            "format_version": FORMAT_VERSION,
            "kdner": __version__,
            "labels": self.labels,
            **splitter_fingerprint(self.language),
            **asdict(self.config),
        }
        (folder / "config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        weights = {name: values.to(getattr(torch, dtype)) for name, values in self.state_dict().items()}
        save_weights(weights, folder / "model.safetensors")
        self.vocabulary.save(folder / VOCABULARY_FILE)

    def save_pretrained(
        self,
        folder: str | Path,
        *,
        license: str | None = None,
        language: str | Sequence[str] | None = None,
        dtype: Literal["float32", "bfloat16"] = "float32",
    ) -> None:
        """Write `MODEL_FILES` and the card into a folder, which is created.

        Args:
            folder: a local folder.
            license: of the model, as the hub calls it, such as `cc-by-4.0`, for the card.
            language: its code or codes, such as `en`, for the card.
            dtype: numeric type of the weights on disk; bfloat16 takes half the room, and moves a score by some
                hundredths at most.
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
        missing = [name for name in MODEL_FILES if not (folder / name).is_file()]
        if missing:
            raise InputError(
                f"{folder}: not a student: it has no {', '.join(missing)}. Expected what distill_student writes."
            )
        config, labels, language = read_config(folder, MODEL_TYPE)
        student = cls(config, read_vocabulary(folder), labels, language=language)
        student.load_weights(folder)
        if "beginnings" not in json.loads((folder / VOCABULARY_FILE).read_text("utf-8")):
            with torch.no_grad():  # before 0.4 a known word had nothing of the unknown one's vector
                student.words.weight[UNKNOWN + 1 :] -= student.words.weight[UNKNOWN]
        if (folder / CARD).is_file():
            student.card = (folder / CARD).read_text("utf-8")
        return student.eval()

    def load_weights(self, folder: Path) -> None:
        """Take the weights that `save` wrote.

        Raises:
            InputError: they are not of this shape, or cut off.
        """
        try:
            weights = load_file(folder / "model.safetensors")
        except SafetensorError as error:
            raise InputError(f"{folder}/model.safetensors: cannot be read ({error}); copy it again") from error
        if _shapes(self.state_dict()) != _shapes(weights):
            raise InputError(
                f"{folder}/model.safetensors: not the weights that config.json and vocabulary.json describe. Were they "
                "written by another version of kdner? Then train it again"
            )
        self.load_state_dict(weights)

    def _plain_card(self, name: str) -> str:
        from kdner.student.model_card import plain_card  # here, because it imports the hub's client

        return plain_card(name, self.labels, self.parameters_count)


def read_config(folder: Path, model_type: str) -> tuple[StudentConfig, list[str], str]:
    """Read the shape, the label list and the language that `Student.save` wrote.

    Raises:
        InputError: config.json is no JSON, of another kind of model, of a newer format, or of another version's
            settings.
    """
    path = folder / "config.json"
    config = _read_json(path)
    if config.pop("model_type", None) != model_type:
        raise InputError(f"{path}: not a student's: model_type is not {model_type}")
    written_by = config.pop("kdner", "of an earlier version")
    if (version := config.pop("format_version", 1)) not in range(1, FORMAT_VERSION + 1):
        raise InputError(
            f"{path}: format version {version!r}, written by kdner {written_by}; this is kdner {__version__}, which "
            f"reads up to {FORMAT_VERSION}. Get a newer one: pip install -U kdner"
        )
    labels, language = config.pop("labels", None), config.pop("language", DEFAULT_LANGUAGE)
    splitter = config.pop("splitter", FIRST_SPLITTER)
    if not isinstance(labels, list) or not all(isinstance(label, str) for label in labels):
        raise InputError(f"{path}: has no list of labels. Expected what distill_student writes")
    if unknown := set(config) - {field.name for field in fields(StudentConfig)}:
        raise InputError(
            f"{path}: {', '.join(sorted(unknown))} is none of this version's settings of a student: another version of "
            "kdner wrote it. Tag with that version, or train it again"
        )
    if splitter != SPLITTER_VERSION:
        logger.warning(
            "%s: learned from the words of splitter %s, and will be given those of splitter %s, which differ in rare "
            "texts only; train it again where these matter",
            folder,
            splitter,
            SPLITTER_VERSION,
        )
    return StudentConfig(**config), labels, language


def read_vocabulary(folder: Path) -> Vocabulary:
    """Read the vocabulary that `Student.save` wrote.

    Raises:
        InputError: it is none.
    """
    try:
        return Vocabulary.load(folder / VOCABULARY_FILE)
    except (ValueError, TypeError, AttributeError) as error:
        raise InputError(
            f"{folder}/{VOCABULARY_FILE}: not a vocabulary of this version's ({error}); copy it again, or tag with the "
            "version that wrote it"
        ) from error


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise InputError(f"{path}: not JSON ({error}); copy it again") from error
    if not isinstance(value, dict):
        raise InputError(f"{path}: expected a JSON object. Expected what distill_student writes")
    return value


def _shapes(weights: dict[str, Tensor]) -> dict[str, Size]:
    return {name: values.shape for name, values in weights.items()}


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
