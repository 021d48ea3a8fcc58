"""A file of JSON lines that one process appends to, and that survives its death at any moment."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any


def append_line(path: Path, record: Mapping[str, Any]) -> None:
    """Append a record, on disk when this returns; half a line that a killed process left is cut off first."""
    with path.open("ab+") as file:
        content = _whole_lines(path)
        file.truncate(content)
        file.write(json.dumps(record, ensure_ascii=False).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def read_lines(path: Path) -> list[dict[str, Any]]:
    """Read all records, save half a line at the end; none where there is no file."""
    if not path.exists():
        return []
    whole = path.read_bytes()[: _whole_lines(path)]
    return [json.loads(line) for line in whole.split(b"\n") if line]


def _whole_lines(path: Path) -> int:
    """Return how many bytes of a file are lines that have their end."""
    return path.read_bytes().rfind(b"\n") + 1
