"""The shape of a student, apart from what computes it."""

from __future__ import annotations

from dataclasses import InitVar, dataclass
from typing import Literal, TypeAlias

from kdner.errors import InputError

BERT_BASE_PARAMETERS = 108_310_272
"""BERT-base, cased, without a head (transformers' BertModel without its pooler is 0.6 M less)."""


Preset: TypeAlias = Literal["tiny", "base", "large"]
PRESETS: dict[Preset, dict[str, int]] = {
    "tiny": {"hidden": 64, "layers": 1, "word_dim": 64, "max_parameters": 900_000},
    "base": {"hidden": 96, "layers": 1, "word_dim": 96, "max_parameters": 3_000_000},
    "large": {"hidden": 160, "layers": 2, "word_dim": 96, "max_parameters": 3_000_000},
}
"""The numbers of the shape that a name stands for: the same ones for each name."""


_AT_LEAST_ONE = (
    *("word_dim", "character_dim", "character_filters", "character_width"),
    *("hidden", "layers", "max_parameters"),
)


class _Default(int):
    """A default, in whose place a preset puts its number; the same number given by somebody is a plain one."""


def _base(name: str) -> int:
    return _Default(PRESETS["base"][name])


@dataclass(frozen=True, kw_only=True)
class StudentConfig:
    """The shape of the student: plain numbers, whatever they come from."""

    preset: InitVar[Preset | None] = None
    """Gives those of hidden, layers, word-dim and max-parameters that nothing else gives; by default base is.
    tiny: 0.9 M parameters; tags 1.5 times as fast as base.
    base: at most 3 M parameters.
    large: as many, fewer of them for words; takes eight times base's time for each word."""
    head: Literal["softmax", "crf"] = "softmax"
    """softmax labels each word by itself; crf scores whole label sequences and decodes with Viterbi."""
    word_dim: int = _base("word_dim")
    """Width of a word vector. Costs parameters, hardly any time."""
    character_dim: int = 24
    """Width of a character vector."""
    character_filters: int = 48
    """Filters of the character CNN."""
    character_width: int = 3
    """Characters that one filter sees; odd."""
    hidden: int = _base("hidden")
    """Hidden units of each direction of the LSTM. Most of the time at inference."""
    layers: int = _base("layers")
    """Bidirectional LSTM layers."""
    dropout: float = 0.3
    """Share of features dropped (0 to 1): of each distinct word in a batch, and after each LSTM layer."""
    max_parameters: int = _base("max_parameters")
    """Limit for the whole student; the vocabulary takes what the rest leaves."""

    def __post_init__(self, preset: Preset | None) -> None:
        numbers = PRESETS[preset or "base"]
        left = [name for name in numbers if isinstance(getattr(self, name), _Default)]
        if preset and not left:
            flags = ", ".join(f"--student.{name.replace('_', '-')}" for name in numbers)
            raise InputError(
                f"--student.preset {preset}: has nothing to give, for {flags} are all given, as in the _summary.json "
                "of a run. Leave it out, or those of them that it is to give"
            )
        for name in left:
            object.__setattr__(self, name, numbers[name])
        for name in _AT_LEAST_ONE:
            if getattr(self, name) < 1:
                raise InputError(f"--student.{name.replace('_', '-')} {getattr(self, name)}: must be at least 1")
        if self.character_width % 2 == 0:
            raise InputError(f"--student.character-width {self.character_width}: must be odd")
        if not 0 <= self.dropout < 1:
            raise InputError(f"--student.dropout {self.dropout}: must be at least 0 and under 1")
