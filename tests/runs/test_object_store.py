"""An object store as the place of a corpus and of a run directory: moto's S3 server, on loopback."""

from __future__ import annotations

import gzip
import json
import logging
import os
import re
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from contextlib import contextmanager
from dataclasses import asdict, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.fs as pafs
import pyarrow.parquet as pq
import pytest

import kdner.runs.lock
from kdner.corpora.plan import plan_corpus
from kdner.errors import InputError
from kdner.flags import Actors
from kdner.on_ray.job import once
from kdner.on_ray.shard_actor import ShardActor
from kdner.on_ray.shard_map import shard_map
from kdner.runs.lock import Holder, hold
from kdner.runs.run_directory import RunDirectory
from kdner.runs.schema import ENTITIES
from kdner.runs.storage import commit, create_folder, join, local_folder, locate, look
from kdner.shards.work import ShardWork
from kdner.teacher.by_name import load_model, model_fingerprint, model_labels

SECRET = "do-not-tell"


@pytest.fixture(scope="module")
def server_log(tmp_path_factory):
    """Where the server writes a line for each request."""
    return tmp_path_factory.mktemp("moto") / "log"


@pytest.fixture(scope="module")
def server(server_log):
    """Host and port of an S3 server that knows any user."""
    log = server_log
    with log.open("w") as file:
        process = subprocess.Popen([sys.executable, "-m", "moto.server", "-p", "0"], stdout=file, stderr=file)
    deadline = time.monotonic() + 60
    while "Running on http://" not in log.read_text():
        assert process.poll() is None and time.monotonic() < deadline, log.read_text()
        time.sleep(0.05)
    yield log.read_text().partition("Running on http://")[2].split()[0]
    process.terminate()
    process.wait()


@pytest.fixture
def bucket(server):
    """URI of a new bucket, with a password in it."""
    uri = f"s3://user:{SECRET}@bucket-{secrets.token_hex(8)}?endpoint_override={server}&scheme=http&region=us-east-1"
    create_folder(f"{uri}&allow_bucket_creation=true")
    return uri


def put(uri, content):
    with commit(uri) as file:
        file.write(content)


def contents(uri):
    """Every object in a folder by its name; of one in a folder beneath it, that folder's name and none of its bytes."""
    filesystem, inner = locate(uri)
    found = {}
    for info in filesystem.get_file_info(pafs.FileSelector(inner)):
        found[info.base_name] = b""
        if info.type == pafs.FileType.Directory:
            continue
        with filesystem.open_input_file(info.path) as file:
            found[info.base_name] = file.read()
    return found


@pytest.fixture
def keyboard_interrupt():
    """Let SIGINT raise KeyboardInterrupt again, where Ray Train has left a handler of its own in this process."""
    theirs = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, theirs)


def test_an_interrupted_write_leaves_a_whole_object_or_none(bucket, keyboard_interrupt):
    content, left = bytes(8_000_000), []
    for k in range(40):
        ctrl_c = threading.Timer(0.0005 * k, os.kill, (os.getpid(), signal.SIGINT))
        uri = join(bucket, f"run/part-{k}")
        try:
            with commit(uri) as file:
                file.write(content)
                ctrl_c.start()
            ctrl_c.join()
            time.sleep(10)
        except KeyboardInterrupt:
            left.append(look(uri).size)
    assert len(left) == 40 and set(left) <= {None, len(content)}


def test_a_write_that_fails_leaves_nothing(bucket):
    uri = join(bucket, "run/part")
    with pytest.raises(RuntimeError), commit(uri) as file:
        file.write(bytes(20_000_000))
        raise RuntimeError
    assert look(uri).type == pafs.FileType.NotFound
    put(uri, b"")
    assert look(uri).size == 0


def test_storage_that_is_not_there(bucket, server):
    nowhere = bucket.replace("bucket-", "no-bucket-")
    with pytest.raises(InputError, match=r"s3://no-bucket-\w+: cannot be written.*not found"):
        once(nowhere, {"a": 1}, lambda directory: {})
    with pytest.raises(InputError, match=r"s3://no-bucket-\w+/a\.txt: no such file"):
        plan_corpus([join(nowhere, "a.txt")], shard_documents=3)
    with pytest.raises(InputError, match=r"s3://bucket-\w+/run/_SUCCESS: cannot be looked up.*connection") as refusal:
        once(join(bucket, "run").replace(server, "127.0.0.1:1"), {"a": 1}, lambda directory: {})
    assert SECRET not in str(refusal.value)


@contextmanager
def job_in(uri):
    """Hold a directory's lock in another process until the block ends."""
    script = "import sys; from kdner.runs.lock import hold\n"
    script += "with hold(sys.argv[1]): print('held', flush=True); sys.stdin.read()"
    job = subprocess.Popen([sys.executable, "-c", script, uri], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert job.stdout.readline() == b"held\n"
    try:
        yield job
    finally:
        job.communicate()


def test_a_second_job_is_refused_until_the_first_is_dead(bucket):
    out = join(bucket, "run")
    with job_in(out) as first:
        with pytest.raises(InputError, match=f"run: another job works here: process {first.pid} on") as refusal:
            once(out, {"a": 1}, lambda directory: {})
        held = contents(out)
        assert list(held) == [".lock"] and SECRET not in str(held) + str(refusal.value)
        first.kill()
    assert contents(out) == held
    assert once(out, {"a": 1}, lambda directory: {"answer": 42})["answer"] == 42
    assert sorted(contents(out)) == ["_SUCCESS", "_manifest.json", "_summary.json"]


def test_a_job_on_another_machine_lives_as_long_as_it_gives_signs(bucket, monkeypatch):
    out = join(bucket, "run")
    elsewhere = json.dumps(asdict(replace(Holder.this_process(), host="elsewhere"))).encode()
    put(join(out, ".lock"), elsewhere)
    sign = threading.Timer(1.5, put, [join(out, ".lock"), elsewhere])  # times are whole seconds
    sign.start()
    with pytest.raises(InputError, match=r"another job works here: process \d+ on elsewhere"), hold(out):
        raise AssertionError("two jobs hold one directory")
    sign.join()
    assert contents(out) == {".lock": elsewhere}
    monkeypatch.setattr(kdner.runs.lock, "DEAD_AFTER_S", 0)
    time.sleep(0.01)
    with hold(out):
        assert b"elsewhere" not in contents(out)[".lock"]
    assert contents(out) == {}


def test_signs_of_life(bucket, monkeypatch, caplog):
    monkeypatch.setattr(kdner.runs.lock, "BEAT_S", 0.1)
    out = join(bucket, "run")
    with caplog.at_level(logging.WARNING, "kdner"), hold(out):
        before = look(join(out, ".lock")).mtime_ns
        deadline = time.monotonic() + 30
        while look(join(out, ".lock")).mtime_ns == before:  # whole seconds
            assert time.monotonic() < deadline
            time.sleep(0.1)
        theirs = contents(out)[".lock"].replace(b'"host": "', b'"host": "not-')
        while "another job" not in caplog.text:
            assert time.monotonic() < deadline
            put(join(out, ".lock"), theirs)  # again, where a sign of life went over it
            time.sleep(0.3)
    assert contents(out) == {".lock": theirs} and SECRET not in caplog.text


def test_of_jobs_that_start_at_once_one_wins(bucket, monkeypatch):
    monkeypatch.setattr(kdner.runs.lock, "SETTLE_S", 3.0)  # for a busy machine
    start, tried, holding = threading.Barrier(4, timeout=60), threading.Barrier(4, timeout=60), []

    def race():
        start.wait()
        try:
            with hold(join(bucket, "run")):
                holding.append(1)
                tried.wait()
        except InputError:
            tried.wait()

    jobs = [threading.Thread(target=race) for _ in range(4)]
    for job in jobs:
        job.start()
    for job in jobs:
        job.join()
    assert len(holding) == 1


class Finder:
    """An actor that finds nothing, and refuses one document."""

    schema = ENTITIES

    def __init__(self, refuse: str | None = None) -> None:
        self.refuse = refuse

    def __call__(self, documents: pa.Table) -> pa.Table:
        if self.refuse in documents["id"].to_pylist():
            raise InputError(f"{self.refuse}: refused")
        rows = [{"id": row["id"], "entities": [], "words": len(row["text"])} for row in documents.to_pylist()]
        return pa.Table.from_pylist(rows, schema=ENTITIES)

    def counts(self, documents: pa.Table, mapped: pa.Table) -> dict[str, int]:
        return {"words": pc.sum(mapped["words"]).as_py(), "entities": 0}


def run(source, out, *, here=False, **arguments):
    """Find nothing in a corpus, in other processes or in this one."""
    corpus = plan_corpus([source], shard_documents=4)

    def work(directory):
        find = ShardWork(
            job="find", actor=Finder, arguments=arguments, actors=Actors(count=1), use_gpu=False, patience_s=0
        )
        if not here:
            return shard_map(corpus, directory, find)
        actor = ShardActor(directory, find)
        return {"documents": sum(actor.map_shard(shard).counts["documents"] for shard in corpus.shards)}

    return once(out, {"corpus": corpus.fingerprint()}, work, files=[shard.name for shard in corpus.shards])


@pytest.mark.ray
def test_a_corpus_and_a_run_directory_on_the_store(cluster, bucket, caplog):
    source, out, undisturbed = (join(bucket, name) for name in ("news", "out/run", "out/undisturbed"))
    with commit(join(source, "a.parquet")) as file:
        pq.write_table(pa.table({"id": [f"p{i}" for i in range(10)], "text": ["Anna met Tom"] * 10}), file)
    put(join(source, "b.txt.gz"), gzip.compress(b"Rain is expected\n" * 5))
    put(join(source, "c.jsonl"), b'{"text": "Anna"}\n' * 5)
    with pytest.raises(InputError, match="holds files of several formats"):
        run(source, undisturbed, here=True)
    folder, source = source, join(source, "**")
    assert run(source, undisturbed, here=True)["documents"] == 20

    with pytest.raises(InputError, match=r"b\.txt\.gz:4: refused"):
        run(source, out, refuse="b.txt.gz:4")
    assert not {"part-00003.parquet", "_summary.json", "_SUCCESS", ".lock"} & contents(out).keys()
    with pytest.raises(InputError, match=r"out/run: this run is unfinished") as refusal:
        RunDirectory.finished_at(out)
    written = look(join(out, "part-00000.parquet")).mtime

    with caplog.at_level(logging.INFO, "kdner"):
        summary = run(source, out)
        assert summary["documents"] == 20 and look(join(out, "part-00000.parquet")).mtime == written
        assert run(source, out) == summary
    assert "run: everything is there already, in s3://" in caplog.messages[-1] and SECRET not in caplog.text
    whole, expected = contents(out), contents(undisturbed)
    parts = [f"part-0000{index}.parquet" for index in range(5)]
    assert (
        sorted(whole)
        == sorted(expected)
        == [".huggingface.yaml", "_SUCCESS", "_manifest.json", "_summary.json", *parts]
    )
    assert all(whole[name] == expected[name] for name in whole if name != "_summary.json")
    ids = [id_ for table in RunDirectory.finished_at(out).tables(["id"]) for id_ in table["id"].to_pylist()]
    made = [f"{name}:{row}" for name in ("b.txt.gz", "c.jsonl") for row in range(5)]
    assert ids == [f"p{i}" for i in range(10)] + made
    assert SECRET.encode() not in b"".join(whole.values()) and SECRET not in caplog.text + str(refusal.value)

    put(join(folder, "c.jsonl"), b'{"text": "Tom"}\n' * 5)
    with pytest.raises(InputError, match=r"(?s)holds a run that differs.*s3://.*/news/c\.jsonl") as refusal:
        run(source, out)
    assert SECRET not in str(refusal.value) and contents(out) == whole


@pytest.mark.ray
def test_a_shard_costs_four_requests_at_most(cluster, bucket, server_log):
    texts = [f"{k} " + "Anna met Tom in Rome and left . " * 100 for k in range(4000)]
    lines = "".join(json.dumps({"id": f"j{k}", "text": text}) + "\n" for k, text in enumerate(texts)).encode()
    put(join(bucket, "news/a.jsonl"), lines)
    put(join(bucket, "news/b.jsonl.gz"), gzip.compress(lines.replace(b'"j', b'"z'), 1))
    table = pa.table({"id": [f"p{k}" for k in range(4000)], "text": texts})
    with commit(join(bucket, "news/c.parquet")) as file:
        pq.write_table(table, file, row_group_size=1000, compression="none", use_dictionary=False)

    plan = plan_corpus([join(bucket, "news/**")], shard_documents=800)
    directory = RunDirectory.open(join(bucket, "out"), {}, {"files": plan.shards.names})
    find = ShardWork(job="find", actor=Finder, arguments={}, actors=Actors(count=1), use_gpu=False, patience_s=0)
    begin = len(server_log.read_text())
    assert shard_map(plan, directory, find)["documents"] == 12_000
    log = re.sub(r"\x1b\[[0-9;]*m", "", server_log.read_text()[begin:])
    made = Counter(re.findall(r'"([A-Z]+) \S*/([abc]\.|part-\d+)\S* HTTP', log))
    assert {made["PUT", name.removesuffix(".parquet")] for name in plan.shards.names} == {1}
    assert made["HEAD", "a."] and not [name for method, name in made if method == "POST"]
    assert made.total() <= 4 * len(plan.shards), made


@pytest.mark.parametrize("kind", ["student", "teacher"])
def test_a_model_is_read_from_a_bucket(bucket, make_student, teacher_folder, tmp_path, kind):
    folder = tmp_path if kind == "student" else Path(teacher_folder)
    if kind == "student":
        make_student().save(folder)
    uri = join(bucket, "models/mine")
    for path in folder.iterdir():
        put(join(uri, path.name), path.read_bytes())
    assert model_labels(uri) == model_labels(folder) and model_fingerprint(uri) == model_fingerprint(folder)
    sentence = ["Anna", "flew", "to", "Paris", "."]
    assert (load_model(uri).score_words([sentence]) == load_model(folder).score_words([sentence])).all()
    assert local_folder(uri) == local_folder(uri) and local_folder(folder) == folder


def test_a_model_that_is_not_in_the_bucket(bucket):
    with pytest.raises(InputError, match=r"models/none: no such folder") as refusal:
        load_model(join(bucket, "models/none"))
    assert SECRET not in str(refusal.value)
