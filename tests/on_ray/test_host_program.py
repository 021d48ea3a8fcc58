"""A program of somebody else's that calls jobs as functions, with a Ray and streams of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

pytestmark = [pytest.mark.ray, pytest.mark.cluster]

HOST = """
import json, os, sys, threading
import ray
from ray.data import DataContext
from kdner.jobs.tag_corpus import TagCorpus, tag_corpus

corpus, out = sys.argv[1:]
found = {}


def tag(name):
    config = TagCorpus(corpus=(corpus,), student="kdner/general-tiny", out=f"{out}/{name}", max_error_rate=0.1)
    found[name] = tag_corpus(config)["entities"]


def state():
    context = DataContext.get_current()
    streams = [os.readlink(f"/proc/self/fd/{number}") for number in (1, 2)]
    return [context.enable_progress_bars, context.max_consecutive_actor_init_deaths, *streams]


before = state()
tag("first")
ray.shutdown()
ray.init(address="local", num_cpus=2, include_dashboard=False, logging_level="warning")
threads = [threading.Thread(target=tag, args=(name,)) for name in ("second", "third")]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
print(json.dumps({**found, "as before": state() == before}))
"""


def test_jobs_one_after_another_on_two_clusters_and_side_by_side(corpus_file, tmp_path):
    ran = subprocess.run(
        [sys.executable, "-c", HOST, corpus_file, str(tmp_path)], capture_output=True, text=True, timeout=300
    )
    assert ran.returncode == 0, ran.stderr
    found = json.loads(ran.stdout.splitlines()[-1])
    assert found.pop("as before") and found.keys() == {"first", "second", "third"} and len(set(found.values())) == 1
