"""The formats of documents with entities, by their names."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple, Protocol

import pyarrow as pa

from kdner.integrations.annotated import Annotated
from kdner.integrations.annotation_tools import doccano, label_studio, prodigy
from kdner.integrations.spacy_docs import docbin
from kdner.integrations.token_columns import conll, hf_parquet


class Write(Protocol):
    """Makes the content of a file."""

    def __call__(self, documents: Sequence[Annotated], labels: Sequence[str], kept: Sequence[pa.Field] = ()) -> bytes:
        """Write documents.

        Args:
            documents: what to write.
            labels: the label list that their tags come from.
            kept: the columns that are metadata of each, for formats whose columns have types.
        """


class Format(NamedTuple):
    """How documents with entities become a file."""

    suffix: str
    """That of the file's name."""
    write: Write


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
