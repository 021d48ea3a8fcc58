"""The shape of a student, apart from what computes it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from kdner.errors import InputError

BERT_BASE_PARAMETERS = 108_310_272
"""BERT-base, cased, without a head (transformers' BertModel without its pooler is 0.6 M less)."""


@dataclass(frozen=True, kw_only=True)
class StudentConfig:
    """The shape of the student."""

    head: Literal["softmax", "crf"] = "softmax"
    """softmax labels each word by itself; crf scores whole label sequences and decodes with Viterbi."""
    word_dim: int = 96
    """Width of a word vector. Costs parameters, hardly any time."""
    character_dim: int = 24
    """Width of a character vector."""
    character_filters: int = 48
    """Filters of the character CNN."""
    character_width: int = 3
    """Characters that one filter sees; odd."""
    hidden: int = 96
    """Hidden units of each direction of the LSTM. Most of the time at inference."""
    layers: int = 1
    """Bidirectional LSTM layers."""
    dropout: float = 0.3
    """Share of features dropped (0 to 1): of each distinct word in a batch, and after each LSTM layer."""
    max_parameters: int = 3_000_000
    """Limit for the whole student; the vocabulary takes what the rest leaves."""

    def __post_init__(self) -> None:
        if self.character_width % 2 == 0:
            raise InputError(f"--student.character-width {self.character_width}: must be odd")
        if not 0 <= self.dropout < 1:
            raise InputError(f"--student.dropout {self.dropout}: must be at least 0 and under 1")
