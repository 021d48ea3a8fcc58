"""Show the page of a run in a browser, or say where it lies.

Reads   a run directory of tag_corpus, evaluate or pipeline, finished; of tag_corpus also its corpus, for texts to show
Writes  of a run of tag_corpus its page, _page.html in it; those of the other runs are there
Needs   no cluster

    python jobs/view.py runs/entities
    python jobs/view.py runs/news --open
"""

from __future__ import annotations

import webbrowser
from dataclasses import dataclass
from pathlib import Path

import tyro

from kdner.errors import InputError
from kdner.on_ray.job import run_job
from kdner.pages.view import view


@dataclass(frozen=True, kw_only=True)
class View:
    """Show the page of a run in a browser, or say where it lies."""

    run: tyro.conf.Positional[str]
    """Run directory of tag_corpus, evaluate or pipeline."""
    open: bool = False
    """Open the page in a browser."""


def main(config: View) -> None:
    """Print the path of the page, or open it."""
    path = view(config.run)
    print(path)
    if config.open:
        if "://" in path:
            raise InputError(f"{path}: --open needs a file of this machine; copy the page and open it")
        webbrowser.open(Path(path).as_uri())


if __name__ == "__main__":
    run_job(View, main)
