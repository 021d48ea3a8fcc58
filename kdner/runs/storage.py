"""Storage: any file system that pyarrow knows, by path or URI; files and folders appear whole or not at all."""

from __future__ import annotations

import atexit
import glob
import io
import mmap
import os
import posixpath
import re
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from functools import cache, lru_cache
from pathlib import Path
from typing import IO, Any
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.fs as pafs

from kdner.errors import InputError, StorageError

_TEMPORARY = re.compile(r"\..+\.tmp-[0-9a-f]{16}")
_DELAYED_OPEN = "allow_delayed_open"
_ATOMIC_PUT = frozenset(["s3", "gcs", "abfs"])
"""Object stores: no rename, but an object appears whole or not at all."""


def locate(path: str) -> tuple[pafs.FileSystem, str]:
    """Give the file system of a path and the absolute path inside it; without a scheme it is the local one.

    Raises:
        InputError: if no file system answers to the URI, or the path is empty.
    """
    if "://" in path:
        return _locate_uri(path)
    if not path:
        raise InputError("a path is empty, perhaps of a variable that is not set; `.` is the current folder")
    return pafs.LocalFileSystem(), os.path.abspath(Path(path).expanduser())  # noqa: PTH100


def join(path: str, name: str) -> str:
    """Give the path of a name inside a folder; a URI keeps its ``?query`` at the end."""
    folder, mark, query = path.partition("?") if "://" in path else (path, "", "")
    return f"{folder.rstrip('/')}/{name}{mark}{query}"


def without_secrets(path: str) -> str:
    """Give a path without the query and the user of a URI, which may hold secrets."""
    scheme, mark, rest = path.partition("://")
    if not mark:
        return path
    host, slash, inner = rest.partition("?")[0].partition("/")
    return f"{scheme}://{host.rpartition('@')[2]}{slash}{unquote(inner)}"


def local_folder(path: str | Path) -> Path:
    """Give the local folder of a path; of a URI, a copy that this process makes once and deletes at its end.

    Raises:
        InputError: a URI's folder is not there, or cannot be read.
    """
    return _local_copy(str(path)) if "://" in str(path) else Path(path)


@cache
def _local_copy(uri: str) -> Path:
    filesystem, inner = locate(uri)
    if look(uri).type != pafs.FileType.Directory:
        raise InputError(f"{uri}: no such folder")
    copy = tempfile.mkdtemp(prefix="kdner-")
    atexit.register(shutil.rmtree, copy, ignore_errors=True)
    try:
        pafs.copy_files(inner, copy, source_filesystem=filesystem)
    except OSError as error:
        raise InputError(f"{uri}: cannot be read ({error}); check the permissions and the connection") from error
    return Path(copy)


def look(path: str) -> pafs.FileInfo:
    """Tell what is at a path: its type (perhaps that nothing is there), size and time of change.

    Raises:
        StorageError: if the file system cannot say (no permission, no connection).
    """
    filesystem, inner = locate(path)
    try:
        return filesystem.get_file_info(inner)
    except OSError as error:
        raise StorageError(
            f"{path}: cannot be looked up ({error}); check the path, the permissions and the connection, "
            "then run the same command again"
        ) from error


def create_folder(path: str) -> None:
    """Create a folder, and those above it, unless it is there.

    Raises:
        StorageError: if the file system cannot take it (a file of that name, read-only, no permission).
    """
    filesystem, inner = locate(path)
    with _writing(path):
        filesystem.create_dir(inner, recursive=True)


@contextmanager
def commit(path: str) -> Iterator[IO[bytes]]:
    """Open a file that gets its name when it is whole, at the end of the block, and never if the block fails.

    Locally: a temporary name beside it, fsync, rename, fsync of the folder; a link stays, and what it leads to is
    written. Elsewhere the bytes are gathered
    in a local temporary file, then sent: to an object store under the final name, which appears when the
    upload is complete; to others under a temporary name, then moved.

    Raises:
        StorageError: if the file system cannot take it (full, read-only, no permission). What else goes wrong in the
            block, such as reading, is raised as it is.
        InputError: a device or a pipe is there.
    """
    filesystem, inner = locate(path)
    if isinstance(filesystem, pafs.LocalFileSystem):
        inner = os.path.realpath(inner)
        if Path(inner).exists() and not Path(inner).is_file() and not Path(inner).is_dir():
            raise InputError(f"{path}: is a device or a pipe, and would be replaced by a file; name a file")
    folder, name = posixpath.split(inner)
    temporary = f"{folder}/{_temporary_name(name)}"
    if isinstance(filesystem, pafs.LocalFileSystem):
        with _whole_local(Path(temporary), Path(inner), path) as file:
            yield file
    else:
        with _whole_remote(filesystem, temporary, inner, path) as file:
            yield file


@contextmanager
def commit_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder that gets its name when it is whole, at the end of the block, and never if the block fails.

    As `commit` does: a temporary name beside it, fsync of all files, rename, fsync of the folder above. What a killed
    process left of the same folder is deleted, so only one process at a time may write it.

    Args:
        folder: a local folder that is not there yet; those above it are created.

    Raises:
        StorageError: if the file system cannot take it (full, read-only, no permission).
    """
    temporary = folder.with_name(_temporary_name(folder.name))
    with _writing(str(folder)):
        folder.parent.mkdir(parents=True, exist_ok=True)
        for unfinished in folder.parent.glob(f".{glob.escape(folder.name)}.tmp-*"):
            if is_temporary(unfinished.name):
                shutil.rmtree(unfinished)
        try:
            temporary.mkdir()
            yield temporary
            for path in temporary.rglob("*"):
                _sync(path)
            temporary.rename(folder)
        except BaseException:
            shutil.rmtree(temporary, ignore_errors=True)
            raise
        _sync(folder.parent)


def give_usual_permissions(files: Iterable[Path]) -> None:
    """Give files the permissions of any new file in their folder; some packages leave theirs to the owner alone."""
    for path in files:
        new = path.with_name(_temporary_name(path.name))
        new.touch()
        usual = new.stat().st_mode
        new.unlink()
        if path.stat().st_mode != usual:
            path.chmod(stat.S_IMODE(usual))


def is_temporary(name: str) -> bool:
    """Tell whether a name is one that `commit` or `commit_folder` uses until the file or the folder is whole."""
    return _TEMPORARY.fullmatch(name) is not None


def _temporary_name(name: str) -> str:
    return f".{name}.tmp-{secrets.token_hex(8)}"


def _sync(path: Path) -> None:
    """Wait until a file's content, or a folder's list of names, is on disk."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@lru_cache(maxsize=64)
def _locate_uri(uri: str) -> tuple[pafs.FileSystem, str]:
    try:
        filesystem, inner = pafs.FileSystem.from_uri(_with_one_request_a_file(uri))
    except (OSError, ValueError, ImportError, pa.ArrowException) as error:
        raise InputError(
            f"{uri}: no file system for this path ({error}); give a local path, or a URI such as s3://bucket/folder"
        ) from error
    return filesystem, inner.rstrip("/") or inner


def _with_one_request_a_file(uri: str) -> str:
    """Let files of less than 10 MB go to S3 in one request, where three would open, fill and close an upload."""
    if not uri.startswith("s3://") or _DELAYED_OPEN in uri:
        return uri
    return f"{uri}{'&' if '?' in uri else '?'}{_DELAYED_OPEN}=true"


class _Unfinished(io.BufferedWriter):
    """A file of which the content goes to a path in the end; what cannot be written is that path's error."""

    def __init__(self, raw: io.RawIOBase, path: str) -> None:
        super().__init__(raw)
        self._path = path

    def write(self, data: Any) -> int:
        with _writing(self._path):
            return super().write(data)

    def flush(self) -> None:
        with _writing(self._path):
            super().flush()


@contextmanager
def _whole_local(temporary: Path, final: Path, path: str) -> Iterator[IO[bytes]]:
    with _writing(path):
        raw = temporary.open("xb", buffering=0)
    try:
        with _Unfinished(raw, path) as file:
            yield file
            file.flush()
            with _writing(path):
                os.fsync(file.fileno())
        with _writing(path):
            temporary.replace(final)
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    with _writing(path):
        _sync(final.parent)


@contextmanager
def _whole_remote(filesystem: pafs.FileSystem, temporary: str, final: str, path: str) -> Iterator[IO[bytes]]:
    target = final if filesystem.type_name in _ATOMIC_PUT else temporary
    with _writing(path):
        raw = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115
    with _Unfinished(raw, path) as file:
        yield file
        file.flush()
        with _writing(path), ThreadPoolExecutor(1) as uninterrupted:  # Ctrl-C is raised in the main thread only
            uninterrupted.submit(_upload, filesystem, target, file).result()
    if target != final:
        with _writing(path):
            filesystem.move(temporary, final)


def _upload(filesystem: pafs.FileSystem, target: str, file: IO[bytes]) -> None:
    """Send a file in one write: a stream that closes after an exception completes the object with what it has."""
    size = os.fstat(file.fileno()).st_size
    whole = mmap.mmap(file.fileno(), size, access=mmap.ACCESS_READ) if size else b""
    with filesystem.open_output_stream(target, compression=None) as stream:
        stream.write(whole)


@contextmanager
def _writing(path: str) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise StorageError(
            f"{path}: cannot be written ({error}); make room or give a folder that can be written to, "
            "then run the same command again"
        ) from error
