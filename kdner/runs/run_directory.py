"""The run directory: what a job writes, on any file system that pyarrow knows.

Order is the contract. `_manifest.json` comes first and holds the fingerprint: everything that changes the
result. Then the files, each under a temporary name until it is whole. Then `_summary.json`, and `_SUCCESS`
last. Whenever a job is killed, what has its final name is whole, and the same command carries on from there.

Names that begin with `_` or `.` are not data: Arrow, pandas and Spark pass over them when they read the folder, and
Polars does if it is told to. For `datasets` there is `DATA_FILES`.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.fs as pafs

from kdner import __version__
from kdner.errors import InputError
from kdner.runs.fingerprint import differences
from kdner.runs.parquet import read_footer, read_parquet, write_parquet
from kdner.runs.schema import SCHEMA_VERSION, check
from kdner.runs.storage import commit, create_folder, is_temporary, join, locate, look

MANIFEST = "_manifest.json"
SUMMARY = "_summary.json"
SUCCESS = "_SUCCESS"
FAILED = "_failed.json"
"""Why the last try failed; it goes when the next one begins."""
DATA_FILES = ".huggingface.yaml"
"""Says which files are data, to `datasets` and its hub, which take the kind that is most frequent: JSON, where there is
one part."""

OLD_NAMES = {MANIFEST: "manifest.json", SUMMARY: "summary.json"}
"""As older versions named them; a run that began with these names keeps them."""
YOUNG_S = 600.0
"""Seconds after its last change for which a temporary file may still be written by a job that cannot be seen."""
_SHOWN_DIFFERENCES = 20
_COUNTED = ("documents", "words", "entities", "errors")


@dataclass(frozen=True, slots=True)
class RunDirectory:
    """A run directory by its path: a local folder (made absolute) or a URI such as ``s3://bucket/run``.

    Holds little but the path, so that it pickles and a worker makes its own from the path alone.
    """

    path: str
    others_may_write: bool = False
    """Whether a job that cannot be seen may still write here: it gave no sign of life, but may live."""

    def __post_init__(self) -> None:
        filesystem, inner = locate(self.path)
        if isinstance(filesystem, pafs.LocalFileSystem):
            object.__setattr__(self, "path", inner)

    @classmethod
    def open(cls, path: str, fingerprint: Mapping[str, Any], describe: Mapping[str, Any] | None = None) -> RunDirectory:
        """Start a run directory, or resume the one that is there.

        `fingerprint` is JSON, flat or nested. `describe` adds to a new manifest what does not change the
        result, such as ``{"files": [...]}``, the names that the finished directory will hold.

        Raises:
            InputError: if the folder holds a run with another fingerprint (naming each difference), or
                anything else than a run (names that begin with a period do not count).
        """
        directory = cls(path)
        versions = {"kdner": __version__, "schema_version": SCHEMA_VERSION}
        wanted = json.loads(json.dumps({**versions, "fingerprint": fingerprint}))
        create_folder(directory.path)
        names = directory.names()
        if directory.begun:
            directory._refuse_other(wanted)
        elif foreign := sorted(name for name in names if not name.startswith(".") and name != FAILED):
            raise InputError(
                f"{directory.path}: not empty, and no kdner run directory (holds {', '.join(foreign[:3])}); "
                "give another --out"
            )
        else:
            directory.write_json(MANIFEST, {**wanted, **(describe or {})})
        return directory

    @classmethod
    def finished_at(cls, path: str) -> RunDirectory:
        """Give the finished run directory at a path, for readers.

        Raises:
            InputError: if there is no such folder, no run directory in it, or an unfinished one.
        """
        directory = cls(path)
        if look(directory.path).type != pafs.FileType.Directory:
            raise InputError(f"{directory.path}: no such folder; give the --out of a finished job")
        if not directory.begun:
            raise InputError(f"{directory.path}: not a kdner run directory (no {MANIFEST}); give a job's --out")
        directory.refuse_unfinished()
        return directory

    def refuse_unfinished(self) -> None:
        """Check that no run is here, or a finished one.

        Raises:
            InputError: it is unfinished.
        """
        if self.begun and not self.finished:
            raise InputError(f"{self.path}: this run is unfinished (no {SUCCESS}); run the same command again")

    @property
    def begun(self) -> bool:
        """Tell whether a job has begun to write here; a manifest.json of others has no fingerprint."""
        name = self._own_name(MANIFEST)
        return self.has(name) and (name == MANIFEST or "fingerprint" in self.read_json(name))

    @property
    def finished(self) -> bool:
        """Tell whether the job that writes here has come to its end."""
        return self.has(SUCCESS)

    @property
    def whole(self) -> bool:
        """Tell whether it has, and all of its files are still there."""
        return self.finished and not self.pending()

    @property
    def local_path(self) -> Path:
        """Give the folder as a local path, for model directories.

        Raises:
            InputError: if the directory is not on the local file system.
        """
        filesystem, inner = locate(self.path)
        if not isinstance(filesystem, pafs.LocalFileSystem):
            raise InputError(f"{self.path}: a local folder is needed here (or one mounted on every machine)")
        return Path(inner)

    @property
    def files(self) -> list[str]:
        """List the names of the files that belong to the run, from the manifest."""
        return list(self.manifest().get("files", []))

    def manifest(self) -> dict[str, Any]:
        """Read the manifest: ``kdner``, ``schema_version``, ``fingerprint`` and what the job described."""
        return self.read_json(self._own_name(MANIFEST))

    def identity(self) -> dict[str, Any]:
        """Return what those who read a finished run know it by: its fingerprint, and what it counted.

        A retry of documents with an error, or a change of files that was accepted, leaves the fingerprint as it was.
        """
        summary = self.summary()
        return {
            **self.manifest()["fingerprint"],
            "holds": {name: summary[name] for name in _COUNTED if name in summary},
        }

    def describe(self, description: Mapping[str, Any]) -> None:
        """Add to the manifest what became known after it was written, unless it stands there."""
        manifest = self.manifest()
        if not description.keys() <= manifest.keys():
            self.write_json(self._own_name(MANIFEST), {**manifest, **description})

    @property
    def has_summary(self) -> bool:
        """Tell whether the run has come to its end once."""
        return self.has(self._own_name(SUMMARY))

    def summary(self) -> dict[str, Any]:
        """Read the summary."""
        return self.read_json(self._own_name(SUMMARY))

    def write_summary(self, summary: Mapping[str, Any]) -> None:
        """Write the summary, atomically."""
        self.write_json(self._own_name(SUMMARY), summary)

    def has(self, name: str) -> bool:
        """Tell whether a file is there, and so is whole."""
        return look(join(self.path, name)).type == pafs.FileType.File

    def pending(self) -> list[str]:
        """List the manifest's files that are not there yet, from one listing of the folder."""
        names = self.names()
        return [name for name in self.files if name not in names]

    def write_table(
        self, name: str, table: pa.Table, schema: pa.Schema, metadata: Mapping[str, str] | None = None
    ) -> None:
        """Write a Parquet file, atomically; equal tables give equal bytes, however they are chunked.

        `metadata` is kept in the file beside the schema, for `table_metadata`.

        Raises:
            InputError: if the table differs from the schema, or the file cannot be written.
        """
        path = join(self.path, name)
        check(table, schema, path)
        whole = pa.Table.from_arrays(table.combine_chunks().columns, schema=schema.with_metadata(metadata))
        with commit(path) as file:
            write_parquet(whole, file)

    def table_metadata(self, name: str) -> tuple[int, dict[str, str]]:
        """Read a Parquet file's number of rows and the metadata that it was written with."""
        filesystem, inner = locate(self.path)
        with filesystem.open_input_file(f"{inner}/{name}") as file:
            return read_footer(file)

    def read_json(self, name: str) -> dict[str, Any]:
        """Read a JSON object.

        Raises:
            InputError: if the file is missing, or holds something else.
        """
        filesystem, inner = locate(self.path)
        try:
            with filesystem.open_input_file(f"{inner}/{name}") as file:
                value = json.loads(file.read())
        except (OSError, ValueError) as error:
            raise InputError(
                f"{join(self.path, name)}: cannot be read ({error}); give a kdner run directory"
            ) from error
        if not isinstance(value, dict):
            raise InputError(f"{join(self.path, name)}: expected a JSON object; give a kdner run directory")
        return value

    def read_json_lines(self, name: str) -> Iterator[dict[str, Any]]:
        """Read a file of JSON lines, one at a time.

        Raises:
            InputError: if the file is missing or cut off.
        """
        filesystem, inner = locate(self.path)
        try:
            with filesystem.open_input_stream(f"{inner}/{name}") as stream:
                yield from map(json.loads, io.TextIOWrapper(stream, "utf-8"))
        except (OSError, ValueError) as error:
            raise InputError(f"{join(self.path, name)}: cannot be read ({error}); run the job again") from error

    def write_json(self, name: str, value: Mapping[str, Any]) -> None:
        """Write a JSON file, indented, atomically."""
        self.write_bytes(name, _json(value, indent=2))

    def write_json_lines(self, name: str, records: Iterable[Mapping[str, Any]]) -> None:
        """Write a file of JSON lines, atomically."""
        with commit(join(self.path, name)) as file:
            for record in records:
                file.write(_json(record))

    def write_bytes(self, name: str, content: bytes) -> None:
        """Write a file, atomically."""
        with commit(join(self.path, name)) as file:
            file.write(content)

    def tables(
        self,
        columns: Sequence[str] | None = None,
        schema: pa.Schema | None = None,
        files: Sequence[str] | None = None,
    ) -> Iterator[pa.Table]:
        """Read Parquet files one at a time, only these columns where some are named.

        `files` are names in the order wanted, by default the manifest's.

        Raises:
            InputError: if a file is missing or cut off, or differs from the schema where one is given.
        """
        filesystem, inner = locate(self.path)
        for name in self.files if files is None else files:
            path = join(self.path, name)
            try:
                with filesystem.open_input_file(f"{inner}/{name}") as file:
                    table = read_parquet(file, columns, schema, path)
            except (OSError, pa.ArrowException) as error:
                raise InputError(
                    f"{path}: cannot be read ({error}); delete it and {SUCCESS}, then run the job again"
                ) from error
            yield table

    def delete(self, names: Iterable[str]) -> None:
        """Delete files, in this order, those that are there."""
        filesystem, inner = locate(self.path)
        for name in names:
            with suppress(FileNotFoundError):
                filesystem.delete_file(f"{inner}/{name}")

    def clean(self) -> None:
        """Delete temporary files and folders that a killed job left; only while no other job is known to write here.

        Where one may that cannot be seen, those stay that changed within `YOUNG_S` of the latest change in the folder:
        no clock but that of the storage counts.
        """
        filesystem, _ = locate(self.path)
        listing = self._listing()
        latest = max((info.mtime_ns or 0 for info in listing), default=0)
        for info in listing:
            young = latest - (info.mtime_ns or 0) < YOUNG_S * 1e9
            if is_temporary(info.base_name) and not (self.others_may_write and young):
                delete = filesystem.delete_dir if info.type == pafs.FileType.Directory else filesystem.delete_file
                with suppress(FileNotFoundError):  # an actor that outlives its killed job has come to its end
                    delete(info.path)

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Write the summary, and ``_SUCCESS`` last, once every file of the manifest is there.

        Raises:
            InputError: if a file is missing (deleted from outside while the job ran).
        """
        if pending := self.pending():
            raise InputError(
                f"{self.path}: {len(pending)} files are missing, the first is {pending[0]}; "
                "run the same command again to make them"
            )
        self.clean()
        if any(name.endswith(".parquet") for name in self.files):
            self.write_bytes(DATA_FILES, b'configs:\n- config_name: default\n  data_files: "*.parquet"\n')
        self.write_summary(summary)
        self.write_bytes(SUCCESS, b"")

    def _own_name(self, name: str) -> str:
        """Return the name of the manifest or of the summary here: the old one where the manifest has its old name."""
        is_old = not self.has(MANIFEST) and self.has(OLD_NAMES[MANIFEST])
        return OLD_NAMES[name] if is_old else name

    def names(self) -> set[str]:
        """Return the names of all that is in the folder."""
        return {info.base_name for info in self._listing()}

    def _listing(self) -> list[pafs.FileInfo]:
        filesystem, inner = locate(self.path)
        return list(filesystem.get_file_info(pafs.FileSelector(inner)))

    def _refuse_other(self, wanted: dict[str, Any]) -> None:
        manifest = self.manifest()
        lines = differences({key: manifest.get(key) for key in wanted}, wanted)
        if lines:
            shown = [f"  {line.removeprefix('fingerprint.')}\n" for line in lines[:_SHOWN_DIFFERENCES]]
            if len(lines) > _SHOWN_DIFFERENCES:
                shown.append(f"  and {len(lines) - _SHOWN_DIFFERENCES} more\n")
            raise InputError(
                f"{self.path}: holds a run that differs from this one in\n{''.join(shown)}"
                "give another --out, or delete this one"
            )


def _json(value: Mapping[str, Any], indent: int | None = None) -> bytes:
    """Return JSON in UTF-8, with a line's end; what cannot be encoded, half of a surrogate pair, as its escape."""
    return (json.dumps(value, indent=indent, ensure_ascii=False) + "\n").encode("utf-8", "backslashreplace")
