from __future__ import annotations

import multiprocessing
import os
import pickle
import signal
import time
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pytest

from kdner.flags import Actors
from kdner.runs.schema import CORPUS, ENTITIES
from kdner.shards.children import _Child, map_in_children
from kdner.shards.health import Blame
from kdner.shards.outcome import GivenBack
from kdner.shards.work import ShardWork
from kdner.text.documents import NO_TEXT


class Torn:
    """Ends its process while it is sent."""

    def __reduce__(self):
        os.kill(os.getpid(), signal.SIGRTMIN + 1)


class Fragile:
    """Finds nothing; some texts end its process, or never end."""

    schema = ENTITIES

    def __call__(self, documents: pa.Table) -> pa.Table:
        texts = documents["text"].to_pylist()
        if any(text and "poison" in text for text in texts):
            os._exit(9)
        if "hang" in texts:
            time.sleep(600)
        if "torn" in texts:
            return Torn()
        if "raise" in texts:
            raise ValueError("no such luck")
        return pa.table(
            [
                documents["id"],
                pa.array([[]] * len(texts), ENTITIES.field("entities").type),
                pa.array([len((text or "").split()) for text in texts], pa.int32()),
                pa.array([self.error(text) for text in texts], pa.string()),
            ],
            schema=ENTITIES,
        )

    def error(self, text):
        return NO_TEXT if not text else "cannot be tagged" if text == "bad" else None

    def counts(self, documents, mapped):
        return {"words": pc.sum(mapped["words"]).as_py()}


def judged(texts, timeout_s=60.0, actor=Fragile, **arguments):
    documents = pa.table({"id": [str(i) for i in range(len(texts))], "text": texts}, schema=CORPUS)
    work = ShardWork(job="fragile", actor=actor, arguments=arguments, actors=Actors(), use_gpu=False)
    return map_in_children(pickle.dumps(work), documents, what="part-00000.parquet", timeout_s=timeout_s)


def mapped(texts, **how):
    table, blame = judged(texts, **how)
    assert blame is Blame.DOCUMENTS
    return table


def test_documents_that_end_their_process_cost_themselves_alone(caplog):
    table = mapped(["a b", "poison", None])
    assert table["id"].to_pylist() == ["0", "1", "2"] and table.schema == ENTITIES
    assert table["error"].to_pylist() == [None, "ended its process 2 times (exit code 9)", NO_TEXT]
    assert table["words"].to_pylist() == [2, 0, 0]
    assert "part-00000.parquet: a process ended (exit code 9) over 3 of 3 documents" in caplog.messages


@pytest.mark.faults
def test_several_of_them_cost_themselves_alone():
    table = mapped(["a", "b", "poison", "d e", None, "poison too", "g"])
    died = "ended its process 2 times (exit code 9)"
    assert table["error"].to_pylist() == [None, None, died, None, NO_TEXT, died, None]


@pytest.mark.faults
def test_one_of_many_costs_few_processes(caplog):
    table = mapped(["word"] * 63 + ["poison"])
    assert table["error"].null_count == 63
    *ended, named = caplog.messages
    assert len(ended) == 6 + 2  # halves of 64, then two of its own
    assert named == "part-00000.parquet: document 63 ended its process 2 times (exit code 9), and becomes an error"


class NeverReady(Fragile):
    """Ends its process while it is built."""

    def __init__(self) -> None:
        os._exit(7)


def test_a_child_that_cannot_begin_is_no_documents_fault():
    with pytest.raises(GivenBack, match=r"ended \(exit code 7\) before it was ready"):
        mapped(["a", "b"], actor=NeverReady)


@pytest.mark.faults
def test_a_document_that_never_ends_is_one_of_them():
    table = mapped(["a", "hang"], timeout_s=3)
    assert table["error"].to_pylist() == [None, "ended its process 2 times (it took longer than 3 s)"]


def test_where_nothing_ends_the_whole_is_mapped_at_once_and_errors_are_raised(caplog):
    assert mapped(["a b", "c"])["words"].to_pylist() == [2, 1] and not caplog.messages
    with pytest.raises(RuntimeError, match="ValueError: no such luck"):
        mapped(["a", "raise"])


class Wearing(Fragile):
    """Fails on all documents but those of its first call, or, with a file, of the first call of all processes."""

    def __init__(self, file: str | None = None) -> None:
        self.file, self.calls = file, 0

    def __call__(self, documents: pa.Table) -> pa.Table:
        self.calls += 1
        self.is_worn = Path(self.file).exists() if self.file else self.calls > 1
        table = super().__call__(documents)
        if self.file:
            Path(self.file).touch()
        return table

    def error(self, text):
        return "no memory" if self.is_worn else super().error(text)


def test_a_child_that_fails_on_what_was_mapped_before_is_replaced_and_spoils_no_document(caplog):
    table = mapped(["a", "poison", "c"], actor=Wearing)
    assert table["error"].to_pylist() == [None, "ended its process 2 times (exit code 9)", None]
    assert "a child process fails with 'no memory', also on a document that was mapped before" in caplog.text


def test_where_several_children_fail_the_shard_is_given_back(tmp_path):
    with pytest.raises(GivenBack, match=r"part-00000\.parquet: a child process fails with 'no memory'") as back:
        judged(["a", "poison", "c"], actor=Wearing, file=str(tmp_path / "worn"))
    assert back.value.kind == "process"


def test_errors_are_a_documents_where_the_child_still_maps_others_and_else_another_process_must_agree():
    died = "ended its process 2 times (exit code 9)"
    assert mapped(["bad", "poison", "c"])["error"].to_pylist() == ["cannot be tagged", died, None]
    table, blame = judged(["bad", "poison", None])
    assert table["error"].to_pylist() == ["cannot be tagged", died, NO_TEXT] and blame is Blame.UNKNOWN


class CutOff:
    """A connection to a process that ended while it sent its answer."""

    def send(self, documents):
        pass

    def poll(self, timeout_s):
        return True

    def recv(self):
        raise OSError("got end of file during message")

    def close(self):
        pass


def test_a_process_that_ends_while_it_answers_has_died():
    child = _Child(b"", 60.0)
    child._process = multiprocessing.get_context("spawn").Process(target=os._exit, args=(9,))
    child._process.start()
    child._connection = CutOff()
    assert child.map(pa.table({"id": ["0"], "text": ["x"]}, schema=CORPUS)) == (None, "exit code 9")


def test_a_process_may_end_by_a_signal_without_a_name():
    table = mapped(["good", "torn"])
    assert table["error"].to_pylist() == [None, f"ended its process 2 times (signal {signal.SIGRTMIN + 1})"]
