"""The folder that a run writes to: where it lies in the folder of its corpus, what it holds is no part of that."""

from __future__ import annotations

import logging
import os
import posixpath
from collections.abc import Callable, Iterable, Iterator
from functools import cached_property

import pyarrow.fs as pafs

from kdner.corpora.folders import Enters, Entry, Folders
from kdner.data import hub_datasets
from kdner.errors import InputError
from kdner.runs.run_directory import RunDirectory
from kdner.runs.storage import locate, without_secrets

_OF_STEPS = "pipeline"
"""The job whose folder holds the run directories of its steps."""

logger = logging.getLogger(__name__)


class OwnFolder:
    """A run directory that is there, or will be."""

    def __init__(self, out: str) -> None:
        """Take its path or URI."""
        self._out = out
        self._filesystem, inner = locate(out)
        self._is_local = isinstance(self._filesystem, pafs.LocalFileSystem)
        self._real = os.path.realpath(inner) if self._is_local else inner

    def left_out(self, folders: Folders, filesystem: pafs.FileSystem, top: Entry, source: str) -> Folders:
        """Return the folders of a file system without what the run writes, unless the listing begins inside it.

        Raises:
            InputError: it begins with the run directory itself.
        """
        if not self._filesystem.equals(filesystem) or (top.real != self._real and _holds(self._real, top.real)):
            return folders
        if top.real == self._real:
            raise InputError(f"{source}: is the folder of --out, too; give another --out")
        is_inside = _holds(top.real, self._real)
        if not is_inside and not self._is_local:
            return folders
        left_out = self._real if _holds(self._whole, top.real) else self._whole
        if is_inside:
            logger.info("%s: what is in %s is no part of the corpus", *map(without_secrets, (source, self._out)))
        return _Without(folders, left_out)

    def check_dataset(self, source: str) -> None:
        """Refuse a dataset whose folder holds the run directory: all files there are its own.

        Raises:
            InputError: it does.
        """
        folder = hub_datasets.folder_of(source) if hub_datasets.is_dataset(source) and self._is_local else None
        if folder and _holds(os.path.realpath(folder), self._real):
            raise InputError(f"{source}: --out {self._out} lies in the folder of this dataset; give another --out")

    def check_files(self, files: Iterable[Entry]) -> None:
        """Refuse a file of the corpus that is the run directory itself.

        Raises:
            InputError: one is.
        """
        if self._is_local and (same := next((file for file in files if file.real == self._real), None)):
            raise InputError(f"{same.path}: is --out, too, and a file of the corpus; give another --out")

    @cached_property
    def _whole(self) -> str:
        """The folder of the job that this one is a step of, or its own."""
        above = RunDirectory(_above(self._out))
        is_step = above.begun and above.manifest().get("fingerprint", {}).get("job") == _OF_STEPS
        return posixpath.dirname(self._real) if is_step else self._real


class _Without:
    """Folders, without one of them."""

    def __init__(self, folders: Folders, left_out: str) -> None:
        self._folders, self._left_out = folders, left_out

    def look(self, path: str) -> Entry:
        return self._folders.look(path)

    def children(self, folder: Entry) -> list[Entry]:
        return [child for child in self._folders.children(folder) if self._is_in(child)]

    def below(self, top: Entry, enters: Enters, again: Callable[[Entry], None]) -> Iterator[Entry]:
        def enters_others(folder: Entry, child: Entry) -> bool:
            return self._is_in(child) and enters(folder, child)

        return filter(self._is_in, self._folders.below(top, enters_others, again))

    def is_above(self, entry: Entry, folder: Entry) -> bool:
        return self._folders.is_above(entry, folder)

    def _is_in(self, entry: Entry) -> bool:
        if not entry.real.startswith(self._left_out):
            return True
        return entry.kind == "file" if entry.real == self._left_out else not _holds(self._left_out, entry.real)


def _holds(folder: str, path: str) -> bool:
    """Tell whether a path is that of a folder, or of something below it."""
    return path == folder or path.startswith(f"{folder.rstrip('/')}/")


def _above(out: str) -> str:
    """Return the path of the folder that a path or URI is in."""
    if "://" not in out:
        return posixpath.dirname(locate(out)[1])
    place, mark, query = out.partition("?")
    return f"{posixpath.dirname(place.rstrip('/'))}{mark}{query}"
