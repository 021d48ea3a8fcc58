"""Which files make a corpus: by path, folder, glob or dataset name. What is passed over is counted, not hidden."""

from __future__ import annotations

import itertools
import logging
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from urllib.parse import quote

import pyarrow.fs as pafs

from kdner.corpora.files import SUFFIXES, SourceFile, format_by_content, format_of, suffix_of
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
"""Tables whose folders also hold files of rows that were changed or deleted."""
_NAMED = 3


def find_files(
    inputs: Sequence[str],
    text_column: str,
    id_column: str | None,
    staging: str | None,
    keep_columns: Sequence[str] = (),
) -> tuple[list[SourceFile], Mapping[str, int]]:
    """Find the files of a corpus, in the order of their paths, each once; and count those that were passed over.

    An input is one of these:

    - a file; where its suffix tells no format, its content may;
    - a folder, with its subfolders, but no names that begin with ``.`` or ``_``, and of one format; files of unknown
      suffixes, README, LICENSE and the like are passed over, and counted by suffix or name;
    - a glob: ``*``, ``?``, ``[]`` within a name, ``**`` for any folders (in a URI ``?`` begins the query); it must
      match no file of an unknown suffix, but may match files of several formats, and folders;
    - a dataset for `kdner.corpora.staged_datasets.as_parquet`, whose columns go to the folder `staging`.

    Raises:
        InputError: if an input stands for no file, has an unknown format, or cannot be listed or loaded; if a folder
            holds several formats, or a Delta, Iceberg or Hudi table.
    """
    found: dict[str, tuple[pafs.FileInfo, str]] = {}
    passed_over: dict[str, str] = {}
    for source in inputs:
        path = as_parquet(source, staging, text_column, id_column, keep_columns) if is_dataset(source) else source
        try:
            matches = _expand(path)
        except OSError as error:
            raise InputError(f"{source}: cannot be listed ({error}); check the path and its permissions") from error
        if not matches.files:
            others = f" but {_counts(matches.passed_over)}" if matches.passed_over else ""
            is_saved = ".arrow" in matches.passed_over.values()
            saved = "; a dataset that save_to_disk wrote is given as hf:FOLDER" if is_saved else ""
            raise InputError(
                f"{source}: no corpus file here{others}; give files, folders or globs of {SUFFIXES}{saved}"
            )
        if matches.passed_over:
            logger.warning("%s: passed over %s", without_secrets(source), _counts(matches.passed_over))
        found.update(matches.files)
        passed_over.update(matches.passed_over)
    if not found:
        raise InputError("no corpus is given; name at least one file, folder or glob")
    parts = {path: without_secrets(path).split("/") for path in sorted(found)}
    common = _common([folders for *folders, _ in parts.values()])
    files = [
        SourceFile(path, "/".join(parts[path][common:]), found[path][1], found[path][0].size, found[path][0].mtime_ns)
        for path in parts
    ]
    return files, Counter(passed_over.values())


@dataclass
class _Matches:
    """What a path or glob stands for."""

    files: dict[str, tuple[pafs.FileInfo, str]] = field(default_factory=dict)
    """Info and format of each corpus file, by its path."""
    passed_over: dict[str, str] = field(default_factory=dict)
    """Files that are no part of it, by their path: the suffix, or the name where it tells why."""
    unknown: list[str] = field(default_factory=list)
    """Files that a glob matches by name, and whose suffixes are unknown."""


def _expand(source: str) -> _Matches:
    is_uri = "://" in source
    place, mark, query = source.partition("?") if is_uri else (source, "", "")
    parts = place.rstrip("/").split("/")
    globs = [i for i, part in enumerate(parts) if set(part) & set("*?[")]
    first = len(parts) if not globs or (not is_uri and Path(source).exists()) else globs[0]
    root = "/".join(parts[:first]) or ("/" if source.startswith("/") else ".")
    filesystem, inner = locate(root + mark + query)
    local = isinstance(filesystem, pafs.LocalFileSystem)
    matches = _Matches()

    def add(file: pafs.FileInfo, kind: str | None = None) -> None:
        path = file.path if local else root + quote(file.path[len(inner) :]) + mark + query
        kind = kind or format_of(file.path)
        if kind:
            matches.files[path] = (file, kind)

    for info in _match(filesystem, filesystem.get_file_info(inner), parts[first:]):
        if info.type == pafs.FileType.NotFound:
            raise InputError(f"{source}: no such file or folder")
        if info.type == pafs.FileType.Directory:
            for file in _of_folder(filesystem, info, source, one_format=first == len(parts), left=matches.passed_over):
                add(file)
        elif first == len(parts):
            add(info, _format_of_named(info, source))
        elif _NO_DOCUMENTS.fullmatch(info.base_name):
            matches.passed_over[info.path] = info.base_name
        elif format_of(info.path):
            add(info)
        else:
            matches.unknown.append(info.base_name)
    if matches.unknown:
        more = f" and {len(matches.unknown) - _NAMED:,} more" if len(matches.unknown) > _NAMED else ""
        raise InputError(
            f"{source}: also matches files of unknown format: {', '.join(sorted(matches.unknown)[:_NAMED])}{more}; "
            f"give a glob that matches only files of {SUFFIXES}"
        )
    return matches


def _of_folder(
    filesystem: pafs.FileSystem, folder: pafs.FileInfo, source: str, *, one_format: bool, left: dict[str, str]
) -> Iterator[pafs.FileInfo]:
    """Yield a folder's corpus files; `left` gets those that are passed over."""
    names_of: dict[str | None, str] = {}
    below_it = filesystem.get_file_info(pafs.FileSelector(folder.path, recursive=True))
    for file in sorted(below_it, key=lambda file: file.path):
        below = file.path[len(folder.path) :].lstrip("/")
        table = next((kind for kind, pattern in _TABLES.items() if pattern.search(below)), None)
        if table:
            raise InputError(
                f"{source}: holds a {table} table ({below}), whose files may hold rows that were changed or deleted; "
                "write its present rows to Parquet with the table's own package, or name the files that count by a glob"
            )
        if file.type != pafs.FileType.File or any(part.startswith((".", "_")) for part in below.split("/")):
            continue
        if _NO_DOCUMENTS.fullmatch(file.base_name):
            left[file.path] = file.base_name
            continue
        kind = format_of(file.path)
        if kind is None:
            left[file.path] = suffix_of(file.path) or "without suffix"
            continue
        names_of.setdefault(kind, below)
        if one_format and len(names_of) > 1:
            raise InputError(
                f"{source}: holds files of several formats, such as {' and '.join(names_of.values())}; name those that "
                "are the corpus by a glob, as in FOLDER/*.parquet, or all of them as FOLDER/**"
            )
        yield file


def _format_of_named(info: pafs.FileInfo, source: str) -> str:
    """Give the format of a file that is named by itself."""
    kind = format_of(info.path) or format_by_content(source)
    if kind is None:
        raise InputError(f"{source}: unknown format; give a file that ends in one of {SUFFIXES}")
    return kind


def _match(filesystem: pafs.FileSystem, info: pafs.FileInfo, patterns: Sequence[str]) -> Iterator[pafs.FileInfo]:
    """Give what lies below a path and fits the patterns, one for each level."""
    if not patterns:
        yield info
        return
    if info.type != pafs.FileType.Directory:
        return
    pattern, rest = patterns[0], patterns[1:]
    if pattern == "**":
        yield from _match(filesystem, info, rest)
        if not rest:
            return
    for child in filesystem.get_file_info(pafs.FileSelector(info.path)):
        if child.base_name.startswith((".", "_")) and not pattern.startswith((".", "_")):
            continue
        if pattern == "**":
            yield from _match(filesystem, child, patterns)
        elif fnmatchcase(child.base_name, pattern):
            yield from _match(filesystem, child, rest)


def _counts(passed_over: Mapping[str, str]) -> str:
    return ", ".join(f"{count:,} {what}" for what, count in sorted(Counter(passed_over.values()).items()))


def _common(folders: Sequence[list[str]]) -> int:
    """Count the parts that all paths begin with."""
    pairs = zip(min(folders), max(folders), strict=False)
    return len(list(itertools.takewhile(lambda pair: pair[0] == pair[1], pairs)))
