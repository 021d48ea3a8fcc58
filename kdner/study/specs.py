"""The low-resource study: what all its trials share, and the names of its teachers and students.

Teachers and students are named by short texts, which are also the rows of the table:

    teacher   [features:]ENCODER[@LABELED][#SEED]   trained on the drawn sentences, or on another labeled set, with
                                                    SEED added to the trial's; or
              fixed:MODEL                           a finished one, named as `kdner.teacher.by_name` says
    student   SETTING[,key=value ...]               SETTING is one of `SETTINGS` or of `RECIPES`; a key is preset, a
                                                    field of `StudentConfig` or `Distillation`, or one of the last five
                                                    of `StudentSpec`
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from typing import Any, Literal, get_args, get_origin, get_type_hints

from kdner.corpora.plan import CorpusPlan
from kdner.distillation.recipe import Distillation
from kdner.distillation.untrained_student import check_untrained_student
from kdner.errors import InputError
from kdner.flags import Layout
from kdner.labeled.remarks import Remarks
from kdner.labeled.sets import check_labels, labels_in, read_labeled, source_fingerprint
from kdner.labels.tags import check_same_labels
from kdner.runs.storage import without_secrets
from kdner.student.config import PRESETS, StudentConfig
from kdner.teacher.by_name import check_model, encoder_of, model_fingerprint, model_labels, teacher_fingerprint
from kdner.teacher.fine_tuning import FineTuning
from kdner.teacher.tokenizers import check_encoder

SETTINGS: dict[str, dict[str, float]] = {
    "labeled": {},
    "pseudo-labels": {"alpha": 1.0},
    "distillation": {"alpha": 0.0},
    "both": {},
}
"""The paper's four settings; `labeled` uses no transfer set."""
RECIPES = {
    "nlp-architect": "both,teachers=1,transfer=rest,alpha=0.91,temperature=1,gold_share=0.5,epochs=310,batch_words=290,"
    "learning_rate=1e-3,schedule=constant,weight_decay=0,word_dropout=0,layers=2,hidden=100,word_dim=100,"
    "character_dim=16,character_filters=128,dropout=0.5,vectors=random"
}
"""Names for whole recipes. NLP Architect, the paper's implementation: gold plus logits (1 and 0.1), no corpus, Adam,
batches of 10 labeled and 10 unlabeled sentences, of some 14.5 words, until it has read these 155 times:
twice the epochs, since half of their words are gold."""
REST: Literal["rest"] = "rest"
"""The part of a transfer set that is the sentences not drawn from the labeled set; the files of its logits begin so."""
_TEACHER = re.compile(r"(?P<source>.+?)(@(?P<labeled>[^#]+))?(#(?P<seed>\d+))?")


@dataclass(frozen=True, kw_only=True)
class Study:
    """What all trials of a study share."""

    labeled: str
    """Labeled set that the sentences are drawn from."""
    test: str
    """Labeled set that F1 is measured on."""
    layout: Layout = field(default_factory=Layout)
    """How both are written, and the language of all texts."""
    corpus: CorpusPlan | None
    """Documents for the transfer set, beside the sentences that were not drawn."""
    transfer_words: int
    """White-space separated words drawn from the corpus; 0 takes all of it."""
    teachers: tuple[str, ...]
    """Names of the teachers, as the docstring of this module says."""
    students: tuple[str, ...]
    """Names of the students."""
    fine_tuning: FineTuning
    """How teachers that are fine-tuned learn."""
    student: StudentConfig
    """Shape of students whose names do not change it."""
    distillation: Distillation
    """Recipe of students whose names do not change it."""
    development_share: float
    """Share of the drawn sentences that students choose their best epoch by, and do not learn from."""
    hard_wrapped: bool = False
    """Whether lines of the corpus end in the middle of sentences."""


@dataclass(frozen=True, kw_only=True)
class TeacherSpec:
    """What a teacher's name says."""

    source: str
    """A finished model, or one to train: `[features:]ENCODER`."""
    fixed: bool = False
    """Whether it is a finished model."""
    labeled: str | None = None
    """Labeled set that it is trained on; by default the drawn sentences."""
    seed: int = 0
    """Number that is added to the trial's seed."""

    @classmethod
    def read(cls, name: str) -> TeacherSpec:
        """Read the name of a teacher.

        Raises:
            InputError: it is not one.
        """
        if name.startswith("fixed:"):
            return cls(source=name.removeprefix("fixed:"), fixed=True)
        match = _TEACHER.fullmatch(name)
        if not match:
            raise InputError(f"--teacher {name!r}: expected [features:]ENCODER[@LABELED][#SEED] or fixed:MODEL")
        return cls(source=match["source"], labeled=match["labeled"], seed=int(match["seed"] or 0))


@dataclass(frozen=True, kw_only=True)
class StudentSpec:
    """What a student's name says: its setting, and what differs from the study's shape and recipe."""

    setting: str
    """One of `SETTINGS`."""
    shape: StudentConfig
    """Shape of the student."""
    recipe: Distillation
    """How it learns."""
    teachers: tuple[int, ...] = ()
    """Key `teachers`, as in `teachers=1+3`: it learns from the mean of these, counted from 1; by default of all."""
    transfer: Literal["all", "rest", "corpus"] = "all"
    """Key `transfer`: all, or rest for the sentences of the labeled set that were not drawn, or corpus for the rest of
    it."""
    transfer_sentences: int = 0
    """Key `transfer_sentences`: about so many sentences drawn from the transfer set; 0 for all."""
    vectors: Literal["teacher", "random"] = "teacher"
    """Key `vectors`: the first word vectors; random also where no teacher has piece embeddings."""
    development_share: float = 0.0
    """Key `development_share`: share (0 to 1) of the drawn sentences that it chooses its best epoch by, and does not
    learn from; by default the study's. 0 keeps the last epoch."""

    def __post_init__(self) -> None:
        if not 0 <= self.development_share < 1:
            raise InputError(f"development_share {self.development_share}: must be at least 0 and under 1")
        if self.transfer_sentences < 0:
            raise InputError(f"transfer_sentences {self.transfer_sentences}: must be at least 0")

    @classmethod
    def read(cls, name: str, study: Study) -> StudentSpec:
        """Read the name of a student.

        Raises:
            InputError: it names no setting, or a key that is unknown, or a value that does not fit.
        """
        try:
            return cls._read(name, study)
        except InputError as error:
            raise InputError(f"--students {name}: {error}") from None

    @classmethod
    def _read(cls, name: str, study: Study) -> StudentSpec:
        setting, *changes = name.split(",")
        if setting in RECIPES:
            setting, *changes = [*RECIPES[setting].split(","), *changes]
        if setting not in SETTINGS:
            raise InputError(f"{setting!r} is none of {', '.join([*SETTINGS, *RECIPES])}")
        spec: dict[str, Any] = {"development_share": study.development_share}
        shape: dict[str, Any] = {}
        preset: dict[str, int] = {}
        recipe: dict[str, Any] = dict(SETTINGS[setting])
        for change in changes:
            key, _, text = change.partition("=")
            key = key.strip().replace("-", "_")
            for owner, values in ((StudentConfig, shape), (Distillation, recipe), (cls, spec)):
                if key in {known.name for known in fields(owner)} - {"setting", "shape", "recipe"}:
                    values[key] = _value(owner, key, text)
                    break
            else:
                if key != "preset":
                    raise InputError(f"unknown key {key!r}")
                if text not in PRESETS:
                    raise InputError(f"preset is one of {', '.join(PRESETS)}")
                preset = PRESETS[text]
        if not set(spec.get("teachers", ())) <= set(range(1, 1 + len(study.teachers))):
            raise InputError(f"there are {len(study.teachers)} teachers, counted from 1")
        return cls(
            setting=setting,
            shape=replace(study.student, **{**preset, **shape}),
            recipe=replace(study.distillation, **recipe),
            **spec,
        )


def _value(owner: type, key: str, text: str) -> Any:
    """Read a value of a student's name as the type of the field `key` of `owner`.

    Raises:
        InputError: it does not fit.
    """
    if key == "teachers":
        if not re.fullmatch(r"\d+(\+\d+)*", text):
            raise InputError("teachers are numbers, as in teachers=1+3")
        return tuple(int(number) for number in text.split("+"))
    hint = get_type_hints(owner)[key]
    if get_origin(hint) is Literal:
        if text not in get_args(hint):
            raise InputError(f"{key} is one of {', '.join(get_args(hint))}")
        return text
    kinds = set(get_args(hint) or (hint,)) - {type(None)}
    for kind in (int, float):
        with suppress(ValueError):
            if kind in kinds:
                return kind(text)
    raise InputError(f"{key} is a number, not {text!r}")


def check(study: Study, sizes: Sequence[int], remarks: Remarks | None = None) -> dict[str, Any]:
    """Check labeled sets, sizes and names before any work; returns the identity of each teacher by its shown name.

    What is odd about the labeled sets goes to `remarks`, where they are given.

    Raises:
        InputError: something is wrong with them.
    """
    sentences = read_labeled(study.labeled, study.layout, remarks)
    labels = labels_in(sentences)
    check_labels(read_labeled(study.test, study.layout, remarks), labels, study.test)
    for size in sizes:
        if not 1 <= size <= len(sentences):
            raise InputError(f"--sizes {size}: {study.labeled} has {len(sentences)} sentences")
    if not study.teachers:
        raise InputError("--teacher: at least one is needed")
    for flag, names in (("--teacher", study.teachers), ("--students", study.students)):
        if len(set(names)) < len(names):
            raise InputError(f"{flag} {' '.join(names)}: one is named twice; another seed is named as in minilm#1")
    identities: dict[str, Any] = {}
    for name in study.teachers:
        spec = TeacherSpec.read(name)
        if spec.fixed:
            check_model(spec.source)
            check_same_labels(labels, model_labels(spec.source), study.labeled, name)
            identities[without_secrets(name)] = model_fingerprint(spec.source)
            continue
        check_encoder(encoder_of(spec.source))
        if spec.labeled:
            check_labels(read_labeled(spec.labeled, study.layout, remarks), labels, spec.labeled)
        labeled = source_fingerprint(spec.labeled, study.layout) if spec.labeled else None
        identities[without_secrets(name)] = {**teacher_fingerprint(spec.source), "labeled": labeled}
    rest = max(sizes, default=0) < len(sentences)
    for name in study.students:
        student = StudentSpec.read(name, study)
        check_untrained_student(student.shape, labels=labels, labeled=sentences, vectors="random")
        has_text = {"rest": rest, "corpus": study.corpus is not None, "all": rest or study.corpus is not None}
        if student.setting != "labeled" and not has_text[student.transfer]:
            raise InputError(
                f"--students {name}: there is nothing to learn from beside the labeled set; give a --corpus, or "
                "--sizes below its number of sentences"
            )
    return identities
