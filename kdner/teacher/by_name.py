"""Whatever maps words to logits over a label list: teachers of every kind, and students.

A model is named by

- a directory, or its URI: a transformers token classifier or a feature-based tagger (finetune_teacher), or a student
  (distill_student);
- `NAME` or `NAME@REVISION` of a token classifier or a student on the Hugging Face hub, and `kdner/general-tiny`, the
  student that comes with this package;
- `spacy:NAME`: a spaCy pipeline, see `kdner.teacher.spacy_pipeline`;
- `gliner:NAME=TYPE,TYPE`: a GLiNER model that looks for these types, see `kdner.teacher.gliner_model`;
- `module:Class`, or `module:Class=ARGUMENT`: a class of your own, which is called without an argument or with this
  text. Its instances have `labels`, a list of labels, and `score_words`; see `Model`.

Labels may be of any scheme: a model that is loaded has IOB2 labels, see `kdner.labels.folding`.
"""

from __future__ import annotations

import importlib
import inspect
import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import torch

from kdner.device import dtype_name
from kdner.errors import InputError
from kdner.labels.folding import Folding, check_label_map
from kdner.runs.fingerprint import hash_of_code, hash_of_files
from kdner.runs.storage import join, local_folder
from kdner.student import saved as student
from kdner.student.tagger import Tagger
from kdner.student.vocabulary import Vocabulary
from kdner.teacher import feature_tagger
from kdner.teacher import model as teacher
from kdner.teacher.encoder import encoder_fingerprint, is_of_hub, model_folder, pinned
from kdner.teacher.protocol import Model, OwnModel, folded
from kdner.teacher.tokenizers import check_encoder

FEATURES = "features:"
"""Prefix of the name of a feature-based tagger that is to be trained."""
_CLASS = re.compile(r"(?P<module>[A-Za-z_][\w.]*):(?P<name>[A-Za-z_]\w*)(=(?P<argument>.*))?", re.DOTALL)
if TYPE_CHECKING:
    from kdner.student.engine import NumericType

_MODEL_TYPES = (student.MODEL_TYPE, feature_tagger.MODEL_TYPE)
ADAPTERS = {
    "spacy": "kdner.teacher.spacy_pipeline:SpacyPipeline",
    "gliner": "kdner.teacher.gliner_model:GlinerModel",
}
"""Classes that make models of other packages a teacher, by the prefix that is short for them."""


def load_model(
    source: str | Path,
    *,
    dtype: torch.dtype | None = None,
    in_bulk: bool = False,
    label_map: Mapping[str, str] | None = None,
    sample: Sequence[Sequence[str]] = (),
) -> Model:
    """Load a model by its name.

    Args:
        source: its name, as the docstring of this module says.
        dtype: what it computes in, by default what its device is fastest at; a class of your own decides itself.
        in_bulk: whether it pays to compile it first; see `kdner.teacher.model.Teacher.load`.
        label_map: new names of types of entities; see `kdner.labels.folding`.
        sample: sentences by which the labels of IOB1 are told from those of IOB2; see `kdner.teacher.protocol.folded`.

    Raises:
        InputError: there is no such model, or it is no tagger.
    """
    return folded(_load(source, dtype, in_bulk), str(source), dict(label_map or {}), sample)


def _load(source: str | Path, dtype: torch.dtype | None, in_bulk: bool) -> Model:
    if own_class := _own_class(source):
        _, build = own_class
        return build()
    kind = _kind(source)
    if kind == student.MODEL_TYPE:
        numeric_type = cast("NumericType", dtype_name(dtype)) if dtype else None
        return Tagger.from_pretrained(source, dtype=numeric_type)
    if kind == feature_tagger.MODEL_TYPE:
        return feature_tagger.FeatureTagger.load(source, dtype=dtype, in_bulk=in_bulk)
    return teacher.Teacher.load(source, dtype=dtype, in_bulk=in_bulk)


def check_model(source: str | Path) -> None:
    """Check that a model can be found and can tag words, without the weights of a directory.

    Raises:
        InputError: it cannot.
    """
    if not _own_class(source) and _kind(source) not in _MODEL_TYPES:
        check_encoder(str(source))


def model_labels(source: str | Path) -> list[str]:
    """Read a model's IOB2 labels, without the weights of a directory.

    Raises:
        InputError: there is no such model, or it is no tagger.
    """
    return Folding(_own_labels(source), str(source)).labels


def joined_labels(sources: Sequence[str], label_map: Mapping[str, str]) -> dict[str, list[str]]:
    """Read the IOB2 labels of several models by their names, without the weights of directories.

    Args:
        sources: names of the models.
        label_map: new names of their types; see `kdner.labels.folding`.

    Raises:
        InputError: there is no such model, it is no tagger, or the map names a type that none has.
    """
    foldings = {source: Folding(_own_labels(source), source, label_map=label_map) for source in sources}
    check_label_map(label_map, [name for folding in foldings.values() for name in folding.types])
    return {source: folding.labels for source, folding in foldings.items()}


def may_be_iob1(source: str | Path) -> bool:
    """Tell whether only what a model does with sentences tells IOB1 from IOB2; see `kdner.teacher.protocol.folded`.

    Raises:
        InputError: there is no such model.
    """
    own_class = _own_class(source)
    config = {} if own_class else _config(source)
    if config.get("model_type") in _MODEL_TYPES:
        return False
    scheme = own_class[1]().scheme if own_class else config.get(teacher.SCHEME)
    return scheme is None and Folding(_own_labels(source), str(source)).may_be_iob1


def is_own_class(source: str | Path) -> bool:
    """Tell whether a source names a class, of the user's or an adapter, and no files.

    Raises:
        InputError: it names one that cannot be imported.
    """
    return _own_class(source) is not None


def _own_labels(source: str | Path) -> list[str]:
    if own_class := _own_class(source):
        _, build = own_class
        return build().labels
    config = _config(source)
    return config["labels"] if config.get("model_type") in _MODEL_TYPES else teacher.Teacher.read_labels(source)


def model_fingerprint(source: str | Path) -> dict[str, str]:
    """Return the identity of a model: the hashes of its files, or its name and revision on the hub.

    Of a class of your own it is the hash of its module, whose comments do not count, and what the class says of itself
    in `fingerprint`.

    Raises:
        InputError: there is no such model.
    """
    if own_class := _own_class(source):
        module, build = own_class
        return {"class": str(source), module.name: hash_of_code(module), **build().fingerprint}
    kind = _kind(source)
    if kind == student.MODEL_TYPE and not is_of_hub(str(source)):
        return hash_of_files(str(model_folder(str(source))), student.MODEL_FILES)
    if kind == feature_tagger.MODEL_TYPE:
        return hash_of_files(str(source), feature_tagger.model_files(local_folder(source)))
    return encoder_fingerprint(str(source))


def pinned_model(source: str) -> str:
    """Return the name of a hub's model with its revision, which all nodes then load; any other name as it is."""
    return source if _own_class(source) else pinned(source)


def pinned_teacher(name: str) -> str:
    """Return the name of a teacher to be trained with the revision of a hub's encoder, as `pinned_model` does."""
    encoder = encoder_of(name)
    return name.removesuffix(encoder) + pinned(encoder)


def largest_vocabulary(sources: Iterable[str]) -> Vocabulary | None:
    """Read the vocabulary of the student that has the largest one; None where no model is a student.

    Raises:
        InputError: one of the models does not exist.
    """
    students = [source for source in sources if not _own_class(source) and _kind(source) == student.MODEL_TYPE]
    vocabularies = [Vocabulary.load(model_folder(source) / student.VOCABULARY_FILE) for source in students]
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


def is_feature_based(name: str) -> bool:
    """Tell whether the name of a teacher to be trained asks for a feature-based tagger."""
    return name.startswith(FEATURES)


def teacher_fingerprint(name: str) -> dict[str, Any]:
    """Return the identity of a teacher to be trained: its encoder, and whether that is fine-tuned.

    Raises:
        InputError: the encoder is nowhere.
    """
    return {"encoder": encoder_fingerprint(encoder_of(name)), "feature_based": is_feature_based(name)}


def _kind(source: str | Path) -> str:
    return str(_config(source).get("model_type"))


def _config(source: str | Path) -> dict[str, Any]:
    path = model_folder(str(source)) / "config.json"
    if not path.is_file():
        raise InputError(
            f"{source}: not a model directory: it has no config.json. Expected a teacher's or a student's, the name of "
            "one on a hub, spacy:NAME, gliner:NAME=TYPES, or module:Class."
        )
    config: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return config


def _own_class(source: str | Path) -> tuple[Path, Callable[[], OwnModel]] | None:
    """Return the file of a class of the user's and a function that builds the model; None if a source names none."""
    kind, colon, name = str(source).partition(":")
    match = _CLASS.fullmatch(f"{ADAPTERS[kind]}={name}" if colon and kind in ADAPTERS else str(source))
    if not match or Path(source).exists():
        return None
    try:
        module = importlib.import_module(match["module"])
        named_class = getattr(module, match["name"])
    except (ImportError, AttributeError) as error:
        raise InputError(f"{source}: {error}. Expected a module:Class that can be imported, or a folder") from error
    arguments = () if match["argument"] is None else (match["argument"],)
    return Path(inspect.getfile(module)), lambda: OwnModel(str(source), named_class(*arguments))
