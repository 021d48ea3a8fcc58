"""Which files make a corpus: by path, folder, glob or dataset name. What is passed over is counted, not hidden."""

from __future__ import annotations

import heapq
import logging
import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from operator import attrgetter
from pathlib import Path
from urllib.parse import quote

import pyarrow.fs as pafs

from kdner.corpora.files import SUFFIXES, SourceFile, format_by_content, format_of, suffix_of
from kdner.corpora.folders import Entry, Folders, LocalFolders, RemoteFolders, is_utf_8, shown
from kdner.corpora.own_folder import OwnFolder
from kdner.corpora.staged_datasets import as_parquet
from kdner.data.hub_datasets import is_dataset
from kdner.errors import InputError
from kdner.runs.storage import locate, without_secrets

logger = logging.getLogger(__name__)

_NO_DOCUMENTS = re.compile(
    r"(readme|copying|notice|changelog|licen[cs]e([-_]\w+)?)(\..*)?"
    r"|(dataset_infos?|dataset_dict|state)\.json",
    re.IGNORECASE,
)
"""Names of files that tell of others."""
_TABLES = {
    "Delta": re.compile(r"(^|/)_delta_log(/|$)"),
    "Iceberg": re.compile(r"(^|/)metadata/[^/]+\.metadata\.json(\.gz)?$"),
    "Hudi": re.compile(r"(^|/)\.hoodie(/|$)"),
}
_PERHAPS_TABLE = re.compile("_delta_log|metadata|hoodie")
"""Tables whose folders also hold files of rows that were changed or deleted."""
_ABOVE = "link into a folder above it"
_AGAIN = "link to what is there already"
_NAMED = 3


def find_files(
    inputs: Sequence[str],
    text_column: str,
    id_column: str | None,
    staging: str | None,
    keep_columns: Sequence[str] = (),
    out: str | None = None,
) -> tuple[Iterator[SourceFile], Mapping[str, int]]:
    """Find the files of a corpus, in the order of their paths, each once; and count those that were passed over.

    An input is one of these:

    - a file; where its suffix tells no format, its content may;
    - a folder, with its subfolders, but no names that begin with ``.`` or ``_``, and of one format; files of unknown
      suffixes, README, LICENSE and the like are passed over, and counted by suffix or name;
    - a glob: ``*``, ``?``, ``[]`` within a name, ``**`` for any folders (in a URI ``?`` begins the query); it must
      match no file of an unknown suffix, but may match files of several formats, and folders;
    - a dataset for `kdner.corpora.staged_datasets.as_parquet`, whose columns go to the folder `staging`.

    What lies below `out`, the run directory, is no part of a folder or glob that holds it; nor is the rest of the main
    job's folder, where the run is a step of one. What is named inside it is: the job's own corpus may be there.

    Local links are followed, except into a folder above them. A file that is reached by several paths is read once:
    by that without links, else by the first one, whether links of folders or of files, or two inputs, lead there. Hard
    links and copies are files of their own. Links that were not followed, or led to what is there, are counted.

    Raises:
        InputError: if an input stands for no file, has an unknown format, or cannot be listed or loaded; if a folder
            holds several formats, or a Delta, Iceberg or Hudi table; if a folder or glob has a link that leads nowhere,
            a pipe or the like, where its name is that of a file of the corpus or, of a link, of a folder; if the path
            of a local file of the corpus is not UTF-8; if `out` is a file or folder that was named, a file of the
            corpus, or in the folder of a dataset.
    """
    found: dict[str, tuple[Entry, str]] = {}
    passed_over: dict[str, str] = {}
    local, own = LocalFolders(), OwnFolder(out) if out else None
    for source in inputs:
        if own:
            own.check_dataset(source)
        path = as_parquet(source, staging, text_column, id_column, keep_columns) if is_dataset(source) else source
        try:
            matches = _expand(path, local, own)
        except OSError as error:
            raise InputError(
                f"{shown(source)}: cannot be listed ({shown(str(error))}); check the path and its permissions"
            ) from error
        if not matches.files:
            others = f" but {_counts(matches.passed_over)}" if matches.passed_over else ""
            is_saved = ".arrow" in matches.passed_over.values()
            saved = "; a dataset that save_to_disk wrote is given as hf:FOLDER" if is_saved else ""
            raise InputError(
                f"{shown(source)}: no corpus file here{others}; give files, folders or globs of {SUFFIXES}{saved}"
            )
        found.update(matches.files)
        passed_over.update(matches.passed_over)
        if matches.passed_over:
            logger.warning("%s: passed over %s", shown(without_secrets(source)), _counts(matches.passed_over))
    if not found:
        raise InputError("no corpus is given; name at least one file, folder or glob")
    _leave_out_second_paths(found, passed_over)
    if own:
        own.check_files(entry for entry, _ in found.values())
    paths = sorted(found)
    plain = [without_secrets(path) for path in paths]
    begin = os.path.commonprefix([min(plain), max(plain)]).rpartition("/")[0]  # noqa: RUF071 - a URI is no path

    def files() -> Iterator[SourceFile]:
        for path, name in zip(paths, plain, strict=True):
            entry, kind = found[path]
            yield SourceFile(path, name[len(begin) :].lstrip("/"), kind, entry.size, entry.mtime_ns)

    return files(), Counter(passed_over.values())


@dataclass
class _Matches:
    """What a path or glob stands for."""

    files: dict[str, tuple[Entry, str]] = field(default_factory=dict)
    """Entry and format of each corpus file, by its path."""
    passed_over: dict[str, str] = field(default_factory=dict)
    """Files that are no part of it, by their path: the suffix, or the name where it tells why."""
    unknown: list[str] = field(default_factory=list)
    """Files that a glob matches by name, and whose suffixes are unknown."""


def _expand(source: str, local: LocalFolders, own: OwnFolder | None) -> _Matches:
    is_uri = "://" in source
    place, mark, query = source.partition("?") if is_uri else (source, "", "")
    parts = place.rstrip("/").split("/")
    globs = [i for i, part in enumerate(parts) if set(part) & set("*?[")]
    first = len(parts) if not globs or (not is_uri and Path(source).exists()) else globs[0]
    root = "/".join(parts[:first]) or ("/" if source.startswith("/") else ".")
    filesystem, inner = locate(root + mark + query)
    is_local = isinstance(filesystem, pafs.LocalFileSystem)
    folders: Folders = local if is_local else RemoteFolders(filesystem)
    matches, said = _Matches(), shown(source)

    def add(file: Entry, kind: str) -> None:
        path = file.path if is_local else root + quote(file.path[len(inner) :]) + mark + query
        matches.files[path] = (file, kind)

    is_named, top = first == len(parts), folders.look(inner)
    if own and top.kind == "folder":
        folders = own.left_out(folders, filesystem, top, said)
    for entry in _match(folders, top, parts[first:], said, matches.passed_over):
        if entry.kind == "nothing":
            raise InputError(f"{said}: no such file or folder")
        if entry.kind == "folder":
            for file, kind in _of_folder(folders, entry, said, one_format=is_named, left=matches.passed_over):
                add(file, kind)
        elif is_named:
            _check_part(entry, said)
            add(entry, _format_of_named(entry, source))
        elif _NO_DOCUMENTS.fullmatch(entry.name):
            matches.passed_over[entry.path] = shown(entry.name)
        elif known := format_of(entry.path):
            _check_part(entry, said)
            add(entry, known)
        else:
            _check_no_folder(entry, said)
            matches.unknown.append(shown(entry.name))
    if matches.unknown:
        more = f" and {len(matches.unknown) - _NAMED:,} more" if len(matches.unknown) > _NAMED else ""
        raise InputError(
            f"{said}: also matches files of unknown format: {', '.join(sorted(matches.unknown)[:_NAMED])}{more}; "
            f"give a glob that matches only files of {SUFFIXES}"
        )
    return matches


def _of_folder(
    folders: Folders, folder: Entry, source: str, *, one_format: bool, left: dict[str, str]
) -> Iterator[tuple[Entry, str]]:
    """Yield a folder's corpus files and their formats; `left` gets those that are passed over."""

    def enters(above: Entry, child: Entry) -> bool:
        return not child.name.startswith((".", "_")) and _follows(folders, above, child, left)

    def again(link: Entry) -> None:
        left[link.path] = _AGAIN

    names_of: dict[str | None, str] = {}
    for file in sorted(folders.below(folder, enters, again), key=attrgetter("path")):
        below = file.path[len(folder.path) :].lstrip("/")
        if _PERHAPS_TABLE.search(below) and (table := _table(below)):
            raise InputError(
                f"{source}: holds a {table} table ({shown(below)}), whose files may hold rows that were changed or "
                "deleted; write its present rows to Parquet with the table's own package, or name the files that count "
                "by a glob"
            )
        if file.kind == "folder" or any(part.startswith((".", "_")) for part in below.split("/")):
            continue
        if _NO_DOCUMENTS.fullmatch(file.name):
            left[file.path] = shown(file.name)
            continue
        kind = format_of(file.path)
        if kind is None:
            _check_no_folder(file, source)
            left[file.path] = shown(suffix_of(file.path)) or "without suffix"
            continue
        _check_part(file, source)
        names_of.setdefault(kind, below)
        if one_format and len(names_of) > 1:
            raise InputError(
                f"{source}: holds files of several formats, such as {' and '.join(names_of.values())}; name those that "
                "are the corpus by a glob, as in FOLDER/*.parquet, or all of them as FOLDER/**"
            )
        yield file, kind


def _table(below: str) -> str | None:
    """Tell of which kind of table a path below a folder is a part, if any."""
    return next((kind for kind, pattern in _TABLES.items() if pattern.search(below)), None)


def _follows(folders: Folders, above: Entry, child: Entry, left: dict[str, str]) -> bool:
    """Tell whether a folder below another may be listed: it may not if it is a link to one above it."""
    if child.is_link and folders.is_above(child, above):
        left[child.path] = _ABOVE
        return False
    return True


def _check_readable(entry: Entry, source: str) -> None:
    """Refuse what seems to be a file of the corpus, and is none: its documents would be lost."""
    if entry.kind == "other":
        raise InputError(
            f"{source}: {shown(entry.path)} is {entry.what}, and no file; restore what it stands for, or remove it"
        )


def _check_part(entry: Entry, source: str) -> None:
    """Refuse what belongs to the corpus by its name, and cannot be read, or has a name that no plan can hold."""
    _check_readable(entry, source)
    if is_utf_8(entry.path):
        return
    parts = entry.path.split("/")
    bad = next(i for i, part in enumerate(parts) if not is_utf_8(part))
    raise InputError(
        f"{source}: a name in the folder {'/'.join(parts[:bad]) or '/'} is not UTF-8: {shown(parts[bad])}, of "
        f"the path {shown(entry.path)}; rename it"
    )


def _check_no_folder(entry: Entry, source: str) -> None:
    """Refuse a link that leads nowhere and whose name has no suffix: it may stand for a folder of documents."""
    if entry.is_link and not suffix_of(entry.path):
        _check_readable(entry, source)


def _format_of_named(entry: Entry, source: str) -> str:
    """Give the format of a file that is named by itself."""
    kind = format_of(entry.path) or format_by_content(source)
    if kind is None:
        raise InputError(f"{source}: unknown format; give a file that ends in one of {SUFFIXES}")
    return kind


def _match(folders: Folders, top: Entry, patterns: Sequence[str], source: str, left: dict[str, str]) -> Iterator[Entry]:
    """Yield what lies below a path and fits the patterns, one for each level; `left` gets links that are passed over.

    Links are followed when all else is done, in the order of their paths, and to a folder that was looked through for
    the same patterns no more.
    """
    todo, links, done = [(top, patterns)], list[tuple[Entry, Sequence[str]]](), set[tuple[object, int]]()
    while todo or links:
        here, wanted = todo.pop() if todo else heapq.heappop(links)
        if not wanted:
            yield here
            continue
        if here.kind != "folder":
            _check_no_folder(here, source)
            continue
        if here.is_linked and (here.key, len(wanted)) in done:
            left[here.path] = _AGAIN
            continue
        done.add((here.key, len(wanted)))
        pattern, rest = wanted[0], wanted[1:]
        if pattern == "**":
            todo.append((here, rest))
            if not rest:
                continue
        for child in folders.children(here):
            if child.name.startswith((".", "_")) and not pattern.startswith((".", "_")):
                continue
            if pattern != "**" and not fnmatchcase(child.name, pattern):
                continue
            if child.kind != "folder" or _follows(folders, here, child, left):
                reached = (child, wanted if pattern == "**" else rest)
                if child.is_link:
                    heapq.heappush(links, reached)
                else:
                    todo.append(reached)


def _leave_out_second_paths(found: dict[str, tuple[Entry, str]], passed_over: dict[str, str]) -> None:
    """Leave of the paths that lead to one file that without links, or else the first."""
    linked = sorted(path for path, (entry, _) in found.items() if entry.real != entry.path and "://" not in path)
    first: dict[str, str] = {}
    for path in linked:
        real = found[path][0].real
        if real in found or first.setdefault(real, path) != path:
            del found[path]
            passed_over[path] = _AGAIN


def _counts(passed_over: Mapping[str, str]) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in sorted(Counter(passed_over.values()).items()))
