"""The formats of documents with entities, by their names."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from kdner.integrations.annotated import Annotated
from kdner.integrations.annotation_tools import doccano, label_studio, prodigy
from kdner.integrations.spacy_docs import docbin
from kdner.integrations.token_columns import conll, hf_parquet


class Format(NamedTuple):
    """How documents with entities become a file."""

    suffix: str
    """That of the file's name."""
    write: Callable[[Sequence[Annotated], Sequence[str]], bytes]
    """From documents, and the label list that their tags come from, to the file's content."""


FormatName = Literal["prodigy", "doccano", "label-studio", "conll", "docbin", "hf"]
FORMATS: dict[FormatName, Format] = {
    "prodigy": Format(".jsonl", prodigy),
    "doccano": Format(".jsonl", doccano),
    "label-studio": Format(".json", label_studio),
    "conll": Format(".conll", conll),
    "docbin": Format(".spacy", docbin),
    "hf": Format(".parquet", hf_parquet),
}


@dataclass(frozen=True, kw_only=True)
class Written:
    """The format of what is written."""

    format: FormatName
    """prodigy, doccano: JSON lines for these tools. label-studio: its tasks, with predictions, or annotations where
    people have labeled. conll: columns of word and tag. docbin: spaCy's, as spacy train reads it. hf: Parquet for the
    datasets package, with tokens and ner_tags."""
