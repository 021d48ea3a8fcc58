from __future__ import annotations

import logging
import os
import re
import socket
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from multiprocessing import parent_process
from pathlib import Path
from threading import Barrier, Lock
from time import sleep

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pytest
from files import put
from ray.exceptions import RayTaskError

from kdner.corpora.plan import plan_corpus
from kdner.errors import InputError
from kdner.flags import Actors, Corpus, Retries
from kdner.on_ray.driver_actors import PoolRecord
from kdner.on_ray.shard_actor import ShardActor
from kdner.on_ray.shard_map import map_corpus, shard_map
from kdner.runs.run_directory import RunDirectory
from kdner.runs.schema import ENTITIES
from kdner.shards.attempts import note_deaths
from kdner.shards.kept_counts import KeptCounts
from kdner.shards.outcome import COUNTS
from kdner.shards.tally import check_errors
from kdner.shards.turns import Turns
from kdner.shards.work import ShardWork

pytestmark = pytest.mark.ray


class Echo:
    """An actor that finds nothing.

    `drop` loses a document, `fail` raises on one, `bad` gives it an error, and `die` ends the process, with a line in
    `log`. A shard takes `seconds`.
    """

    schema = ENTITIES

    def __init__(
        self,
        drop: str | None = None,
        fail: str | None = None,
        die: str | None = None,
        broken: str | None = None,
        bad: str | None = None,
        log: str | None = None,
        seconds: float = 0.0,
    ) -> None:
        if broken:
            raise OSError(broken)
        self.drop, self.fail, self.die, self.bad, self.log = drop, fail, die, bad, log
        self.seconds = seconds

    def __call__(self, documents: pa.Table) -> pa.Table:
        sleep(self.seconds)
        rows = documents.to_pylist()
        if self.die and any(row["text"] == self.die for row in rows):
            if self.log:
                with Path(self.log).open("a") as file:
                    file.write("died\n")
            os._exit(1)
        if self.fail and any(row["text"] == self.fail for row in rows):
            raise InputError(f"cannot read {self.fail}")
        return pa.Table.from_pylist(
            [
                {
                    "id": row["id"],
                    "entities": [],
                    "words": len((row["text"] or "").split()),
                    "error": "cannot be read" if row["text"] == self.bad else None if row["text"] else "no text",
                }
                for row in rows
                if not self.drop or row["text"] != self.drop
            ],
            schema=ENTITIES,
        )

    def counts(self, documents: pa.Table, mapped: pa.Table) -> dict[str, int]:
        return {"words": pc.sum(mapped["words"]).as_py(), "entities": 0}


@pytest.fixture
def corpus(write):
    return plan_corpus([write("corpus.txt", "".join(f"word{i} of\n" for i in range(9)) + "\n")], shard_documents=3)


@pytest.fixture
def directory(corpus, tmp_path):
    return RunDirectory.open(
        str(tmp_path / "out"), corpus.fingerprint(), {"files": [shard.name for shard in corpus.shards]}
    )


def run(corpus, directory, **arguments):
    return shard_map(corpus, directory, echo(**arguments))


def echo(actors=2, at_once=None, **arguments):
    pool = Actors(count=actors)
    return ShardWork(job="echo", actor=Echo, arguments=arguments, actors=pool, use_gpu=False, at_once=at_once)


def test_each_shard_has_one_file_and_only_missing_ones_are_made_again(cluster, corpus, directory, caplog):
    counts = run(corpus, directory)
    assert {key: counts[key] for key in ("documents", "words", "errors", "entities")} == {
        "documents": 10,
        "words": 18,
        "errors": 1,
        "entities": 0,
    }
    ids = [row for table in directory.tables(["id"]) for row in table["id"].to_pylist()]
    assert ids == [f"corpus.txt:{row}" for row in range(10)]
    check_errors(counts, 0.1)
    with pytest.raises(InputError, match="1 of 10 documents"):
        check_errors(counts, 0.05)

    written = {name: (directory.local_path / name).stat().st_mtime_ns for name in directory.files}
    (directory.local_path / "part-00002.parquet").unlink()
    with caplog.at_level(logging.INFO, "kdner"):
        assert run(corpus, directory)["documents"] == 10
    assert "echo: 3 of 4 shards are there" in caplog.messages
    now = {name: (directory.local_path / name).stat().st_mtime_ns for name in directory.files}
    assert [name for name in written if written[name] != now[name]] == ["part-00002.parquet"]
    assert run(corpus, directory)["words_per_second"] == 0  # nothing left to time


@pytest.mark.faults
def test_a_run_does_not_end_with_its_one_long_document(cluster, write, tmp_path):
    lines = ["some words"] * 11 + ["a long document " * 1_000]
    corpus = plan_corpus([write("corpus.txt", "\n".join(lines))], shard_documents=2)
    names = [shard.name for shard in corpus.shards]
    directory = RunDirectory.open(str(tmp_path / "out"), {}, {"files": names})
    shard_map(corpus, directory, echo(actors=1))
    written = sorted(names, key=lambda name: (directory.local_path / name).stat().st_mtime_ns)
    assert written.index(names[-1]) <= 1 and [name for name in written if name != names[-1]] == names[:-1]


@pytest.mark.faults
def test_a_lost_document_stops_the_job(cluster, corpus, directory):
    with pytest.raises(RayTaskError, match="not the ids that went in"):
        run(corpus, directory, drop="word4 of")
    assert not directory.has("part-00001.parquet")


def test_an_actors_complaint_reaches_the_user_and_what_was_done_is_known_at_the_next_start(
    cluster, corpus, directory, monkeypatch
):
    with pytest.raises(InputError, match="cannot read word7 of"):
        shard_map(corpus, directory, echo(actors=1, fail="word7 of"))
    assert KeptCounts(directory).load(np.array([2, 3]))["shard"].to_pylist() == [0, 1]
    read, metadata = [], RunDirectory.table_metadata
    monkeypatch.setattr(RunDirectory, "table_metadata", lambda self, name: read.append(name) or metadata(self, name))
    counts = run(corpus, directory)
    assert (counts["documents"], counts["words"], counts["errors"]) == (10, 18, 1)
    assert len({"part-00000.parquet", "part-00001.parquet"} & set(read)) < 2  # no more than a sample of what was known
    assert sorted(path.name for path in directory.local_path.iterdir()) == ["_manifest.json", *directory.files]


@pytest.mark.faults
def test_an_actor_that_can_be_built_nowhere_stops_the_job_at_once(cluster, corpus, directory):
    with pytest.raises(InputError, match="OSError: no such model"):
        run(corpus, directory, broken="no such model")


@pytest.mark.faults
def test_after_a_failure_the_next_job_finds_free_cores(cluster, corpus, directory):
    """As long as both errors are held, so are all objects of Ray Data's that they refer to."""
    with pytest.raises(RayTaskError) as first:
        run(corpus, directory, drop="word4 of")
    with pytest.raises(InputError) as second:
        run(corpus, directory, fail="word4 of")
    run(corpus, directory)
    assert first.value and second.value and not directory.pending()


def test_starts_are_counted_until_a_process_is_ready():
    record = PoolRecord({})
    assert [record.start(k, str(k), "node")[0] for k in range(3)] == [1, 2, 3] and record.processes() == [0, 1, 2]
    record.ready()
    starts, seconds, _ = record.start(3, "3", "node")
    assert starts == 1 and seconds < 60


def test_only_what_a_process_worked_on_counts_as_an_attempt():
    record = PoolRecord({7: 1})
    record.start(None, "a", "node")
    for shard in (1, 2, 7):
        record.begin(shard, "a", "here")
        record.begin(shard, "a", "here")  # as where the answer was lost
    record.end(1, "a", 2e-6)
    record.give_back(2, "a")
    assert record.start(None, "b", "node")[2] == {2: 0, 7: 2}
    assert record.start(None, "b", "node")[0] == 2 and len(record.processes()) == 2
    assert record.begin(3, "b", "here") == (2e-6, None) and record.begin(1, "b", "there") == (2e-6, "here")


def test_the_shard_that_is_under_way_longest_is_known(monkeypatch):
    now = 100.0
    monkeypatch.setattr("kdner.on_ray.driver_actors.time.monotonic", lambda: now)
    record = PoolRecord({})
    assert record.under_way() == (0, 0, None)
    for process in "ab":
        record.start(None, process, "node")
    assert record.under_way() == (2, 2, None)
    record.ready()
    record.begin(4, "a", "here")
    now += 10
    record.begin(2, "b", "there")
    record.begin(4, "a", "here")  # as where the answer was lost
    now += 5
    assert record.under_way() == (2, 0, (4, "here", 15.0))
    record.give_back(4, "a")
    assert record.under_way() == (2, 0, (2, "there", 5.0))
    record.begin(4, "b", "there")
    record.end(2, "b", 1e-6)
    assert record.under_way() == (2, 0, (4, "there", 0.0))
    record.end(4, "b", 1e-6)
    assert record.under_way() == (2, 0, None)


def test_a_line_says_what_is_waited_for(cluster, corpus, directory, caplog, monkeypatch):
    for name, value in {
        "on_ray.rounds.LONG_S": 0.2,
        "on_ray.console.ASK_EVERY_S": 0.1,
        "on_ray.console.TURNS_FOR_A_NOTE": 1,
        "progress.LINE_EVERY_S": 0.1,
    }.items():
        monkeypatch.setattr(f"kdner.{name}", value)
    with caplog.at_level(logging.INFO, "kdner"):
        run(corpus, directory, actors=1, seconds=1.0)
    lines = [line for line in caplog.messages if line.startswith("echo: ")]
    assert any(", waiting for a process, " in line for line in lines), lines
    assert any(re.search(r", part-0000\d\.parquet under way for \d s on \S+, ", line) for line in lines), lines
    assert "under way" not in lines[-1] and "took" in lines[-1]


def test_a_node_is_avoided_where_nothing_succeeds_and_others_are_well():
    record = PoolRecord({})
    for process, node in (("a1", "a"), ("b1", "b")):
        record.start(None, process, node)
    assert not record.all_failed(1, "a1") and not record.all_failed(1, "a1")
    record.fail("a1")
    assert not record.avoided()
    record.start(None, "a2", "a")
    assert not record.all_failed(1, "a2")  # on the same node: it may be the node's fault
    record.fail("a2")
    assert record.avoided() == {"a"}
    assert record.all_failed(1, "b1")
    record.fail("b1")
    record.start(None, "b2", "b")
    record.fail("b2")
    assert record.all_fail() and not record.avoided()  # nobody is well: then no node is to blame
    record.begin(2, "a2", "here")
    record.end(2, "a2", 1e-6)
    assert record.avoided() == {"b"} and not record.all_fail()


def test_on_one_node_two_processes_agree():
    record = PoolRecord({})
    for process in "ab":
        record.start(None, process, "node")
    assert not record.all_failed(1, "a") and record.all_failed(1, "b")


@pytest.mark.faults
def test_input_that_changed_after_planning_is_refused(cluster, corpus, directory):
    with Path(corpus.files[0].path).open("a", encoding="utf-8") as file:
        file.write("one more\n")
    with pytest.raises(InputError, match="changed since the job began"):
        run(corpus, directory)


def test_a_shard_whose_row_ray_lost_is_counted_and_not_computed_again(corpus, directory):
    first = ShardActor(directory, echo()).map_shard(corpus.shards[2]).counts
    assert first["documents"] == 3
    assert ShardActor(directory, echo(fail="word7 of")).map_shard(corpus.shards[2]).counts == first


def test_a_file_keeps_the_counts_that_the_actor_gives(corpus, directory):
    ShardActor(directory, echo()).map_shard(corpus.shards[3])
    rows, metadata = directory.table_metadata("part-00003.parquet")
    assert rows == 1 and metadata[COUNTS] == '{"documents": 1, "errors": 1, "empty": 0, "words": 0, "entities": 0}'


@pytest.mark.faults
@pytest.mark.parametrize("at_once", [1, 3])
def test_a_document_that_kills_its_process_costs_itself_alone(cluster, corpus, directory, at_once, caplog):
    counts = run(corpus, directory, die="word4 of", at_once=at_once)
    assert counts["documents"] == 10 and counts["errors"] == 2
    rows = {row["id"]: row["error"] for table in directory.tables() for row in table.to_pylist() if row["error"]}
    assert rows == {"corpus.txt:4": "ended its process 2 times (exit code 1)", "corpus.txt:9": "no text"}
    assert not (directory.local_path / ".deaths").exists()
    here = f"echo: part-00001.parquet: 2 processes that worked on it ended, the last one on {socket.gethostname()}; "
    assert any(line.startswith(here) for line in caplog.messages)
    name = (
        "echo: part-00001.parquet: document corpus.txt:4 ended its process 2 times (exit code 1), and becomes an error"
    )
    assert name in caplog.messages


@pytest.mark.faults
def test_deaths_are_remembered_by_the_next_driver(cluster, corpus, directory, tmp_path):
    """A shard over which processes died before is halved at once, and where nothing dies now it is as ever."""
    other = RunDirectory.open(str(tmp_path / "other"), {}, {"files": directory.files})
    run(corpus, other)
    note_deaths(directory, 1, 2)
    (died,) = [tmp_path / "died"]
    counts = run(corpus, directory, die="word4 of", log=str(died))
    assert counts["errors"] == 2 and len(died.read_text().splitlines()) == 4  # 3 documents, 1, and twice alone
    (directory.local_path / "part-00001.parquet").unlink()
    note_deaths(directory, 1, 2)
    run(corpus, directory)
    path = "part-00001.parquet"
    assert (directory.local_path / path).read_bytes() == (other.local_path / path).read_bytes()


class Sick:
    """An actor of which the first process fails on all documents, as one with a broken card does."""

    schema = ENTITIES

    def __init__(self, marker: str, well: int = 0) -> None:
        self.left = 10**9
        with suppress(FileExistsError):
            Path(marker).touch(exist_ok=False)
            self.left = well

    def __call__(self, documents: pa.Table) -> pa.Table:
        self.left -= 1
        if self.left >= 0:
            sleep(0.5)  # the sick one is faster
            return Echo()(documents)
        return self.all_failed(documents)

    @staticmethod
    def all_failed(documents: pa.Table) -> pa.Table:
        rows = [
            {"id": id_, "entities": [], "words": 0, "error": "the card fell off"} for id_ in documents["id"].to_pylist()
        ]
        return pa.Table.from_pylist(rows, schema=ENTITIES)

    def counts(self, documents: pa.Table, mapped: pa.Table) -> dict[str, int]:
        return Echo().counts(documents, mapped)


class SickInAChild(Echo):
    """An actor whose first child process fails on all documents."""

    def __init__(self, marker: str) -> None:
        super().__init__()
        self.sick = False
        if parent_process() is not None:
            with suppress(FileExistsError):
                Path(marker).touch(exist_ok=False)
                self.sick = True

    def __call__(self, documents: pa.Table) -> pa.Table:
        return Sick.all_failed(documents) if self.sick else super().__call__(documents)


def test_a_sick_child_costs_no_document(cluster, corpus, directory, tmp_path, caplog):
    note_deaths(directory, 1, 2)
    arguments = {"marker": str(tmp_path / "marker")}
    work = ShardWork(job="sick", actor=SickInAChild, arguments=arguments, actors=Actors(count=1), use_gpu=False)
    with caplog.at_level(logging.WARNING, "kdner"):
        counts = shard_map(corpus, directory, work)
    assert (tmp_path / "marker").exists() and (counts["documents"], counts["errors"]) == (10, 1)
    assert "3 of 3 documents of part-00001.parquet ended with 'the card fell off'" in caplog.text


@pytest.mark.parametrize("well", [0, pytest.param(2, marks=pytest.mark.faults)])
def test_a_sick_process_costs_no_document(cluster, write, tmp_path, caplog, well):
    corpus = plan_corpus([write("corpus.txt", "some words\n" * 24)], shard_documents=2)
    directory = RunDirectory.open(str(tmp_path / "out"), {}, {"files": [shard.name for shard in corpus.shards]})
    arguments = {"marker": str(tmp_path / "marker"), "well": well}
    work = ShardWork(job="sick", actor=Sick, arguments=arguments, actors=Actors(count=2), use_gpu=False)
    counts = shard_map(corpus, directory, work)
    assert counts["documents"] == 24 and counts["errors"] == 0
    assert "documents of part-000" in caplog.text and "ended with 'the card fell off'" in caplog.text


def test_documents_on_which_every_process_fails_keep_their_errors(cluster, write, tmp_path):
    corpus = plan_corpus([write("corpus.txt", "bad\n" * 4)], shard_documents=2)
    directory = RunDirectory.open(str(tmp_path / "out"), {}, {"files": [shard.name for shard in corpus.shards]})
    counts = shard_map(corpus, directory, echo(actors=1, bad="bad"))
    assert counts["errors"] == 4


def test_a_job_that_can_only_fail_for_its_errors_stops_early(cluster, write, tmp_path):
    corpus = plan_corpus([write("corpus.txt", "good\n" * 10 + "bad\n" * 190)], shard_documents=10)
    directory = RunDirectory.open(str(tmp_path / "out"), {}, {"files": [shard.name for shard in corpus.shards]})
    with pytest.raises(
        InputError, match=r"(?s)110 of the first 120 .*110 times cannot be read, such as .*--retry-errors"
    ):
        shard_map(corpus, directory, echo(actors=1, bad="bad"), max_error_rate=0.5)
    assert 0 < len(directory.pending()) < 9


def test_errors_of_another_run_are_left_alone(write, tmp_path):
    run = RunDirectory.open(str(tmp_path / "out"), {"job": "another"}, {"files": ["part-00000.parquet"]})
    table = pa.Table.from_pylist([{"id": "1", "entities": []}], ENTITIES)
    run.write_table(run.files[0], table, ENTITIES, metadata={COUNTS: '{"documents": 1, "words": 1, "errors": 1}'})
    run.finish({})
    config, retries = Corpus(corpus=(write("corpus.txt", "bad\n"),)), Retries(retry_errors=True)
    job = {"job": "echo", "fingerprint": {}, "describe": {}, "language": "en", "retries": retries}
    with pytest.raises(InputError, match="job"):
        map_corpus(config, run.path, lambda plan: echo(), **job)
    assert run.finished and not run.pending()


class Meeting:
    """An actor whose calls wait until so many are under way at once, and that knows the most there were."""

    schema = ENTITIES

    def __init__(self, count: int) -> None:
        self.barrier, self.lock = Barrier(count, timeout=60), Lock()
        self.under_way = self.most = 0

    def __call__(self, documents: pa.Table) -> pa.Table:
        with self.lock:
            self.under_way += 1
            self.most = max(self.most, self.under_way)
        self.barrier.wait()
        with self.lock:
            self.under_way -= 1
        return Echo()(documents)

    def counts(self, documents: pa.Table, mapped: pa.Table) -> dict[str, int]:
        return Echo().counts(documents, mapped)


def map_in_threads(actor, shards):
    """Map shards in a thread each, as Ray does."""
    with ThreadPoolExecutor(len(shards)) as threads:
        return list(threads.map(actor.map_shard, shards))


def test_one_shard_is_read_and_written_while_another_is_mapped(corpus, directory):
    work = ShardWork(job="meeting", actor=Meeting, arguments={"count": 2}, actors=Actors(), use_gpu=False)
    actor = ShardActor(directory, work, at_once=2)
    map_in_threads(actor, corpus.shards)
    assert actor.map_documents.most == 2
    assert all(directory.has(shard.name) for shard in corpus.shards)


def test_turns_are_taken_together_or_alone():
    turns, under_way, seen = Turns(3), [], []
    lock = Lock()

    def work(number):
        with turns.take(alone=number % 4 == 0):
            with lock:
                under_way.append(number)
                seen.append((number, len(under_way)))
            sleep(0.001)
            with lock:
                seen.append((number, len(under_way)))
                under_way.remove(number)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(40)))
    assert max(count for _, count in seen) <= 3
    assert all(count == 1 for number, count in seen if number % 4 == 0)


def test_replaced_characters_are_counted_over_a_resume_and_what_is_passed_over_is_told(tmp_path, cluster, caplog):
    put(tmp_path / "in/a.txt", b"is \xff\n" + b"plain words\n" * 40)
    put(tmp_path / "in/b.txt", b"plain words\n" * 40 + b"nul \0 \0\n")
    put(tmp_path / "in/c.csv", b"x")
    plan = plan_corpus([str(tmp_path / "in")], shard_documents=10)
    run = RunDirectory.open(str(tmp_path / "run"), {}, {"files": [shard.name for shard in plan.shards]})
    work = ShardWork(job="echo", actor=Echo, arguments={}, actors=Actors(count=1), use_gpu=False)
    counts = shard_map(plan, run, work)
    assert counts["replaced_characters"] == 3 and counts["files_passed_over"] == {".csv": 1}
    assert "b.txt: characters replaced by U+FFFD: 2 (" in caplog.text and "a.txt: characters replaced" in caplog.text
    (tmp_path / "run" / plan.shards[3].name).unlink()
    assert shard_map(plan, run, work)["replaced_characters"] == 3
