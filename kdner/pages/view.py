"""The page of any run that has one: that of a tagged corpus is made here, those of other runs lie in them."""

from __future__ import annotations

from kdner.errors import InputError
from kdner.pages.corpus_page import corpus_page
from kdner.pages.tagged_corpus import read_tagged
from kdner.runs.run_directory import RunDirectory
from kdner.runs.storage import join

PAGE = "page.html"
"""Page in a run of evaluate or of the pipeline."""
ENTITIES_PAGE = "_page.html"
"""Page in a run of tag_corpus, named so that readers of its Parquet files pass over it."""


def view(path: str) -> str:
    """Return the path of a run's page; that of a tagged corpus is written anew.

    Args:
        path: run directory of tag_corpus, evaluate or the pipeline, finished.

    Raises:
        InputError: it is no such run, or cannot be read.
    """
    run = RunDirectory.finished_at(path)
    job = run.manifest()["fingerprint"].get("job")
    if job == "tag_corpus":
        name = run.path.rstrip("/").rpartition("/")[2]
        run.write_bytes(ENTITIES_PAGE, corpus_page(name, run.summary(), read_tagged(run)).encode())
        return join(run.path, ENTITIES_PAGE)
    if job not in ("evaluate", "pipeline"):
        raise InputError(
            f"{run.path}: a run of {job or 'another job'}, which has no page; "
            "give one of tag_corpus, evaluate or pipeline"
        )
    if not run.has(PAGE):
        raise InputError(
            f"{run.path}: this run of {job} is from before kdner wrote pages; run it again with another --out"
        )
    return join(run.path, PAGE)
