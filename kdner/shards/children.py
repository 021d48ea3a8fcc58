"""A shard whose documents end their process, mapped in child processes: what is left of it is not lost.

A child that dies is replaced, and what it worked on is halved, down to the documents at fault. One that ends two
processes by itself becomes a row with an error, as any document that cannot be processed.
"""

from __future__ import annotations

import logging
import multiprocessing
import pickle
import signal
from contextlib import suppress
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Any

import pyarrow as pa

from kdner.errors import InputError
from kdner.shards.health import Blame, Health, most_frequent
from kdner.shards.outcome import GivenBack
from kdner.shards.work import MapDocuments
from kdner.text.documents import reason_of

DEATHS_OF_ONE = 2
"""Processes that one document may end before it is at fault."""
SICK_CHILDREN = 2
"""Children that may fail on what was mapped before, until the shard is given back."""

logger = logging.getLogger(__name__)


def map_in_children(work: bytes, documents: pa.Table, *, what: str, timeout_s: float) -> tuple[pa.Table, Blame]:
    """Map documents in child processes, so that those that end their process cost themselves alone.

    It takes about 2 log2(n) processes where one of n documents is at fault. Errors that a child returns are judged by a
    document that was mapped without one: a child that does not map it any more is replaced.

    Args:
        work: `ShardWork`, pickled by whoever knows how; a child builds it as this process did.
        documents: of the shard.
        what: they are, for the log.
        timeout_s: seconds that a child may take for what it is given; then it is ended, too.

    Returns:
        What they are mapped to, and whose the errors are that children returned: the documents', or unknown where
        nothing was mapped without one.

    Raises:
        GivenBack: a child ended before it was ready, or several fail on all that they are given, for which no document
            is to blame.
        Exception: what a child raised.
    """
    waiting, unsure = [(0, documents.num_rows)], list[tuple[int, int]]()
    mapped: dict[int, pa.Table] = {}
    deaths: dict[int, int] = {}
    with _Child(work, timeout_s) as child:
        health, sick = Health(child.must_map), 0
        while waiting:
            first, rows = waiting.pop()
            part = documents.slice(first, rows)
            table, ended = child.map(part)
            if table is not None:
                mapped[first] = table
                blame = health.blame(part, table)
                if blame is Blame.PROCESS:
                    sick += 1
                    child.replace(what, table, is_last=sick == SICK_CHILDREN)
                    waiting.append((first, rows))
                elif blame is Blame.UNKNOWN:
                    unsure.append((first, rows))
            else:
                logger.warning("%s: a process ended (%s) over %d of %d documents", what, ended, rows, len(documents))
                if rows > 1:
                    waiting += [(first + rows // 2, rows - rows // 2), (first, rows // 2)]
                elif deaths.setdefault(first, 1) < DEATHS_OF_ONE:
                    deaths[first] += 1
                    waiting.append((first, rows))
                else:
                    reason = f"ended its process {DEATHS_OF_ONE} times ({ended})"
                    mapped[first] = child.error_row(part, reason)
                    logger.warning("%s: document %s %s, and becomes an error", what, part["id"][0].as_py(), reason)
            if not waiting and health.can_tell:
                waiting, unsure = unsure, []
    table = pa.concat_tables([mapped[first] for first in sorted(mapped)])
    return table, Blame.UNKNOWN if unsure else Blame.DOCUMENTS


class _Child:
    """A child process that maps documents, and is replaced when it has died."""

    def __init__(self, work: bytes, timeout_s: float) -> None:
        self._work, self._timeout_s = work, timeout_s
        self._process: Any = None
        self._connection: Any = None

    def __enter__(self) -> _Child:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._end()

    def map(self, documents: pa.Table) -> tuple[pa.Table | None, str]:
        """Map documents; returns the table, or None and how the process ended."""
        if self._process is None:
            self._start()
        try:
            self._connection.send(documents)
            if not self._connection.poll(self._timeout_s):
                self._end()
                return None, f"it took longer than {self._timeout_s:.0f} s"
            answer = self._connection.recv()
        except (EOFError, OSError):  # the latter also where it died while it answered
            return None, self._died()
        if isinstance(answer, Exception):
            raise answer
        return answer, ""

    def must_map(self, documents: pa.Table) -> pa.Table:
        """Map documents.

        Raises:
            RuntimeError: the process ended.
        """
        table, ended = self.map(documents)
        if table is None:
            raise RuntimeError(f"a process ended ({ended})")
        return table

    def replace(self, what: str, failed: pa.Table, *, is_last: bool) -> None:
        """End a process that fails on what was mapped before; the next documents get another.

        Raises:
            GivenBack: there is to be no other.
        """
        error, *_ = most_frequent(failed, 1)
        reason = f"a child process fails with {error[0]!r}, also on a document that was mapped before"
        if is_last:
            raise GivenBack("process", f"{what}: {reason}, and so did the one before")
        logger.warning("%s: %s; another takes its place", what, reason)
        self._end()

    def error_row(self, document: pa.Table, reason: str) -> pa.Table:
        """Return what one document is mapped to where it cannot be processed."""
        nothing = document.set_column(1, document.schema.field("text"), [pa.array([None], pa.string())])
        row, ended = self.map(nothing)
        if row is None:
            raise RuntimeError(f"a process ended ({ended}) over a document without text")
        place = row.schema.get_field_index("error")
        return row.set_column(place, row.schema.field("error"), [pa.array([reason], pa.string())])

    def _start(self) -> None:
        processes = multiprocessing.get_context("spawn")
        self._connection, other = processes.Pipe()
        self._process = processes.Process(target=_serve, args=(self._work, other), daemon=True)
        self._process.start()
        other.close()
        try:
            self._connection.recv()  # it is ready: the start is no part of the time that documents may take
        except (EOFError, OSError):
            raise GivenBack("process", f"a child process ended ({self._died()}) before it was ready") from None

    def _died(self) -> str:
        self._process.join()
        ended = _how(self._process.exitcode)
        self._end()
        return ended

    def _end(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.join()
            self._connection.close()
            self._process = None


def _serve(work: bytes, connection: Connection) -> None:
    """Map what comes, until the other end closes."""
    map_documents: MapDocuments = pickle.loads(work).build()
    connection.send("ready")
    while True:
        try:
            documents = connection.recv()
        except EOFError:
            return
        try:
            connection.send(map_documents(documents))
        except InputError as error:
            connection.send(error)
        except Exception as error:  # which may not be sent as it is
            connection.send(RuntimeError(reason_of(error)))


def _how(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        with suppress(ValueError):  # a signal without a name
            return signal.Signals(-exit_code).name
        return f"signal {-exit_code}"
    return f"exit code {exit_code}"
