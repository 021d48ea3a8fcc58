from __future__ import annotations

import re
import time
from urllib.request import urlopen

import pytest

from kdner.jobs.finetune_teacher import FinetuneTeacher, finetune_teacher
from kdner.on_ray.prometheus import PrometheusMetrics
from kdner.progress import Progress
from kdner.teacher.fine_tuning import FineTuning

pytestmark = pytest.mark.ray

LONGEST_S = 60
REPORT_EVERY_S = 1
"""Seconds between two reports of a process to its node on the tests' cluster."""


def scraped(stage):
    """What Prometheus finds of a stage on this cluster's only node."""
    import ray

    (node,) = ray.nodes()
    page = urlopen(f"http://{node['NodeManagerAddress']}:{node['MetricsExportPort']}/metrics").read().decode()
    lines = re.findall(r"^ray_kdner_(\w+)\{(.*)\} (\S+)$", page, re.MULTILINE)
    return {name: float(value) for name, tags, value in lines if f'stage="{stage}"' in tags}


def scraped_once(stage, complete):
    """The same, as soon as `complete` says that it is what is waited for."""
    deadline = time.monotonic() + LONGEST_S
    while not complete(found := scraped(stage)) and time.monotonic() < deadline:
        time.sleep(0.2)
    return found


def test_prometheus_finds_what_a_stage_has_done(cluster):
    progress = Progress("test_metrics", "document", watchers=[PrometheusMetrics("test_metrics")])
    progress.begin(100, done=20)
    progress.advance(30, 1000, errors=1, shards=3)
    progress.advance(10, 500, errors=2, shards=4)
    found = scraped_once("test_metrics", lambda found: len(found) == 7 and found["shards"] == 4)
    assert found.pop("words_per_second") > 0
    assert found == {
        "documents_total": 40,
        "words_total": 1500,
        "documents_done": 60,
        "documents_planned": 100,
        "errors": 2,
        "shards": 4,
    }


def gauges(found):
    return {name: value for name, value in found.items() if not name.endswith("_total")}


def test_gauges_last_as_long_as_their_stage_however_long_it_says_nothing(cluster):
    slow, failing = (Progress(name, "document", watchers=[PrometheusMetrics(name)]) for name in ("slow", "failing"))
    for progress in (slow, failing):
        progress.begin(10)
        progress.advance(4, 100)
    for name in ("slow", "failing"):
        assert len(gauges(scraped_once(name, lambda found: len(gauges(found)) == 3))) == 3
    time.sleep(5 * REPORT_EVERY_S)
    assert gauges(scraped("slow")).keys() == {"documents_done", "documents_planned", "words_per_second"}
    del progress, failing
    assert not gauges(scraped_once("failing", lambda found: not gauges(found)))
    slow.advance(6, 100)
    assert gauges(scraped_once("slow", lambda found: found.get("documents_done") == 10))["documents_done"] == 10
    assert not gauges(scraped_once("slow", lambda found: not gauges(found)))
    assert scraped("slow") == {"documents_total": 10, "words_total": 200}


def test_prometheus_tells_trainings_apart_by_their_folders(cluster, bert_base, train_file, tmp_path):
    recipe = FineTuning(learned=1.0, epochs=1, min_steps=1, batch_sentences=8)
    finetune_teacher(
        FinetuneTeacher(labeled=train_file, teacher=bert_base, out=str(tmp_path / "teacher-9"), fine_tuning=recipe)
    )
    found = scraped_once("teacher-9", lambda found: 0 < found.get("steps_planned", 0) == found.get("steps_done"))
    assert found["steps_done"] == found["steps_planned"] > 0
