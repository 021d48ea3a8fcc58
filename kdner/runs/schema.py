"""Every Arrow schema that kdner writes, with the meaning of each column, and the one check against them.

The description of a column travels with each file, in the metadata of its field.
"""

from __future__ import annotations

import pyarrow as pa

from kdner.errors import InputError

SCHEMA_VERSION = 1
"""Part of every manifest: files of another schema version are refused, never guessed at."""


def _column(name: str, kind: pa.DataType, description: str, *, nullable: bool = True) -> pa.Field:
    return pa.field(name, kind, nullable=nullable, metadata={"description": description})


CORPUS = pa.schema(
    [
        _column("id", pa.string(), "unique id of the document", nullable=False),
        _column("text", pa.string(), "text of the document; null where the source has none that is a string"),
    ]
)
"""One row per document, as `kdner.corpora.plan` reads it."""

LOGITS = pa.schema(
    [
        _column("id", pa.string(), "unique id of the document", nullable=False),
        _column("words", pa.list_(pa.string()), "all W words of the document, in order"),
        _column("sentence_words", pa.list_(pa.int32()), "number of words of each sentence; sums to W"),
        _column("logits", pa.list_(pa.float16()), "[W, T, L] flat, row-major: logits of each word's first piece"),
        _column("error", pa.string(), "why the document could not be processed; null if it was"),
    ]
)
"""One row per document: the logits of the run's T teachers; L is the length of its label list."""

_ENTITY = pa.struct(
    [
        _column("start", pa.int32(), "first character, in Unicode code points of the document's text"),
        _column("end", pa.int32(), "one past the last character, in Unicode code points"),
        _column("label", pa.string(), "type of the entity, such as PER"),
        _column("text", pa.string(), "the document's text from start to end"),
        _column("score", pa.float32(), "mean probability of the tags of its words, 0 to 1"),
    ]
)
ENTITIES = pa.schema(
    [
        _column("id", pa.string(), "unique id of the document", nullable=False),
        _column("entities", pa.list_(_ENTITY), "entities of the document, by start"),
        _column("words", pa.int32(), "number of white-space separated words of the text"),
        _column("error", pa.string(), "why the document could not be processed; null if it was"),
    ]
)
"""One row per document: the entities that the student found. Columns of the corpus may follow that were kept."""

DOUBTS = pa.schema(
    [
        _column("id", pa.string(), "id of the document, a colon, and the sentence's first character", nullable=False),
        _column("text", pa.string(), "text of the sentence"),
        _column("entities", pa.list_(_ENTITY), "entities of the sentence, with offsets into it"),
        _column("doubt", pa.float32(), "how much its tags are in doubt, 0 to 1"),
    ]
)
"""One row per sentence: what a shard has that is worth labeling."""


def check(table: pa.Table, schema: pa.Schema, where: str) -> None:
    """Check that a table has a schema's columns, in order, with their types, and no null where none may be.

    `where` begins the message: the file, or what made the table.

    Raises:
        InputError: naming the first column that differs.
    """
    for position, expected in enumerate(schema):
        if position >= table.num_columns:
            raise InputError(f"{where}: column {expected.name!r} ({expected.type}) is missing; {_remedy(schema)}")
        field = table.schema.field(position)
        if (field.name, field.type) != (expected.name, expected.type):
            raise InputError(
                f"{where}: column {position} is {field.name!r} ({field.type}), expected {expected.name!r} "
                f"({expected.type}); {_remedy(schema)}"
            )
        nulls = table.column(position).null_count
        if nulls and not expected.nullable:
            raise InputError(f"{where}: column {expected.name!r} holds {nulls} nulls, expected none")
    if table.num_columns > len(schema):
        extra = table.schema.field(len(schema))
        raise InputError(f"{where}: unexpected column {extra.name!r} ({extra.type}); {_remedy(schema)}")


def _remedy(schema: pa.Schema) -> str:
    return f"the columns are {', '.join(schema.names)} (schema version {SCHEMA_VERSION}): make the file again"
