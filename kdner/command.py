"""The command `kdner`: tagging at once, and every job by its name."""

from __future__ import annotations

import ast
import difflib
import runpy
import sys
from collections.abc import Callable
from pathlib import Path

from kdner import __version__
from kdner.errors import InputError
from kdner.streams import open_missing_streams

JOBS = Path(__file__).parent / "jobs"
_SHORT = {"check": "check-data", "select": "select-sentences", "shrink": "shrink-student"}
_EXTRAS = {"ray": "ray", "spacy": "spacy", "gliner": "gliner", "matplotlib": "measure"}
"""The extra of kdner that installs a package; `train` where none is named here."""


def main() -> None:
    """Do what the command line says. The exit code is 2 where that is wrong, as that of a job is."""
    open_missing_streams()
    name, *arguments = sys.argv[1:] or ["--help"]
    name = _SHORT.get(name, name)
    jobs = {path.stem.replace("_", "-"): path for path in sorted(JOBS.glob("*.py")) if path.stem != "__init__"}
    if name in ("-h", "--help", "help"):
        sys.stdout.write(_help(jobs))
    elif name == "--version":
        sys.stdout.write(f"kdner {__version__}\n")
    elif name == "tag":
        _run(name, lambda: _tag(arguments))
    elif (job := name.replace("_", "-")) in jobs:
        sys.argv = [sys.argv[0], *arguments]
        _run(job, lambda: runpy.run_module(f"kdner.jobs.{jobs[job].stem}", run_name="__main__", alter_sys=True))
    else:
        near = difflib.get_close_matches(name, ["tag", *jobs], 1)
        hint = f"perhaps you meant {near[0]}; " if near else ""
        _end(f"kdner has no {name!r}; {hint}`kdner --help` lists what it does")


def _tag(arguments: list[str]) -> None:
    from kdner.student.command import tag

    try:
        tag(arguments)
    except BrokenPipeError:  # whoever reads what is printed has seen enough
        sys.stderr.close()
    except OSError as error:
        _end(f"kdner tag: cannot read or write ({error})" if error.errno else f"kdner tag: {error}")


def _run(name: str, work: Callable[[], object]) -> None:
    try:
        work()
    except InputError as error:
        _end(str(error))
    except KeyboardInterrupt:
        sys.exit(130)
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package in ("", "kdner"):
            raise
        _end(f"kdner {name}: {package} is not installed. Run: pip install 'kdner[{_EXTRAS.get(package, 'train')}]'")


def _end(message: str) -> None:
    sys.stderr.write(f"error: {message}\n")
    sys.exit(2)


def _help(jobs: dict[str, Path]) -> str:
    rows = {"tag": "Tag texts, or the lines of standard input, at once."}
    rows |= {name: _first_line(path) for name, path in jobs.items()}
    width = max(map(len, rows))
    lines = [f"  {name:<{width}}  {what}" for name, what in rows.items()]
    return "\n".join(["usage: kdner NAME ...; `kdner NAME --help` explains its flags", "", *lines, ""])


def _first_line(path: Path) -> str:
    """Return the first line of a script's docstring, without importing what the script needs."""
    docstring = ast.get_docstring(ast.parse(path.read_text("utf-8"))) or ""
    return docstring.partition("\n")[0]
