"""Whatever maps words to logits over a label list: teachers of every kind, and students.

A model is named by

- a directory, or its URI: a transformers token classifier or a feature-based tagger (finetune_teacher), or a student
  (distill_student);
- `module:Class`, or `module:Class=ARGUMENT`: a class of your own, which is called without an argument or with this
  text. Its instances have `labels`, a list of IOB2 labels, and `score_words`; see `Model`.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from kdner.errors import InputError
from kdner.labels.decoding import best_legal_tags
from kdner.runs.fingerprint import hash_of_files
from kdner.runs.storage import join, local_folder
from kdner.student import model as student
from kdner.student.tagger import Tagger
from kdner.student.vocabulary import Vocabulary
from kdner.teacher import feature_tagger
from kdner.teacher import model as teacher
from kdner.text.given import listed_sentences

FEATURES = "features:"
"""Prefix of the name of a feature-based tagger that is to be trained."""
_CLASS = re.compile(r"(?P<module>[A-Za-z_][\w.]*):(?P<name>[A-Za-z_]\w*)(=(?P<argument>.*))?", re.DOTALL)
_MODEL_FILES = {student.MODEL_TYPE: student.MODEL_FILES, feature_tagger.MODEL_TYPE: feature_tagger.MODEL_FILES}


class Model(Protocol):
    """What a teacher does. A class of your own needs `labels` and `score_words` only."""

    @property
    def labels(self) -> list[str]:
        """The label list; its order is that of the logits."""

    @property
    def parameters(self) -> int:
        """Count the parameters."""

    def score_words(self, sentences: Iterable[Iterable[str]]) -> np.ndarray:
        """Return logits, float [N, L], of all N words of all sentences, in order: any numbers, softmax reads them."""

    def tags(self, sentences: Iterable[Iterable[str]]) -> list[list[str]]:
        """Return the label of each word of each sentence."""


class OwnModel:
    """A class of the user's behind the protocol of `Model`, with what it returns checked."""

    def __init__(self, source: str, instance: Any) -> None:
        self._source, self._instance = source, instance
        self.labels: list[str] = list(getattr(instance, "labels", ()))
        if "O" not in self.labels or not callable(getattr(instance, "score_words", None)):
            raise InputError(f"{source}: needs `labels`, IOB2 labels with 'O' among them, and a method `score_words`")

    @property
    def parameters(self) -> int:
        """Return the count that the instance gives; 0 where it gives none."""
        return int(getattr(self._instance, "parameters", 0))

    def score_words(self, sentences: Iterable[Iterable[str]]) -> np.ndarray:
        """Return the logits of all N words of all sentences, float32 [N, L].

        Raises:
            ValueError: the instance returned logits of another shape, or one that is not a finite number.
        """
        sentences = listed_sentences(sentences)
        expected = (sum(map(len, sentences)), len(self.labels))
        if not expected[0]:
            return np.zeros(expected, np.float32)
        logits = np.asarray(self._instance.score_words(sentences), np.float32)
        if logits.shape != expected:
            raise ValueError(f"{self._source}: score_words returned shape {logits.shape}, expected {expected}")
        if not np.isfinite(logits).all():
            raise ValueError(f"{self._source}: score_words returned logits that are not finite numbers")
        return logits

    def tags(self, sentences: Iterable[Iterable[str]]) -> list[list[str]]:
        """Return the best legal labels of each sentence."""
        sentences = listed_sentences(sentences)
        return best_legal_tags(self.score_words(sentences), sentences, self.labels)


def load_model(source: str | Path, *, dtype: torch.dtype | None = None, in_bulk: bool = False) -> Model:
    """Load a model by its name.

    Args:
        source: its name, as the docstring of this module says.
        dtype: what it computes in, by default what its device is fastest at; a class of your own decides itself.
        in_bulk: whether it pays to compile it first; see `kdner.teacher.model.Teacher.load`.

    Raises:
        InputError: there is no such model.
    """
    if own_class := _own_class(source):
        _, build = own_class
        return build()
    kind = _kind(source)
    if kind == student.MODEL_TYPE:
        return Tagger(student.Student.from_pretrained(source), dtype=dtype)
    if kind == feature_tagger.MODEL_TYPE:
        return feature_tagger.FeatureTagger.load(source, dtype=dtype, in_bulk=in_bulk)
    return teacher.Teacher.load(source, dtype=dtype, in_bulk=in_bulk)


def model_labels(source: str | Path) -> list[str]:
    """Read a model's label list, without the weights of a directory.

    Raises:
        InputError: there is no such model.
    """
    if own_class := _own_class(source):
        _, build = own_class
        return build().labels
    if _kind(source) in _MODEL_FILES:
        labels: list[str] = _config(source)["labels"]
        return labels
    return teacher.Teacher.read_labels(source)


def model_fingerprint(source: str | Path) -> dict[str, str]:
    """Return the identity of a model: the hashes of its files; of a class of your own, that of its module.

    Raises:
        InputError: there is no such model.
    """
    if own_class := _own_class(source):
        module, _ = own_class
        return {"class": str(source), **hash_of_files(str(module.parent), [module.name])}
    return hash_of_files(str(source), _MODEL_FILES.get(_kind(source), teacher.MODEL_FILES))


def largest_vocabulary(sources: Iterable[str]) -> Vocabulary | None:
    """Read the vocabulary of the student that has the largest one; None where no model is a student.

    Raises:
        InputError: one of the models does not exist.
    """
    students = [source for source in sources if not _own_class(source) and _kind(source) == student.MODEL_TYPE]
    vocabularies = [Vocabulary.load(local_folder(source) / student.VOCABULARY_FILE) for source in students]
    return max(vocabularies, key=lambda vocabulary: vocabulary.word_rows, default=None)


def encoder_folder(source: str) -> str | None:
    """Return the folder of a model's own encoder, whose piece embeddings can become word vectors; None without one.

    Raises:
        InputError: there is no such model.
    """
    if _own_class(source) or _kind(source) == student.MODEL_TYPE:
        return None
    return join(source, feature_tagger.ENCODER) if _kind(source) == feature_tagger.MODEL_TYPE else source


def teacher_names(count: int) -> list[str]:
    """Return the names of so many teachers in folders, manifests and logs: `teacher`, `teacher-2`, `teacher-3`, ..."""
    return ["teacher" if number == 1 else f"teacher-{number}" for number in range(1, count + 1)]


def encoder_of(name: str) -> str:
    """Return the encoder that the name of a teacher to be trained, `[features:]ENCODER`, holds."""
    return name.removeprefix(FEATURES)


def _kind(source: str | Path) -> str:
    return str(_config(source).get("model_type"))


def _config(source: str | Path) -> dict[str, Any]:
    path = local_folder(source) / "config.json"
    if not path.is_file():
        raise InputError(
            f"{source}: not a model directory: it has no config.json. Expected a teacher's or a student's, or "
            "module:Class."
        )
    config: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return config


def _own_class(source: str | Path) -> tuple[Path, Callable[[], OwnModel]] | None:
    """Return the file of a class of the user's and a function that builds the model; None if a source names none."""
    match = _CLASS.fullmatch(str(source))
    if not match or Path(source).exists():
        return None
    try:
        module = importlib.import_module(match["module"])
        named_class = getattr(module, match["name"])
    except (ImportError, AttributeError) as error:
        raise InputError(f"{source}: {error}. Expected a module:Class that can be imported, or a folder") from error
    arguments = () if match["argument"] is None else (match["argument"],)
    return Path(inspect.getfile(module)), lambda: OwnModel(str(source), named_class(*arguments))
