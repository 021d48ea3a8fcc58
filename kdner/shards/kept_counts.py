"""What an unfinished run knows of the shards that have their file, so that a later start need not ask each file.

The rows of the shards come back to the driver, which writes their counts to a hidden folder of the run directory now
and then, and when it fails. What was not written before a driver was killed stands in the files themselves.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs

from kdner.errors import StorageError
from kdner.runs.run_directory import RunDirectory
from kdner.runs.storage import create_folder, join, locate

WRITE_EVERY_S = 60.0
_FOLDER = ".counts"
_SCHEMA = pa.schema(
    [
        pa.field("shard", pa.int64(), nullable=False),
        pa.field("counts", pa.string()),
        pa.field("replaced", pa.string()),
    ]
)
"""The number of a shard and, as JSON, what was counted of it; null where that does not hold any more."""


class KeptCounts:
    """The counts of a run's shards, in files of which a later one has the last word."""

    def __init__(self, run: RunDirectory) -> None:
        self.run = run
        self._rows: list[dict[str, Any]] = []
        self._written_at = time.monotonic()
        self._filesystem, self._inner = locate(join(run.path, _FOLDER))
        found = self._filesystem.get_file_info(pafs.FileSelector(self._inner, allow_not_found=True))
        self._names = sorted(info.base_name for info in found if not info.base_name.startswith("."))

    def load(self, pending: np.ndarray) -> pa.Table:
        """Return what is known: the columns `shard`, rising, `counts` and `replaced`, both JSON.

        What is known of shards that are pending, whose files were deleted, is forgotten for good.
        """
        names = [f"{_FOLDER}/{name}" for name in self._names]
        table = pa.concat_tables([_SCHEMA.empty_table(), *self.run.tables(schema=_SCHEMA, files=names)])
        backwards = table["shard"].to_numpy()[::-1]
        _, places = np.unique(backwards, return_index=True)
        table = table.take(len(backwards) - 1 - places)
        table = table.filter(table["counts"].is_valid())
        is_gone = pc.is_in(table["shard"], pa.array(pending, pa.int64()))
        self._rows += [{"shard": shard} for shard in table["shard"].filter(is_gone).to_pylist()]
        self._write()
        return table.filter(pc.invert(is_gone))

    def add(self, row: Mapping[str, Any]) -> None:
        """Add the row of a shard that has its file now; it is written soon."""
        self._rows.append({name: row[name] for name in _SCHEMA.names})
        if time.monotonic() - self._written_at > WRITE_EVERY_S:
            self._written_at = time.monotonic()
            with suppress(StorageError):  # later, then
                self._write()

    @contextmanager
    def written_at_the_end(self) -> Iterator[None]:
        """Write what was added in the block if it fails; else all of it is known to this process."""
        try:
            yield
        except BaseException:
            with suppress(StorageError):  # which may be what fails
                self._write()
            raise

    def delete(self) -> None:
        """Delete all of it: the run is done."""
        if self._names:
            with suppress(FileNotFoundError):
                self._filesystem.delete_dir(self._inner)

    def _write(self) -> None:
        if not self._rows:
            return
        if not self._names:
            create_folder(join(self.run.path, _FOLDER))
        name = f"{len(self._names):06d}.parquet"
        self.run.write_table(f"{_FOLDER}/{name}", pa.Table.from_pylist(self._rows, _SCHEMA), _SCHEMA)
        self._names.append(name)
        self._rows.clear()
