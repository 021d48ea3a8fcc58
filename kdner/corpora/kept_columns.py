"""Columns of a corpus that are copied beside what is found in its texts: their types, and their values.

A column of Parquet keeps its type; the values stand for codes of a dictionary, and there is one type of strings. Files
may differ in a type where one of the two holds all values of the other, as int64 those of int32.

A column of JSON lines is of whole numbers (int64), numbers (double), truth values (bool) or strings, as all of its
values are. Where they are of several kinds, or objects or arrays, it is one of strings: strings stay, and any other
value becomes its JSON text. A number stays a number only if that changes no digit of it.

What a document lacks is null.
"""

from __future__ import annotations

import itertools
import json
import logging
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.types as pt

from kdner.corpora.columns import as_texts, check_single, column_of, type_of
from kdner.corpora.files import SourceFile, opened_parquet
from kdner.corpora.lines import parse, read_lines, value_of
from kdner.corpora.parquet import parquet_file
from kdner.data.text_files import clean
from kdner.errors import InputError

logger = logging.getLogger(__name__)

_LINES_LOOKED_AT_FOR_NAMES = 1000
_NAMED = 100
_EXACT_IN_DOUBLE = 1 << 53
_ABSENT = object()


def kept_fields(files: Sequence[SourceFile], names: Sequence[str], text_column: str) -> tuple[pa.Field, ...]:
    """Find the columns to keep in the files of a corpus, and give their types; of JSON all lines are read for it.

    A column that only some files have is null in the others, which is logged.

    Raises:
        InputError: no file has a column, one has two of its name, or two files have types of it that no type holds
            both.
    """
    names = list(dict.fromkeys(names))
    if not names:
        return ()
    types: dict[str, dict[str, pa.DataType]] = {name: {} for name in names}
    kinds: dict[str, set[str]] = {}
    lines_of: dict[str, str] = {}
    for file in files:
        if file.format == "json":
            for name, found in _kinds(file, names, text_column).items():
                kinds.setdefault(name, set()).update(found)
                lines_of.setdefault(name, file.path)
                types[name][file.path] = pa.null()
        else:
            for name, kind in _types(file, names, text_column).items():
                types[name][file.path] = kind
    for name, found in kinds.items():
        types[name][lines_of[name]] = _type_of_json(found)
    if missing := [name for name in names if not types[name]]:
        others = f" or {len(files) - 1} other files" if len(files) > 1 else ""
        there = list(dict.fromkeys(itertools.chain.from_iterable(_names(file, text_column) for file in files)))
        shown = ", ".join(there[:_NAMED]) + (", …" if len(there) > _NAMED else "")
        raise InputError(f"--keep-columns {' '.join(missing)}: not in {files[0].path}{others}; there are {shown}")
    for name, own in types.items():
        if lacking := [file.path for file in files if file.path not in own]:
            logger.warning(
                "--keep-columns %s: null in %d of %d files, which have no such column: %s%s",
                name,
                len(lacking),
                len(files),
                lacking[0],
                ", …" if len(lacking) > 1 else "",
            )
    return tuple(_field(name, _common(name, own)) for name, own in types.items())


def fields_of_schema(source: str, schema: pa.Schema, names: Sequence[str], text_column: str) -> tuple[pa.Field, ...]:
    """Find the columns to keep in what has a schema, and give their types.

    Raises:
        InputError: it lacks one, or has two of its name.
    """
    names = list(dict.fromkeys(names))
    kinds = _in_schema(source, schema, names, text_column)
    if missing := [name for name in names if name not in kinds]:
        there = ", ".join(_names_in(schema))
        raise InputError(f"--keep-columns {' '.join(missing)}: not in {source}; there are {there}")
    return tuple(_field(name, _common(name, {source: kinds[name]})) for name in names)


def kept_of_batch(
    path: str, batch: pa.RecordBatch, kept: Sequence[pa.Field], text_column: str, texts: pa.Array
) -> list[pa.Array]:
    """Return the kept columns of rows of Parquet whose texts are these.

    Raises:
        InputError: a value does not fit the type that holds the columns of all files.
    """
    columns = []
    for field in kept:
        kind = type_of(batch.schema, field.name)
        if field.name == text_column:
            columns.append(texts)
        elif kind is None:
            columns.append(pa.nulls(len(batch), field.type))
        else:
            values = column_of(batch, field.name)
            values = as_texts(values)[0] if pt.is_string(_stored(kind)) else values
            try:
                columns.append(values if values.type == field.type else values.cast(field.type))
            except pa.ArrowInvalid as error:
                raise InputError(
                    f"{path}: --keep-columns {field.name}: is {kind} here, and does not fit the {field.type} that all "
                    f"files have together ({error}); cast it where the file is made, or leave it out"
                ) from None
    return columns


def kept_of_record(
    record: Mapping[str, Any], kept: Sequence[pa.Field], text_column: str, text: str | None
) -> list[object]:
    """Return the kept values of a JSON object, or of a line of plain text ({}), whose text is this."""
    return [text if field.name == text_column else _value(value_of(record, field.name), field.type) for field in kept]


def _value(value: object, kind: pa.DataType) -> object:
    if value is None or not (pt.is_string(kind) or pt.is_binary(kind)):
        return value
    return clean(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False))[0]


def _field(name: str, kind: pa.DataType) -> pa.Field:
    return pa.field(name, kind, metadata={"description": f"{name} of the corpus"})


def _common(name: str, types: Mapping[str, pa.DataType]) -> pa.DataType:
    """Return the type that holds the values of a column of all files, by their paths."""
    common, first = pa.null(), ""
    for path, kind in types.items():
        try:
            schemas = [pa.schema([pa.field(name, one)]) for one in (common, kind)]
            joined = pa.unify_schemas(schemas, promote_options="permissive").field(0).type
            for one in (common, kind):
                pa.nulls(0, one).cast(joined)
        except pa.ArrowException:
            raise InputError(
                f"--keep-columns {name}: is {common} in {first}, and {kind} in {path}; cast it in one of them, or "
                "leave it out"
            ) from None
        if joined != common:
            common, first = joined, path
    return pa.string() if pt.is_null(common) else common


def _types(file: SourceFile, names: Sequence[str], text_column: str) -> dict[str, pa.DataType]:
    """Return the types of the columns that a file of Parquet or plain text has."""
    if file.format == "text":
        return {name: pa.string() for name in names if name == text_column}
    with opened_parquet(file.path) as stream:
        return _in_schema(file.path, parquet_file(stream).schema_arrow, names, text_column)


def _in_schema(path: str, schema: pa.Schema, names: Sequence[str], text_column: str) -> dict[str, pa.DataType]:
    for name in names:
        check_single(f"{path}: --keep-columns {name}", schema, name)
    kinds = {name: pa.string() if name == text_column else type_of(schema, name) for name in names}
    return {name: _stored(kind) for name, kind in kinds.items() if kind is not None}


def _stored(kind: pa.DataType) -> pa.DataType:
    """Return the type in which a column is copied."""
    if pt.is_dictionary(kind):
        kind = kind.value_type
    if pt.is_large_string(kind) or pt.is_string_view(kind):
        return pa.string()
    return pa.binary() if pt.is_binary_view(kind) else kind


def _kinds(file: SourceFile, names: Sequence[str], text_column: str) -> dict[str, set[str]]:
    """Return the kinds of values of the columns that a file of JSON lines has."""
    kinds: dict[str, set[str]] = {name: {"string"} for name in names if name == text_column}
    others = [name for name in names if name != text_column]
    for _, _, line in read_lines(file) if others else ():
        record = parse(line) or {}
        for name in others:
            value = value_of(record, name, _ABSENT)
            if value is not _ABSENT:
                found = kinds.setdefault(name, set())
                if value is not None:
                    found.add(_kind_of(value))
    return kinds


def _kind_of(value: object) -> str:
    if isinstance(value, bool):
        return "truth value"
    if isinstance(value, int):
        if abs(value) <= _EXACT_IN_DOUBLE:
            return "whole number"
        return "long number" if -(1 << 63) <= value < 1 << 63 else "other"
    return "number" if isinstance(value, float) else "string" if isinstance(value, str) else "other"


def _type_of_json(kinds: set[str]) -> pa.DataType:
    if not kinds:
        return pa.null()
    if kinds == {"truth value"}:
        return pa.bool_()
    if kinds <= {"whole number", "long number"}:
        return pa.int64()
    return pa.float64() if kinds <= {"whole number", "number"} else pa.string()


def _names(file: SourceFile, text_column: str) -> Iterator[str]:
    """Yield the names of a file's columns, and of the fields inside them as a.b."""
    if file.format == "text":
        yield text_column
    elif file.format == "parquet":
        with opened_parquet(file.path) as stream:
            yield from _names_in(parquet_file(stream).schema_arrow)
    else:
        for _, _, line in itertools.islice(read_lines(file), _LINES_LOOKED_AT_FOR_NAMES):
            for name, value in (parse(line) or {}).items():
                yield name
                yield from (f"{name}.{inner}" for inner in value) if isinstance(value, dict) else ()


def _names_in(fields: pa.Schema | pa.StructType, above: str = "") -> Iterator[str]:
    for field in fields:
        yield f"{above}{field.name}"
        if pt.is_struct(field.type):
            yield from _names_in(field.type, f"{above}{field.name}.")
