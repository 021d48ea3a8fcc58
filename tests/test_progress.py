from __future__ import annotations

import logging
from dataclasses import replace
from io import StringIO

import pytest
from tqdm import tqdm

from kdner import progress as module
from kdner.progress import Bars, Lines, Progress


@pytest.fixture
def clock(monkeypatch):
    class Clock:
        now = 1000.0

        def monotonic(self):
            return self.now

    clock = Clock()
    monkeypatch.setattr(module, "time", clock)
    return clock


def test_a_line_tells_work_rate_and_remaining_time(clock):
    progress = Progress("fine-tune", "step")
    progress.begin(1000)
    clock.now += 60
    progress.advance(250, 6000, loss=0.123456)
    assert progress.line() == "fine-tune: 250 of 1,000 steps, loss 0.1235, 100 words/s, 3 min 0 s left"
    clock.now += 7200
    progress.advance(750, 0)
    assert progress.line() == "fine-tune: 1,000 of 1,000 steps, loss 0.1235, 1 words/s, took 2 h 1 min"


def test_a_note_stands_beside_the_figures_until_the_end(clock):
    progress = Progress("map", "document")
    progress.begin(4)
    clock.now += 2
    assert (
        replace(progress.snapshot(), note="waiting for cores").line()
        == "map: 0 of 4 documents, waiting for cores, 2 s so far"
    )
    progress.advance(4, 10)
    assert replace(progress.snapshot(), note="waiting for cores").line() == "map: 4 of 4 documents, 5 words/s, took 2 s"


def test_work_without_words_shows_no_rate(clock):
    progress = Progress("read", "shard")
    progress.begin(4)
    clock.now += 3
    progress.advance(1, 0)
    assert progress.line() == "read: 1 of 4 shards, 9 s left"


def test_before_the_first_unit_is_done_a_line_tells_the_time_so_far(clock):
    progress = Progress("read", "shard")
    progress.begin(4, done=2)
    clock.now += 65
    assert progress.line() == "read: 2 of 4 shards, 1 min 5 s so far"


def lines_of(caplog, clock, steps):
    progress = Progress("distill", "step")
    with caplog.at_level(logging.INFO, logger="kdner.progress"):
        progress.begin(steps)
        for _ in range(steps):
            clock.now += 1
            progress.advance(1, 10, loss=1.0)
    return [record.getMessage() for record in caplog.records]


def test_lines_come_every_five_seconds_in_the_first_minute_then_every_fifteen(clock, caplog):
    lines = lines_of(caplog, clock, 120)
    done = [int(line.split()[1]) for line in lines]
    assert done == [*range(5, 60, 5), 70, 85, 100, 115, 120]
    assert lines[-1].startswith("distill: 120 of 120 steps") and "took 2 min 0 s" in lines[-1]


def test_the_last_line_is_always_shown(clock, caplog):
    assert lines_of(caplog, clock, 1) == ["distill: 1 of 1 steps, loss 1, 10 words/s, took 1 s"]


def test_what_was_finished_before_shows_no_line(caplog):
    with caplog.at_level(logging.INFO, logger="kdner.progress"):
        Progress("tag_corpus", "document").begin(5, done=5)
    assert not caplog.records


def test_steps_side_by_side_have_lines_of_their_own(clock, caplog):
    display = Lines()
    steps = [Progress(name, "step", display=display.show) for name in ("teacher", "teacher-2")]
    with caplog.at_level(logging.INFO, logger="kdner.progress"):
        for step in steps:
            step.begin(10)
        clock.now += 6
        for step in steps:
            step.advance(1, 0)
    assert [record.getMessage().split(":")[0] for record in caplog.records] == ["teacher", "teacher-2"]


def test_on_a_terminal_there_is_a_bar_and_no_lines(clock, caplog):
    screen = StringIO()
    bars = Bars(lambda **options: tqdm(file=screen, **options))
    progress = Progress("distill", "step", display=bars.show)
    with caplog.at_level(logging.INFO, logger="kdner.progress"):
        progress.begin(10)
        for _ in range(10):
            clock.now += 1
            progress.advance(1, 10, loss=0.5)
    assert not caplog.records
    assert "distill, loss 0.5, 10 words/s" in screen.getvalue() and "10/10" in screen.getvalue()


def test_begin_starts_the_clock(clock):
    progress = Progress("distill", "step")
    clock.now += 500
    progress.begin(2)
    clock.now += 1
    progress.advance(1, 30)
    assert "30 words/s" in progress.line()


def test_work_that_was_done_before_counts_as_done_but_not_for_the_rate(clock):
    progress = Progress("tag_corpus", "document")
    progress.begin(100, done=40)
    clock.now += 10
    progress.advance(20, 500)
    assert progress.line() == "tag_corpus: 60 of 100 documents, 50 words/s, 20 s left"


def test_watchers_see_the_beginning_and_each_advance(clock):
    seen = []
    watch = lambda own: seen.append((own.done, own.total, own.words, dict(own.numbers), own.finished))  # noqa: E731
    progress = Progress("distill", "step", watchers=[watch])
    progress.begin(3, done=1)
    progress.advance(1, 10, loss=0.5)
    progress.advance(1, 10, loss=0.25, development_f1=0.8)
    assert seen == [
        (1, 3, 0, {}, False),
        (2, 3, 10, {"loss": 0.5}, False),
        (3, 3, 20, {"loss": 0.25, "development_f1": 0.8}, True),
    ]
