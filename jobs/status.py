"""Say how far a run is, from outside, while a job works there or after it stopped.

Reads   a run directory of any job; of one that does others' work, such as pipeline, also theirs
Writes  nothing; prints the state, what is there of all, who works there, the tries, and why the last one failed
Needs   no cluster; the exit code is 1 where the run is neither finished nor being worked on

    python jobs/status.py runs/news
    python jobs/status.py s3://bucket/logits --json
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass

import tyro

from kdner.on_ray.job import run_job
from kdner.runs.status import run_status


@dataclass(frozen=True, kw_only=True)
class Status:
    """Say how far a run is, from outside."""

    run: tyro.conf.Positional[str]
    """Run directory: a folder, or a URI."""
    json: bool = False
    """Print JSON in place of a report."""


def main(config: Status) -> None:
    """Print the state of the run."""
    status = run_status(config.run)
    print(json.dumps(status.as_json(), indent=1, ensure_ascii=False) if config.json else status.report())
    if status.state not in ("finished", "working"):
        sys.exit(1)


if __name__ == "__main__":
    run_job(Status, main)
