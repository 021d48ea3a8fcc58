"""What lies in folders: of an object store as it lists it; of a local disk, where links lead in no circle."""

from __future__ import annotations

import heapq
import os
import stat
from collections.abc import Callable, Iterator
from typing import Literal, NamedTuple, Protocol

import pyarrow.fs as pafs

_KINDS = {
    stat.S_IFIFO: "a named pipe",
    stat.S_IFSOCK: "a socket",
    stat.S_IFCHR: "a device",
    stat.S_IFBLK: "a device",
}


class Entry(NamedTuple):
    """What a listing shows of a file or folder."""

    path: str
    """Absolute path in its file system; bytes of a local one that are not UTF-8 are surrogates, as in `os.fsdecode`."""
    kind: Literal["file", "folder", "nothing", "other"]
    """`nothing` is not there; `other` can neither be read nor entered."""
    size: int = 0
    """Bytes."""
    mtime_ns: int | None = None
    """Time of the last change, nanoseconds since 1970."""
    real: str = ""
    """The path without links."""
    key: tuple[int, int] | None = None
    """Device and number of a local folder, the same by whatever path it is reached."""
    is_link: bool = False
    """Whether it is a link itself."""
    is_linked: bool = False
    """Whether there is a link between it and the folder where the listing began."""
    what: str = ""
    """Of `other`: what it is."""

    @property
    def name(self) -> str:
        """The last part of the path."""
        return self.path.rpartition("/")[2]


Enters = Callable[[Entry, Entry], bool]
"""Whether a folder (the second) that lies in another (the first) is to be listed too."""


class Folders(Protocol):
    """A file system, as far as a listing needs it; each method raises OSError where it cannot be read."""

    def look(self, path: str) -> Entry:
        """Tell what is at a path."""

    def children(self, folder: Entry) -> list[Entry]:
        """List a folder."""

    def below(self, top: Entry, enters: Enters, again: Callable[[Entry], None]) -> Iterator[Entry]:
        """Yield all that lies below a folder; see `LocalFolders.below`."""

    def is_above(self, entry: Entry, folder: Entry) -> bool:
        """Tell whether a folder's entry is the folder itself, or one that holds it."""


class RemoteFolders:
    """Those of any file system that pyarrow knows, without links."""

    def __init__(self, filesystem: pafs.FileSystem) -> None:
        """Take the file system."""
        self._filesystem = filesystem

    def look(self, path: str) -> Entry:
        """Tell what is at a path."""
        return _entry(self._filesystem.get_file_info(path))

    def children(self, folder: Entry) -> list[Entry]:
        """List a folder, by one request."""
        return list(map(_entry, self._filesystem.get_file_info(pafs.FileSelector(folder.path))))

    def below(self, top: Entry, enters: Enters, again: Callable[[Entry], None]) -> Iterator[Entry]:
        """Yield all that lies below a folder, by one request for all of it: there is nothing to enter."""
        yield from map(_entry, self._filesystem.get_file_info(pafs.FileSelector(top.path, recursive=True)))

    def is_above(self, entry: Entry, folder: Entry) -> bool:
        """Tell that there are no links."""
        return False


class LocalFolders:
    """Those of this machine. What is found out about links is kept: one object is for one listing."""

    def __init__(self) -> None:
        """Begin with nothing."""
        self._real: dict[str, str] = {}
        self._keys: dict[str, tuple[int, int]] = {}

    def look(self, path: str) -> Entry:
        """Tell what is at a path; links on the way do not count."""
        try:
            os.lstat(path)
        except (FileNotFoundError, NotADirectoryError):
            return Entry(path, "nothing")
        folder, name = os.path.split(path)
        real = self.real_folder(folder)
        if not name or not os.path.islink(path):  # noqa: PTH114 - a Path takes ten times as long
            return _of_stat(path, os.path.join(real, name), os.stat(path))  # noqa: PTH116, PTH118
        return self._of_link(path, real)._replace(is_link=False, is_linked=False)

    def children(self, folder: Entry) -> list[Entry]:
        """List a folder; what is gone before it is looked at is left out."""
        prefix, real = (place if place.endswith("/") else f"{place}/" for place in (folder.path, folder.real))
        same, found = prefix == real, []
        with os.scandir(folder.path) as names:
            for entry in names:
                path = prefix + entry.name
                if entry.is_symlink():
                    found.append(self._of_link(path, folder.real))
                    continue
                try:
                    info = entry.stat(follow_symlinks=False)
                except FileNotFoundError:
                    continue
                found.append(_of_stat(path, path if same else real + entry.name, info, is_linked=folder.is_linked))
        return found

    def below(self, top: Entry, enters: Enters, again: Callable[[Entry], None]) -> Iterator[Entry]:
        """Yield all that lies below a folder, of each folder that `enters` takes once.

        It is entered where it lies, if that is below `top` too, else by the first of its links in the order of paths.
        `again` is told of the others.
        """
        folders, links, entered = [top], list[Entry](), set[tuple[int, int] | None]()
        while folders or links:
            folder = folders.pop() if folders else heapq.heappop(links)
            if folder.is_linked and folder.key in entered:
                again(folder)
                continue
            entered.add(folder.key)
            for child in self.children(folder):
                yield child
                if child.kind == "folder" and enters(folder, child):
                    if child.is_link:
                        heapq.heappush(links, child)
                    else:
                        folders.append(child)

    def is_above(self, entry: Entry, folder: Entry) -> bool:
        """Tell whether a folder's entry is the folder itself, or one that holds it, by the path or without links."""
        places = {folder.path, folder.real}
        return any(entry.key == key for place in places for key in self._keys_from(place))

    def real_folder(self, path: str) -> str:
        """Give a folder's path without links."""
        if path not in self._real:
            self._real[path] = os.path.realpath(path)
        return self._real[path]

    def _of_link(self, path: str, real_folder: str) -> Entry:
        target = os.readlink(path)  # noqa: PTH115
        try:
            info = os.stat(path)  # noqa: PTH116
        except OSError as error:
            what = f"a link to {shown(target)}, which cannot be followed ({error.strerror})"
            return Entry(path, "other", is_link=True, is_linked=True, what=what)
        return _of_stat(path, self._target(real_folder, target), info, is_link=True, is_linked=True)

    def _target(self, real_folder: str, target: str) -> str:
        """Give the path without links of what a link in a folder leads to."""
        place = os.path.join(real_folder, target)  # noqa: PTH118
        folder, name = os.path.split(place)
        if name in ("", ".", ".."):
            return os.path.realpath(place)
        found = os.path.join(self.real_folder(folder), name)  # noqa: PTH118
        return os.path.realpath(found) if os.path.islink(found) else found  # noqa: PTH114

    def _keys_from(self, place: str) -> Iterator[tuple[int, int]]:
        """Yield the keys of a folder and those above it."""
        while True:
            if place not in self._keys:
                info = os.stat(place)  # noqa: PTH116
                self._keys[place] = (info.st_dev, info.st_ino)
            yield self._keys[place]
            above = os.path.dirname(place)  # noqa: PTH120
            if above == place:
                return
            place = above


def is_utf_8(name: str) -> bool:
    """Tell whether a local name is UTF-8."""
    if name.isascii():
        return True
    try:
        name.encode()
    except UnicodeEncodeError:
        return False
    return True


def shown(name: str) -> str:
    r"""Give a name that can be printed; bytes that are not UTF-8 are escaped, as in ``caf\xe9.txt``."""
    return name if is_utf_8(name) else os.fsencode(name).decode("utf-8", "backslashreplace")


def _of_stat(path: str, real: str, info: os.stat_result, *, is_link: bool = False, is_linked: bool = False) -> Entry:
    mode = info.st_mode
    if stat.S_ISREG(mode):
        return Entry(path, "file", info.st_size, info.st_mtime_ns, real, None, is_link, is_linked)
    if stat.S_ISDIR(mode):
        return Entry(path, "folder", 0, None, real, (info.st_dev, info.st_ino), is_link, is_linked)
    return Entry(path, "other", 0, None, real, None, is_link, is_linked, _KINDS.get(stat.S_IFMT(mode), "no file"))


def _entry(info: pafs.FileInfo) -> Entry:
    kind: Literal["file", "folder", "nothing", "other"] = "other"
    if info.type == pafs.FileType.File:
        kind = "file"
    elif info.type == pafs.FileType.Directory:
        kind = "folder"
    elif info.type == pafs.FileType.NotFound:
        kind = "nothing"
    return Entry(info.path, kind, info.size or 0, info.mtime_ns, info.path, what="neither a file nor a folder")
