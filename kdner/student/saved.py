"""A student as its files have it: read without PyTorch, which only training and some engines need."""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any, Literal, Self, TypeAlias, get_args

import numpy as np
from safetensors import SafetensorError, deserialize
from safetensors.numpy import save

from kdner import __version__
from kdner.errors import InputError
from kdner.runs.hub import model_folder
from kdner.runs.storage import commit
from kdner.student.config import StudentConfig
from kdner.student.vocabulary import UNKNOWN, Vocabulary
from kdner.text.abbreviations import DEFAULT_LANGUAGE
from kdner.text.words import SPLITTER_VERSION, splitter_fingerprint

logger = logging.getLogger(__name__)

MODEL_TYPE = "kdner-student"
VOCABULARY_FILE = "vocabulary.json"
CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"
MODEL_FILES = (CONFIG_FILE, WEIGHTS_FILE, VOCABULARY_FILE)
GENERAL = "kdner/general-tiny"
"""The student that comes with this package: persons, places, organizations and other names in English texts."""
WeightsType: TypeAlias = Literal["float32", "bfloat16", "int8"]
"""Numeric types of the weights on disk; int8 is that of the word table, beside which the rest is bfloat16."""
FORMAT_VERSION = 2
"""Of `MODEL_FILES`: 2 with a word table in int8, else 1, which is also what config.json does not name. A newer one is
refused, never guessed at."""
WORDS, SCALES = "words.weight", "words.scales"
"""The word table, [rows, word_dim], and, where it is int8, what each of its rows is multiplied by, float32 [rows]."""
FIRST_SPLITTER = 2
"""The splitter of students that do not say theirs."""
_DTYPES = {"F32": "<f4", "BF16": "<u2", "F16": "<f2"}
"""Types of weights as safetensors calls them, and as numpy reads them."""


@dataclass(eq=False, repr=False)
class SavedStudent:
    """The content of `MODEL_FILES`."""

    config: StudentConfig
    vocabulary: Vocabulary
    labels: list[str]
    """The label list; its order is that of the logits."""
    language: str
    """Of the texts that its words are from."""
    weights: Mapping[str, np.ndarray]
    """In float32, by the names of `Network.state_dict`."""

    def __repr__(self) -> str:
        return f"{type(self).__name__}(labels={self.labels}, parameters_count={self.parameters_count:,})"

    @property
    def parameters_count(self) -> int:
        """Count the student's parameters, word vectors included."""
        return sum(values.size for values in self.weights.values())

    def save(self, folder: Path, *, model_type: str = MODEL_TYPE, dtype: WeightsType = "float32") -> None:
        """Write `MODEL_FILES` into an existing folder; `model_type` tells later what they hold.

        Raises:
            InputError: there are no weights of such a type, or PyTorch is not installed, which all but float32 need.
        """
        if dtype not in get_args(WeightsType):
            raise InputError(f"weights of type {dtype!r}: expected one of {', '.join(get_args(WeightsType))}")
        config = {
            "model_type": model_type,
            "format_version": FORMAT_VERSION if dtype == "int8" else 1,
            "kdner": __version__,
            "labels": self.labels,
            **splitter_fingerprint(self.language),
            **asdict(self.config),
        }
        (folder / CONFIG_FILE).write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
        write_weights(self.weights, folder, dtype)
        self.vocabulary.save(folder / VOCABULARY_FILE)

    @classmethod
    def read(cls, name: str | Path, revision: str | None = None, **options: Any) -> Self:
        """Read what `save` wrote.

        The arguments, and the errors, are those of `kdner.student.model.Student.from_pretrained`.
        """
        return cls.of_folder(model_folder(name, MODEL_FILES, revision=revision, **options))

    @classmethod
    def of_folder(cls, folder: Path) -> Self:
        """Read what `save` wrote into a local folder.

        Raises:
            InputError: it is not a student's, or is one of another version's.
        """
        missing = [name for name in MODEL_FILES if not (folder / name).is_file()]
        if missing:
            raise InputError(
                f"{folder}: not a student: it has no {', '.join(missing)}. Expected what distill_student writes."
            )
        config, labels, language = read_config(folder, MODEL_TYPE)
        vocabulary = read_vocabulary(folder)
        weights = read_weights(folder, _shapes(config, vocabulary, labels))
        if "beginnings" not in json.loads((folder / VOCABULARY_FILE).read_text("utf-8")):
            words = weights[WORDS]  # before 0.4 a known word had nothing of the unknown one's vector
            words[UNKNOWN + 1 :] -= words[UNKNOWN]
        return cls(config, vocabulary, labels, language, weights)


def read_weights(folder: Path, shapes: Mapping[str, tuple[int, ...]]) -> dict[str, np.ndarray]:
    """Read weights in float32, bfloat16 or float16, and a word table in int8, as float32.

    Raises:
        InputError: the file is cut off, no file of safetensors, or its weights are not of these shapes and types.
    """
    path = folder / WEIGHTS_FILE
    try:
        tensors = deserialize(path.read_bytes())
    except SafetensorError as error:
        raise InputError(f"{path}: cannot be read ({error}); copy it again") from error
    found = {name: (tuple(tensor["shape"]), tensor["dtype"]) for name, tensor in tensors}
    in_int8 = {WORDS: "I8", SCALES: "F32"} if SCALES in found else {}
    wanted = {**shapes, SCALES: shapes[WORDS][:1]} if in_int8 else shapes
    if wanted != {name: shape for name, (shape, _) in found.items()}:
        raise InputError(
            f"{path}: not the weights that config.json and vocabulary.json describe. Were they written by another "
            "version of kdner? Then train it again"
        )
    for name, (_, dtype) in found.items():
        if dtype not in ([in_int8[name]] if name in in_int8 else _DTYPES):
            raise InputError(
                f"{path}: {name} is of type {dtype}; expected what kdner writes, {', '.join(_DTYPES)}, or I8 with "
                f"{SCALES} for {WORDS}. Have kdner write it"
            )
    weights = {name: _float32(tensor["data"], tensor["dtype"]).reshape(tensor["shape"]) for name, tensor in tensors}
    if in_int8:
        weights[WORDS] *= weights.pop(SCALES)[:, None]
    return weights


def write_weights(weights: Mapping[str, np.ndarray], folder: Path, dtype: WeightsType) -> None:
    """Write weights, which are float32, into an existing folder.

    In int8 the word table is written with a scale for each of its rows, and all else in bfloat16.

    Raises:
        InputError: it is not float32, and PyTorch is not installed.
    """
    content = (
        save({name: np.ascontiguousarray(values) for name, values in weights.items()})
        if dtype == "float32"
        else _reduced(weights, dtype)
    )
    with commit(str(folder / WEIGHTS_FILE)) as file:
        file.write(content)


def _reduced(weights: Mapping[str, np.ndarray], dtype: WeightsType) -> bytes:
    """Return the file of weights in bfloat16, or in int8, for `write_weights`."""
    try:
        import torch  # here, because who only tags need not have it; numpy knows no bfloat16
        from safetensors.torch import save as save_tensors
    except ImportError as error:
        raise InputError(f"weights in {dtype} need PyTorch: pip install 'kdner[torch]' ({error})") from error
    tensors = {name: torch.from_numpy(values).to(torch.bfloat16) for name, values in weights.items()}
    if dtype == "int8":
        table, scales = _in_int8(weights[WORDS])
        tensors |= {WORDS: torch.from_numpy(table), SCALES: torch.from_numpy(scales)}
    return save_tensors(tensors)


def _shapes(config: StudentConfig, vocabulary: Vocabulary, labels: Sequence[str]) -> dict[str, tuple[int, ...]]:
    """Return the shapes of what `Network.state_dict` has, by name."""
    hidden, filters, count = config.hidden, config.character_filters, len(labels)
    shapes: dict[str, tuple[int, ...]] = {
        "words.weight": (vocabulary.word_rows, config.word_dim),
        "characters.weight": (vocabulary.character_rows, config.character_dim),
        "filters.weight": (filters, config.character_dim, config.character_width),
        "filters.bias": (filters,),
        "output.weight": (count, 2 * hidden),
        "output.bias": (count,),
    }
    for layer in range(config.layers):
        inputs = 2 * hidden if layer else config.word_dim + filters
        shapes |= {
            f"encoder.{layer}.inputs": (2, inputs, 4 * hidden),
            f"encoder.{layer}.recurrent": (2, hidden, 4 * hidden),
            f"encoder.{layer}.bias": (2, 4 * hidden),
        }
    if config.head == "crf":
        shapes |= {
            "crf.start_transitions": (count,),
            "crf.end_transitions": (count,),
            "crf.transitions": (count, count),
        }
    return shapes


def _in_int8(table: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Round each row of [R, D] to whole numbers from -127 to 127; returns them, and each row's scale, float32 [R]."""
    scales = np.abs(table).max(axis=1) / np.float32(127)
    rows = table / np.where(scales > 0, scales, np.float32(1))[:, None]
    return rows.round().astype(np.int8), scales


def _float32(content: bytes, dtype: str) -> np.ndarray:
    if dtype == "BF16":
        return (np.frombuffer(content, "<u2").astype(np.uint32) << 16).view(np.float32)
    return np.frombuffer(content, {**_DTYPES, "I8": "i1"}[dtype]).astype(np.float32)


def read_config(folder: Path, model_type: str) -> tuple[StudentConfig, list[str], str]:
    """Read the shape, the label list and the language that `SavedStudent.save` wrote.

    Raises:
        InputError: config.json is no JSON, of another kind of model, of a newer format, or of another version's
            settings.
    """
    path = folder / CONFIG_FILE
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
    """Read the vocabulary that `SavedStudent.save` wrote.

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
