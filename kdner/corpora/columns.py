"""Columns of Parquet by their meaning: which types are texts and ids, and how they become strings."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.types as pt

from kdner.data.text_files import clean
from kdner.errors import InputError

DEFAULT_ID_COLUMN = "id"
"""Where no other is named, and a file has it."""
_CAST = "cast it to string where the file is made"


def choose_columns(path: str, columns: Sequence[str], text_column: str, id_column: str | None) -> str | None:
    """Check that a file has the columns, and give the one of the ids; None where ids are to be made.

    Raises:
        InputError: if one is missing, or there are two of its name.
    """
    id_column = id_column or (DEFAULT_ID_COLUMN if DEFAULT_ID_COLUMN in columns else None)
    for column, option in ((text_column, "--text-column"), (id_column, "--id-column")):
        if column is None:
            continue
        if columns.count(column) > 1:
            raise InputError(f"{path}: {columns.count(column)} columns are called {column!r}; rename all but one")
        if not has_column(columns, column):
            raise InputError(f"{path}: no column {column!r}, only {', '.join(columns)}; name one with {option}")
    return id_column


def check_single(path: str, fields: pa.Schema | pa.StructType, column: str) -> None:
    """Check that no two columns have the name of this one; nor, of the name ``a.b``, two a, or two fields b in them.

    Raises:
        InputError: two have.
    """
    names = [field.name for field in fields]
    first, _, inner = column.partition(".")
    name = column if column in names else first
    if names.count(name) > 1:
        raise InputError(
            f"{path}: {names.count(name)} columns are called {name!r}, and one is wanted as {column}; rename all but "
            "one where the file is made"
        )
    if inner and name == first and name in names:
        kind = fields.field(names.index(name)).type
        if pt.is_struct(kind):
            check_single(f"{path}, column {name!r}", kind, inner)


def has_column(columns: Collection[str], column: str) -> bool:
    """Tell whether there is a column, or, of the name ``a.b``, a column a."""
    return column in columns or column.partition(".")[0] in columns


def check_types(path: str, schema: pa.Schema, text_column: str, id_column: str | None) -> None:
    """Check that columns hold texts and ids: strings, UTF-8 as bytes, UUIDs; and for ids whole numbers.

    A column of type null holds nothing: documents without text.

    Raises:
        InputError: if not; it says how to cast the column. Or if two columns have its name.
    """
    for column, option in ((text_column, "--text-column"), (id_column, "--id-column")):
        if column is None:
            continue
        check_single(path, schema, column)
        kind = type_of(schema, column)
        if kind is None:
            raise InputError(f"{path}: no column {column!r}, only {', '.join(schema.names)}; name one with {option}")
        is_number = pt.is_integer(kind) or pt.is_floating(kind) or pt.is_decimal(kind)
        if _is_text(kind) or (column == id_column and is_number):
            continue
        if pt.is_list(kind) or pt.is_large_list(kind):
            remedy = "join the strings of each list where the file is made"
        elif pt.is_struct(kind):
            inner = ", ".join(f"{column}.{field.name}" for field in kind)
            remedy = f"name one of its fields ({inner})"
        else:
            remedy = _CAST
        expected = "string, or whole numbers" if column == id_column else "string"
        raise InputError(
            f"{path}: column {column!r} is {kind}, expected {expected}; {remedy}, or name another column with {option}"
        )


def type_of(schema: pa.Schema, column: str) -> pa.DataType | None:
    """Return the type of a column, or, of the name ``a.b``, of the field b of its structs a; None without one."""
    if schema.get_field_index(column) >= 0:
        return schema.field(column).type
    first, *fields = column.split(".")
    if schema.get_field_index(first) < 0:
        return None
    kind = schema.field(first).type
    for name in fields:
        if not pt.is_struct(kind) or kind.get_field_index(name) < 0:
            return None
        kind = kind.field(name).type
    return kind


def column_of(batch: pa.RecordBatch, column: str) -> pa.Array:
    """Return a batch's column, or, of the name ``a.b``, the field b of its structs a."""
    if column in batch.schema.names:
        return batch.column(column)
    first, *fields = column.split(".")
    values = batch.column(first)
    for name in fields:
        values = pc.struct_field(values, name)
    return values


def as_strings(values: pa.Array) -> pa.Array:
    """Return a column of text as strings, which need not be UTF-8."""
    if pt.is_dictionary(values.type):
        values = values.dictionary_decode()
    if isinstance(values.type, pa.UuidType):
        return pa.array([None if value is None else str(value) for value in values.to_pylist()], pa.string())
    if isinstance(values.type, pa.JsonType):
        return pa.array(
            [None if text is None else _json_text(text) for text in values.storage.to_pylist()], pa.string()
        )
    if holds_bytes(values.type):
        return values.cast(pa.binary()).view(pa.string())
    return values.cast(pa.string())


def as_texts(values: pa.Array) -> tuple[pa.Array, int]:
    """Return a column as strings of UTF-8, and how many characters were replaced."""
    return _cleaned(as_strings(values))


def as_ids(values: pa.Array, where: str) -> pa.Array:
    """Return a column as the ids that its values write: a number without a decimal point, a UUID with hyphens.

    Raises:
        InputError: if numbers are not whole, or bytes are not UTF-8; the message begins with `where`.
    """
    try:
        if pt.is_floating(values.type):
            return values.cast(pa.int64()).cast(pa.string())
        if pt.is_decimal(values.type):
            return values.cast(pa.decimal256(76, 0)).cast(pa.string())
        strings = as_strings(values)
        if holds_bytes(values.type):
            strings.validate(full=True)
    except pa.ArrowInvalid as error:
        raise InputError(f"{where} is {values.type}, and not all of its values are ids ({error}); {_CAST}") from None
    return _cleaned(strings)[0]


def _is_text(kind: pa.DataType) -> bool:
    if pt.is_dictionary(kind):
        kind = kind.value_type
    is_string = pt.is_string(kind) or pt.is_large_string(kind) or pt.is_string_view(kind)
    return is_string or holds_bytes(kind) or pt.is_null(kind) or isinstance(kind, pa.UuidType | pa.JsonType)


def holds_bytes(kind: pa.DataType) -> bool:
    """Tell whether a column of a type holds bytes, which its file does not say to be UTF-8, as it says of strings."""
    if pt.is_dictionary(kind):
        kind = kind.value_type
    is_binary = pt.is_binary(kind) or pt.is_large_binary(kind) or pt.is_binary_view(kind)
    return is_binary or pt.is_fixed_size_binary(kind)


def _json_text(text: str) -> str:
    try:
        value = json.loads(text)
    except (ValueError, RecursionError):
        return text
    return value if isinstance(value, str) else text


def _cleaned(strings: pa.Array) -> tuple[pa.Array, int]:
    """Replace what no text holds: Parquet files may hold strings that are not UTF-8."""
    try:
        strings.validate(full=True)
    except pa.ArrowInvalid:
        data = strings.cast(pa.binary()).to_pylist()
        cleaned = [(None, 0) if b is None else clean(b.decode(errors="surrogateescape")) for b in data]
        return pa.array([text for text, _ in cleaned], pa.string()), sum(replaced for _, replaced in cleaned)
    replaced = pc.sum(pc.count_substring(strings, "\0")).as_py() or 0
    return (pc.replace_substring(strings, "\0", "\ufffd") if replaced else strings), replaced
