"""How often processes died over a shard, noted in its run directory: a job that is started again knows it."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import suppress

import pyarrow.fs as pafs

from kdner.runs.run_directory import RunDirectory
from kdner.runs.storage import commit, create_folder, join, locate

MAX_DEATHS = 2
"""Processes that may die over a whole shard; after that it is mapped in child processes."""
_FOLDER = ".deaths"
_NAME = re.compile(r"(\d+)\.json")


def told_of_deaths(deaths: int, host: str) -> str:
    """Say that so many processes died over a shard, the last one on a host, if it is known, and what is done now."""
    where = f" on {host}" if host else ""
    if deaths < MAX_DEATHS:
        return f"the process that worked on it{where} ended; it is tried again"
    return (
        f"{deaths} processes that worked on it ended, the last one{where}; child processes now map it, to find the "
        "document that ends them"
    )


def note_deaths(run: RunDirectory, shard: int, deaths: int) -> None:
    """Note that so many processes died while they worked on a shard."""
    folder = join(run.path, _FOLDER)
    create_folder(folder)
    with commit(join(folder, f"{shard}.json")) as file:
        file.write(json.dumps({"deaths": deaths}).encode())


def noted_deaths(run: RunDirectory) -> Mapping[int, int]:
    """Return how many processes died over each shard, as noted by any job that worked here."""
    filesystem, inner = locate(join(run.path, _FOLDER))
    deaths = {}
    for info in filesystem.get_file_info(pafs.FileSelector(inner, allow_not_found=True)):
        if match := _NAME.fullmatch(info.base_name):
            with filesystem.open_input_file(info.path) as file:
                deaths[int(match[1])] = int(json.loads(file.read())["deaths"])
    return deaths


def forget_deaths(run: RunDirectory) -> None:
    """Delete the notes: every shard has its file."""
    filesystem, inner = locate(join(run.path, _FOLDER))
    with suppress(FileNotFoundError):
        filesystem.delete_dir(inner)
