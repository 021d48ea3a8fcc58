"""Write a labeled set in the format of another tool.

Reads   a labeled set in any format that kdner reads
Writes  one file
Needs   one core; no cluster

    python jobs/convert.py --labeled train.jsonl --format docbin --out train.spacy
"""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdner.errors import InputError
from kdner.flags import LabeledSet
from kdner.integrations.annotated import of_labeled
from kdner.integrations.formats import FORMATS, Written
from kdner.labeled.sets import labeled_path, read_drawn
from kdner.on_ray.job import run_job, shown_path
from kdner.runs.storage import commit, locate

logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True)
class Convert(Written, LabeledSet):
    """Write a labeled set in the format of another tool."""

    out: str
    """The file to write; one that is there is replaced."""


def convert(config: Convert) -> dict[str, Any]:
    """Do the job; returns how many sentences and entities it wrote."""
    if labeled_path(config.labeled).resolve() == Path(locate(config.out)[1]).resolve():
        raise InputError(f"--out {config.out}: is the labeled set itself; name another file")
    sentences, _, labels = read_drawn(config)
    documents = of_labeled(sentences)
    content = FORMATS[config.format].write(documents, labels)
    with commit(config.out) as file:
        file.write(content)
    counts = {"sentences": len(sentences), "entities": sum(len(document.entities) for document in documents)}
    logger.info(
        "convert: %d sentences with %d entities in %s", counts["sentences"], counts["entities"], shown_path(config.out)
    )
    return counts


if __name__ == "__main__":
    run_job(Convert, convert)
