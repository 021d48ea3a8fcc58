"""Fingerprints: what identifies the files that a run reads, and in what two runs differ."""

from __future__ import annotations

import hashlib
import json
import tokenize
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow.fs as pafs

from kdner.errors import InputError, StorageError
from kdner.runs.storage import locate, look, without_secrets

_ABSENT = object()
_UNSAID = frozenset([tokenize.COMMENT, tokenize.NL, tokenize.ENCODING])
_LAYOUT = frozenset([tokenize.INDENT, tokenize.NEWLINE])


def fingerprint_of_files(paths: Sequence[str]) -> dict[str, dict[str, int | None]]:
    """Give size and modification time (nanoseconds since 1970) of input files, by absolute path.

    Raises:
        StorageError: if one is not a file, or the file system cannot say.
    """
    fingerprint = {}
    for path in paths:
        filesystem, inner = locate(path)
        info = look(path)
        if info.type != pafs.FileType.File:
            raise StorageError(f"{path}: no such file")
        key = inner if isinstance(filesystem, pafs.LocalFileSystem) else without_secrets(path)
        fingerprint[key] = {"size": info.size, "mtime_ns": info.mtime_ns}
    return fingerprint


def hash_of_file(path: Path) -> dict[str, str]:
    """Give the SHA-256 of a local file by its name, as `hash_of_files` does.

    Raises:
        InputError: if it is missing, or no file that can be read again, such as a pipe.
    """
    if path.exists() and not path.is_file():
        raise InputError(f"{path}: can be read only once, and a run that goes on reads it again; write it to a file")
    return hash_of_files(str(path.absolute().parent), [path.name])


def hash_of_files(folder: str, names: Sequence[str]) -> dict[str, str]:
    """Give the SHA-256 of files of a folder, by name: what identifies a model or a labeled set, wherever it lies.

    Raises:
        InputError: if one is missing.
    """
    hashes = {}
    filesystem, inner = locate(folder)
    for name in names:
        digest = hashlib.sha256()
        try:
            with filesystem.open_input_stream(f"{inner}/{name}") as stream:
                while block := stream.read(1 << 20):
                    digest.update(block)
        except OSError as error:
            raise InputError(f"{folder}/{name}: cannot be read ({error}); restore it") from error
        hashes[name] = digest.hexdigest()
    return hashes


def hash_of_code(path: Path) -> str:
    """Give the SHA-256 of what a Python module says: comments, blank lines and the width of indents do not count.

    Raises:
        InputError: it is no Python.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            for token in tokenize.tokenize(file.readline):
                if token.type not in _UNSAID:
                    said = "" if token.type in _LAYOUT else token.string
                    digest.update(f"{tokenize.tok_name[token.type]} {said}\n".encode())
    except (OSError, SyntaxError, tokenize.TokenError) as error:
        raise InputError(f"{path}: cannot be read as Python ({error}); mend it") from error
    return digest.hexdigest()


def differences(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """List in what two fingerprints differ, a line for each value that is not equal, sorted by its key."""
    old, new = _flat(before), _flat(now)
    return [
        f"{key}: there {_shown(old, key)}, now {_shown(new, key)}"
        for key in sorted({*old, *new})
        if old.get(key, _ABSENT) != new.get(key, _ABSENT)
    ]


def _flat(value: object, prefix: str = "") -> dict[str, Any]:
    """Return the values of nested mappings by their keys, joined with periods."""
    if not isinstance(value, Mapping) or (prefix and not value):
        return {prefix: value}
    joined = ((f"{prefix}.{key}" if prefix else key, inner) for key, inner in value.items())
    return {name: leaf for key, inner in joined for name, leaf in _flat(inner, key).items()}


def _shown(values: dict[str, Any], key: str) -> str:
    text = json.dumps(values[key], ensure_ascii=False) if key in values else "nothing"
    return text if len(text) <= 100 else f"{text[:97]}..."
