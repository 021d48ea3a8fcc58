"""Check a labeled set, a test set and a corpus before any job reads them.

Reads   a labeled set, a test set, a corpus: any of them
Writes  nothing; prints what each holds, what is odd about it, by file and line, and what jobs would refuse
Needs   one process: no cluster, no GPU; the exit code is 1 where a job would refuse something

    python jobs/check_data.py --labeled train.conll --test test.conll --corpus news/
    python jobs/check_data.py --labeled train.conll --json > findings.json
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass

from kdner.errors import InputError
from kdner.flags import Corpus, HeldOut, Layout, part_of
from kdner.measuring.data_check import Checked, check_data
from kdner.on_ray.job import run_job


@dataclass(frozen=True, kw_only=True)
class CheckData(HeldOut, Layout, Corpus):
    """Check a labeled set, a test set and a corpus before any job reads them."""

    labeled: str = ""
    """Labeled set, in any format that kdner reads."""
    test: str = ""
    """Labeled test set, in the same formats; also looked at beside the labeled set. Or --test-share is held out."""
    corpus: tuple[str, ...] = ()
    """Files, folders or globs of documents, and hf:NAME[/CONFIG][:SPLIT]. Of more than a million words a sample is
    looked at, beside all files and ids."""
    json: bool = False
    """Print JSON, with every place, in place of a report."""


def print_checks(checked: list[Checked], *, as_json: bool = False) -> None:
    """Print what was found; end with exit code 1 if something would be refused."""
    if as_json:
        print(json.dumps([each.as_json() for each in checked], indent=1, ensure_ascii=False))
    else:
        print("\n\n".join(each.report() for each in checked))
    if any(each.refusal for each in checked):
        sys.exit(1)


def main(config: CheckData) -> None:
    """Do the job and print what it found."""
    if not (config.labeled or config.test or config.corpus):
        raise InputError("nothing to check: give --labeled, --test or --corpus")
    layout, corpus, held_out = part_of(config, Layout), part_of(config, Corpus), part_of(config, HeldOut)
    checked = check_data(layout, corpus, labeled=config.labeled, test=config.test, held_out=held_out)
    print_checks(checked, as_json=config.json)


if __name__ == "__main__":
    run_job(CheckData, main)
