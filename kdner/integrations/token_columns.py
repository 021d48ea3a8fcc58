"""Documents with entities as words and tags: CoNLL columns, and Parquet as the `datasets` package reads it."""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from kdner.data.text_files import clean
from kdner.errors import InputError
from kdner.integrations.annotated import Annotated, TaggedSentence, apart, as_json, tagged_sentences

_MARKER = "-DOCSTART-"
_WHITE_SPACE = re.compile(r"\s")


def conll(documents: Sequence[Annotated], labels: Sequence[str], kept: Sequence[pa.Field] = ()) -> bytes:
    """Write two columns, word and IOB2 tag, with a tab between them; -DOCSTART- before each document. No metadata.

    Words are as models see them, or those of the labeled set. White space in a word is written as U+00A0, so that
    columns and lines stay whole, and a byte order mark, which would be lost at the beginning of a line, as U+2060.

    Raises:
        InputError: naming the document, for a word that every reader takes for the mark of a new document.
    """
    parts: list[str] = []
    before = None
    for document in documents:
        owner = document.document or document.id
        if owner != before:
            parts.append(f"{_MARKER}\tO\n\n")
            before = owner
        for sentence in tagged_sentences(document):
            _refuse_markers(sentence, document.id)
            rows = zip(map(_in_columns, sentence.words.words), sentence.tags, strict=True)
            parts.append("".join(f"{word}\t{tag}\n" for word, tag in rows) + "\n")
    return "".join(parts).encode()


def hf_parquet(documents: Sequence[Annotated], labels: Sequence[str], kept: Sequence[pa.Field] = ()) -> bytes:
    """Write Parquet with a row for each sentence: `id`, `document`, `tokens`, `ner_tags` of a ClassLabel, `scores`.

    `scores` has the score of the entity that a word belongs to; null outside, and where people labeled. The columns
    `kept` of the documents follow, of their types, or as JSON where `datasets` does not know a type.
    """
    from datasets import ClassLabel, Features, List, Value

    features = Features(
        {
            "id": Value("string"),
            "document": Value("string"),
            "tokens": List(Value("string")),
            "ner_tags": List(ClassLabel(names=list(labels))),
            "scores": List(Value("float32")),
        }
    )
    names: dict[str, str] = {}
    for field in kept:
        names[field.name] = apart(field.name, [*features, *names.values()])
    own = {field.name: _feature(field) for field in kept}
    features |= {names[name]: feature or Value("string") for name, feature in own.items()}
    schema = features.arrow_schema
    places = {label: place for place, label in enumerate(labels)}
    columns: dict[str, list[object]] = {name: [] for name in schema.names}
    for document in documents:
        metadata = {
            names[name]: document.metadata[name] if feature else _json(document.metadata[name])
            for name, feature in own.items()
        }
        for number, sentence in enumerate(tagged_sentences(document)):
            for name, value in metadata.items():
                columns[name].append(value)
            columns["id"].append(document.id if document.document else f"{document.id}:{number}")
            columns["document"].append(document.document or document.id)
            columns["tokens"].append(sentence.words.words)
            columns["ner_tags"].append([places[tag] for tag in sentence.tags])
            columns["scores"].append(sentence.scores)
    sink = pa.BufferOutputStream()
    with pq.ParquetWriter(sink, schema, compression="zstd") as writer:
        if columns["id"]:  # `datasets` does not read a row group without rows
            writer.write_table(pa.table(columns, schema=schema))
    content: bytes = sink.getvalue().to_pybytes()
    return content


def _in_columns(word: str) -> str:
    if word.isalnum():
        return word
    return clean(_WHITE_SPACE.sub("\u00a0", word).replace("\ufeff", "\u2060"))[0]


def _refuse_markers(sentence: TaggedSentence, document: str) -> None:
    """Refuse words that begin as the mark of a document does; as a whole sentence outside entities it is that mark."""
    words = sentence.words.words
    word = next((word for word in words if word.startswith(_MARKER)), None)
    if word is not None and (len(words) > 1 or sentence.tags != ["O"]):
        raise InputError(
            f"document {document}: the word {word!r} would open a new document in columns. Remove it from the text, or "
            "choose another format, such as doccano."
        )


def _feature(field: pa.Field) -> Any:
    """Return the type of a column as `datasets` has it; None where it has none."""
    from datasets import Features

    if isinstance(field.type, pa.BaseExtensionType):
        return None
    try:
        return Features.from_arrow_schema(pa.schema([field]))[field.name]
    except (ValueError, NotImplementedError):
        return None


def _json(value: object) -> str | None:
    plain = as_json(value)
    return plain if plain is None or isinstance(plain, str) else json.dumps(plain, ensure_ascii=False)
