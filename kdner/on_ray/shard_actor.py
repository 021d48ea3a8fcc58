"""One process of the pool: it reads a shard, maps it, checks the result and commits the file.

What it cannot judge or do it gives back with a reason, and `kdner.on_ray.shard_map` sees to it that another process
tries.
"""

from __future__ import annotations

import json
import logging
import os
import pickle
import socket
import time
import uuid
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import ray
from ray import cloudpickle
from ray.exceptions import ActorUnavailableError, GetTimeoutError

from kdner.corpora.lines import noted_reasons
from kdner.corpora.plan import read_slices
from kdner.corpora.slices import SliceReader
from kdner.corpora.tables import Shard, shard_name
from kdner.errors import InputError, StorageError
from kdner.memory import peak_memory_mb
from kdner.on_ray.console import set_up_logging
from kdner.runs.run_directory import RunDirectory
from kdner.shards.attempts import MAX_DEATHS, note_deaths, told_of_deaths
from kdner.shards.children import map_in_children
from kdner.shards.health import Blame, Health, most_frequent
from kdner.shards.outcome import COUNTS, REPLACED, GivenBack, MappedShard
from kdner.shards.patience import patiently
from kdner.shards.time_limit import TimeLimit
from kdner.shards.turns import Turns
from kdner.shards.work import ShardWork
from kdner.text.documents import EMPTY, NO_TEXT, reason_of

MAX_STARTS, STARTING_SECONDS = 20, 600.0
"""If so many processes have begun to start in a row, over so many seconds, and none became ready, the job fails."""
UNSURE_SHARDS = 3
"""Shards in a row of which all documents fail in a process that never did better, before it ends."""
LONGEST_PAUSE_S = 60.0
"""Seconds for which a process on a node that is avoided waits at most, before it gives the next shard back."""
ANSWER_S, ASK_AGAIN_S = 30.0, 1.0
"""Seconds to wait for an answer of the record, and before it is asked again. What is sent then also tells Ray whether
the connection still is one; by itself it would find out after 5 minutes or more."""

logger = logging.getLogger(__name__)


class ShardActor:
    """A process of the pool; it maps several shards in threads."""

    def __init__(
        self,
        run: RunDirectory,
        work: ShardWork,
        *,
        text_column: str = "text",
        kept: Sequence[pa.Field] = (),
        at_once: int = 1,
        record: Any = None,
        relay: Any = None,
    ) -> None:
        """Build the actor.

        Args:
            run: the run directory for the files.
            work: what to do.
            text_column: the column of the corpus that holds the texts.
            kept: columns to read beside it; see `kdner.corpora.kept_columns`.
            at_once: shards that threads work on at once, of which one can be read and one written while one is mapped.
            record: a Ray actor of `PoolRecord`, where the process may die and be replaced.
            relay: the driver's, where this is another process.
        """
        if relay is not None:
            set_up_logging(relay)
        self.run, self.work, self.record = run, work, record
        self.reader = SliceReader(text_column, kept, streams=at_once)
        self.turns = Turns(at_once)
        self.limit = TimeLimit(work.timeout_s)
        self.name, self.host = uuid.uuid4().hex, socket.gethostname()
        self.deaths: dict[int, int] = {}
        self.under_way: set[int] = set()
        self.unsure = 0
        self.broken: GivenBack | InputError | None = None
        self.sick: str | None = None
        self.pause = 1.0
        if record is None:
            self._build()
        else:
            self._start()

    def _build(self) -> None:
        self.map_documents = self.work.build()
        self.health = Health(self.map_documents)

    def _start(self) -> None:
        """Make ready for work; the first task tells what prevents it, since Ray Data would start another process."""
        context = ray.get_runtime_context()
        starts, seconds, self.deaths = self._ask("start", context.current_actor, self.name, context.get_node_id())
        if starts > MAX_STARTS and seconds > STARTING_SECONDS:
            self.broken = InputError(
                f"{starts} processes of {self.work.job} began to start in {seconds / 60:.0f} minutes, and none became "
                "ready; is there memory enough for the model? Give an actor more, or look into Ray's logs"
            )
            return
        try:
            self._build()
        except InputError as error:
            self.broken = GivenBack("start", str(error))
        except Exception as error:
            self.broken = GivenBack("start", reason_of(error))
        self.record.ready.remote()

    def __call__(self, batch: dict[str, Iterable[bytes]]) -> dict[str, list[Any]]:
        """Map the shards of a task, which come pickled: a row for each.

        What goes wrong is a row too, because Ray Data loses the cause of an error.
        """
        rows = []
        for shard in (shard for task in batch["shards"] for shard in pickle.loads(task)):
            if self.sick is not None:
                self._leave()
            rows.append(self._row(shard))
        return {key: [row[key] for row in rows] for key in rows[0]}

    def _row(self, shard: Shard) -> dict[str, Any]:
        mapped, refused, given_back, reason, began = MappedShard(Counter()), "", "", "", time.time()
        try:
            mapped = self.map_shard(shard)
        except GivenBack as back:
            given_back, reason = back.kind, back.reason
        except InputError as error:
            refused = str(error)
        return {
            "shard": shard.index,
            **{key: mapped.counts[key] for key in ("documents", "words", "errors")},
            "counts": json.dumps(mapped.counts),
            "replaced": json.dumps(dict(mapped.replaced)),
            "reasons": json.dumps(mapped.reasons),
            "began": began,
            "ended": time.time(),
            "memory_mb": peak_memory_mb(),
            "refused": refused,
            "given_back": given_back,
            "reason": reason,
            "host": self.host,
        }

    def map_shard(self, shard: Shard) -> MappedShard:
        """Make a shard's file, unless it is there.

        Raises:
            GivenBack: another process should try.
            InputError: an input file changed, or the shard cannot be done by any process.
        """
        index = shard.index
        if self.broken is not None:
            self._await_others()
            raise self.broken
        deaths = self.deaths.get(index, 0)
        with self.turns.take(alone=deaths > 0):
            may_be_there = self._begin(index, deaths)
            try:
                mapped = (self._made_before(shard) if may_be_there else None) or self._make_file(shard, deaths)
            except GivenBack:
                self._give_back(index)
                raise
            except StorageError as error:
                self._give_back(index)
                if self.record is None:
                    raise
                self._ask("fail", self.name)
                raise GivenBack("storage", str(error)) from error
            finally:
                self.under_way.discard(index)
        if self.record is not None:
            self.record.end.remote(index, self.name, self.limit.seconds_per_byte)
        self.pause = 1.0
        return mapped

    def _made_before(self, shard: Shard) -> MappedShard | None:
        """Return what is known of a shard that has its file: Ray repeats a task whose row was lost with its actor."""
        if not self.run.has(shard.name):
            return None
        metadata = self.run.table_metadata(shard.name)[1]
        return MappedShard(Counter(json.loads(metadata[COUNTS])), replaced=json.loads(metadata.get(REPLACED, "{}")))

    def _make_file(self, shard: Shard, deaths: int) -> MappedShard:
        documents, replaced, reasons = patiently(lambda: self._read(shard), self.work.patience_s)
        blame: Blame | None = None
        if deaths >= MAX_DEATHS:
            seconds, work = self.limit.of(shard.text_bytes), cloudpickle.dumps(self.work)
            what = f"{self.work.job}: {shard.name}"
            mapped, blame = map_in_children(work, documents, what=what, timeout_s=seconds)
        else:
            with self.limit.over(shard.text_bytes):
                mapped = self.map_documents(documents)
                if self.record is not None:
                    blame = self.health.blame(documents, mapped)
        if not mapped["id"].equals(documents["id"]):
            raise RuntimeError(f"{shard.name}: the ids that came out are not the ids that went in")
        if self.record is not None and blame is not None:
            self._judge(shard, mapped, blame)
        mapped = _with_reasons(mapped, reasons)
        errors = mapped.num_rows - mapped["error"].null_count
        empty = pc.sum(pc.equal(mapped["error"], EMPTY)).as_py() or 0
        counts = Counter(
            documents=mapped.num_rows, errors=errors, empty=empty, **self.map_documents.counts(documents, mapped)
        )
        metadata = {COUNTS: json.dumps(counts), **({REPLACED: json.dumps(replaced)} if replaced else {})}
        schema = self.map_documents.schema
        patiently(lambda: self.run.write_table(shard.name, mapped, schema, metadata=metadata), self.work.patience_s)
        return MappedShard(counts, most_frequent(mapped) if errors else (), replaced)

    def _read(self, shard: Shard) -> tuple[pa.Table, Counter[str], dict[int, str]]:
        """Read a shard; also returns the characters replaced by file, and why rows have no text, where it is known."""
        replaced = Counter[str]()
        with noted_reasons() as noted:
            documents = read_slices(shard, self.reader, replaced)
        rows = ((piece.file.name, piece.first + row) for piece in shard.slices for row in range(piece.rows))
        reasons = {place: noted[row] for place, row in enumerate(rows) if row in noted} if noted else {}
        return documents, replaced, reasons

    def _begin(self, index: int, deaths: int) -> bool:
        """Note that this process begins with a shard; returns whether its file may be there."""
        self.under_way.add(index)
        if self.record is None:
            return True
        slowest, earlier = self._ask("begin", index, self.name, self.host)
        self.limit.learn(slowest)
        if deaths:
            note_deaths(self.run, index, deaths)
            logger.warning("%s: %s: %s", self.work.job, shard_name(index), told_of_deaths(deaths, earlier or ""))
        return earlier is not None

    def _give_back(self, index: int) -> None:
        if self.record is not None:
            self._ask("give_back", index, self.name)

    def _judge(self, shard: Shard, mapped: pa.Table, blame: Blame) -> None:
        """Let errors stand that are the documents', and give the shard back where they may be those of a process."""
        self.unsure = self.unsure + 1 if blame is Blame.UNKNOWN else 0
        if blame is Blame.DOCUMENTS:
            return
        (error, count, _), *_ = most_frequent(mapped)
        reason = f"{count} of {mapped.num_rows} documents of {shard.name} ended with {error!r}"
        if blame is Blame.PROCESS:
            self.sick = f"{reason}, and so does a document that it has mapped before"
        elif self._ask("all_failed", shard.index, self.name):
            return
        elif self.unsure >= UNSURE_SHARDS:
            self.sick = f"{reason}, as did all before, since it began"
        if self.sick:
            self.record.fail.remote(self.name)
        self._await_others()
        raise GivenBack("process", self.sick or reason)

    def _await_others(self) -> None:
        """On a node where nothing succeeds, wait before the next shard, longer each time: others should take most."""
        if self.broken is not None:
            self._ask("fail", self.name)
        if ray.get_runtime_context().get_node_id() in self._ask("avoided"):
            time.sleep(self.pause)
            self.pause = min(2 * self.pause, LONGEST_PAUSE_S)

    def _leave(self) -> None:
        """End this process, which fails on all that it is given; Ray starts another in its place."""
        for index in list(self.under_way):
            self._give_back(index)
        os._exit(1)

    def _ask(self, what: str, *arguments: Any) -> Any:
        """Ask the record, again where no answer comes: after a link was cut for a while, Ray waits on for minutes."""
        while True:
            try:
                return ray.get(getattr(self.record, what).remote(*arguments), timeout=ANSWER_S)
            except (GetTimeoutError, ActorUnavailableError):
                time.sleep(ASK_AGAIN_S)


def _with_reasons(mapped: pa.Table, reasons: Mapping[int, str]) -> pa.Table:
    """Say of rows that failed for want of a text why they have none."""
    if not reasons:
        return mapped
    errors = mapped["error"].to_pylist()
    for row, reason in reasons.items():
        if errors[row] == NO_TEXT:
            errors[row] = reason
    place = mapped.schema.get_field_index("error")
    return mapped.set_column(place, mapped.schema.field(place), [pa.array(errors, pa.string())])
