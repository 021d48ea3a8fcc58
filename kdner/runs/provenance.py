"""Where a result came from: the packages, the commit and the settings that made it."""

from __future__ import annotations

import json
import os
import platform
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, is_dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from kdner import __version__
from kdner.runs.storage import without_secrets

PACKAGES = ("ray", "torch", "transformers", "tokenizers", "pyarrow", "numpy")


def versions() -> dict[str, str]:
    """Return the versions of Python, of kdner and of the packages that decide a result, if they are installed.

    kdner's is that of the code itself: a job's working directory may hold newer code than the installed package.
    """
    by_package = {"python": platform.python_version(), "kdner": __version__}
    for package in PACKAGES:
        with suppress(ModuleNotFoundError):
            by_package[package] = version(package)
    return by_package


@cache
def git_commit() -> str | None:
    """Return the commit that the code was checked out at; it may have been edited since.

    It is what `.git` beside the package says (no git is needed, and only its few small files that name a commit travel
    with a job), else KDNER_COMMIT, which an image sets; None without both.
    """
    folder = Path(__file__).parents[2] / ".git"
    with suppress(OSError, StopIteration):
        head = (folder / "HEAD").read_text("utf-8").strip()
        if not head.startswith("ref: "):
            return head
        name = head.removeprefix("ref: ")
        with suppress(FileNotFoundError):
            return (folder / name).read_text("utf-8").strip()
        packed = (line.split() for line in (folder / "packed-refs").read_text("utf-8").splitlines())
        return next(line[0] for line in packed if line[1:] == [name])
    return os.environ.get("KDNER_COMMIT")


def submission_id() -> str | None:
    """Return Ray's id of the submitted job that this process is the driver of, such as `raysubmit_5Xk2...`."""
    try:
        return json.loads(os.environ["RAY_JOB_CONFIG_JSON_ENV_VAR"])["metadata"]["job_submission_id"]
    except (KeyError, TypeError, ValueError):
        return None


def settings(configuration: object) -> Any:
    """Return a job's configuration as JSON values, without what may be secret in URIs."""
    if is_dataclass(configuration) and not isinstance(configuration, type):
        return settings(asdict(configuration))
    if isinstance(configuration, Mapping):
        return {key: settings(value) for key, value in configuration.items()}
    if isinstance(configuration, list | tuple):
        return [settings(value) for value in configuration]
    return without_secrets(configuration) if isinstance(configuration, str) else configuration
