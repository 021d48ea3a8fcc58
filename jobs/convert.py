"""Write a labeled set in the format of another tool.

Reads   a labeled set in any format that kdner reads
Writes  one file
Needs   one core; no cluster

    python jobs/convert.py --labeled train.jsonl --format docbin --out train.spacy
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdner.errors import InputError
from kdner.flags import LabeledSet
from kdner.integrations.annotated import of_labeled
from kdner.integrations.formats import FORMATS, Written
from kdner.labeled.sets import labeled_path, read_drawn
from kdner.on_ray.console import say
from kdner.on_ray.job import run_job, shown_path
from kdner.runs.storage import commit, create_folder, locate


@dataclass(frozen=True, kw_only=True)
class Convert(Written, LabeledSet):
    """Write a labeled set in the format of another tool."""

    out: str
    """The file to write; one that is there is replaced."""


def convert(config: Convert) -> dict[str, Any]:
    """Do the job; returns how many sentences and entities it wrote."""
    if "://" not in config.out or config.out.startswith("file:"):
        _check_file(config, Path(locate(config.out)[1]))
    sentences, _, labels = read_drawn(config)
    documents = of_labeled(sentences)
    content = FORMATS[config.format].write(documents, labels)
    with commit(config.out) as file:
        file.write(content)
    counts = {"sentences": len(sentences), "entities": sum(len(document.entities) for document in documents)}
    say(f"{counts['sentences']:,} sentences with {counts['entities']:,} entities in {shown_path(config.out)}")
    return counts


def _check_file(config: Convert, out: Path) -> None:
    """Refuse a local file that cannot be written or must not, and make the folder that it is to be in."""
    if labeled_path(config.labeled).resolve() == out.resolve():
        raise InputError(f"--out {config.out}: is the labeled set itself; name another file")
    if out.is_dir():
        raise InputError(f"--out {config.out}: is a folder; name a file")
    create_folder(str(out.parent))


if __name__ == "__main__":
    run_job(Convert, convert)
