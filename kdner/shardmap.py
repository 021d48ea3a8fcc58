"""The shard map: one mechanism for both big jobs, precompute_logits and tag_corpus.

It takes a corpus plan, an actor class whose instances map one Arrow table to one Arrow table with the same ids, and a
run directory;
runs the shards that have no file yet through Ray Data with a pool of actors; and leaves one file per shard. One shard
in, one file
out: the shard is the unit of work, of retry and of output, because Ray Data's own writes are not idempotent.
"""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc
import ray
from ray.data import ActorPoolStrategy, DataContext

from kdner.corpus import CorpusPlan, read_shard
from kdner.errors import InputError
from kdner.job import connect, in_cluster, on_terminal, once, set_up_logging
from kdner.options import Actors, Corpus
from kdner.progress import Progress
from kdner.rundir import RunDirectory
from kdner.text import SPLITTER_VERSION, count_words

logger = logging.getLogger(__name__)

MapTable = Callable[[pa.Table], pa.Table]
ActorClass = Callable[..., MapTable]
COUNTS = "kdner.counts"
"""The key of a file's metadata under which its counts lie, as JSON."""
FOOTERS_AT_ONCE = 16
"""Files read at once to add up their counts: an object store answers slowly, but many at a time."""


def map_corpus(
    what: str,
    config: Corpus,
    out: str,
    actor: ActorClass,
    arguments: dict[str, Any],
    schema: pa.Schema,
    *,
    model: dict[str, str],
    labels: list[str],
    use_gpu: bool,
) -> dict[str, Any]:
    """Do a whole job of this kind: plan the corpus, map what is missing, check; returns the summary.

    Args:
        what: the job's name.
        config: the corpus, how it is cut, and who works on it.
        out: the run directory.
        actor: see `shard_map`, as for `arguments`, `schema` and `use_gpu`.
        arguments: of the actor.
        schema: of the files.
        model: hashes of the model's files.
        labels: the model's label list, for the manifest.
        use_gpu: whether the actor can use a GPU.
    """
    plan = config.plan(out)
    fingerprint = {"job": what, "model": model, "corpus": plan.fingerprint(), "splitter": SPLITTER_VERSION}

    def work(directory: RunDirectory) -> dict[str, Any]:
        summary = shard_map(what, plan, directory, actor, arguments, schema, actors=config.actors, use_gpu=use_gpu)
        check_errors(summary, config.max_error_rate)
        return summary

    return once(out, fingerprint, work, files=[shard.name for shard in plan.shards], labels=labels)


def shard_map(
    what: str,
    plan: CorpusPlan,
    run: RunDirectory,
    actor: ActorClass,
    arguments: dict[str, Any],
    schema: pa.Schema,
    *,
    actors: Actors,
    use_gpu: bool,
) -> dict[str, Any]:
    """Map every shard that has no file yet, then reconcile; returns the summary's counts and speed.

    Args:
        what: the job's name, for progress.
        plan: which documents make which shard.
        run: opened with the plan's shard names as its files.
        actor: built once per process as `actor(**arguments)`; called with a table of `schema.CORPUS`.
        arguments: small values such as paths, never weights.
        schema: of the tables that the actor returns.
        actors: how many processes, and what each may use.
        use_gpu: whether the actor can use a GPU.

    Raises:
        InputError: an input file changed, or the finished files do not add up to the plan.
    """
    pending = set(run.pending())
    shards = [shard for shard in plan.shards if shard.name in pending]
    if len(shards) < len(plan.shards):
        logger.info("%s: %d of %d shards are done already", what, len(plan.shards) - len(shards), len(plan.shards))
    started = time.monotonic()
    words = errors = 0
    if shards:
        connect()
        gpus = actors.gpus if actors.gpus is not None else min(1, in_cluster("GPU")) if use_gpu else 0
        room = in_cluster("GPU") / gpus if gpus else in_cluster("CPU") / actors.cpus
        count = min(actors.count or max(1, int(room)), len(shards))
        context = DataContext.get_current()
        context.enable_progress_bars = False
        mapped = ray.data.from_items(
            [{"shard": shard.index} for shard in shards], override_num_blocks=len(shards)
        ).map_batches(
            _ShardActor,
            batch_size=1,
            fn_constructor_kwargs={
                "plan": plan,
                "run": run,
                "actor": actor,
                "arguments": arguments,
                "schema": schema,
            },
            compute=ActorPoolStrategy(size=count),
            num_cpus=actors.cpus,
            num_gpus=gpus,
        )
        progress = Progress(what, "document", terminal=on_terminal())
        progress.begin(sum(shard.documents for shard in shards))
        for row in mapped.iter_rows():
            if row["refused"]:
                raise InputError(row["refused"])
            words += row["words"]
            errors += row["errors"]
            progress.advance(row["documents"], row["words"], errors=errors)
    seconds = time.monotonic() - started
    counts = _reconcile(plan, run)
    return {
        **counts,
        "seconds": round(seconds, 2),
        "words_per_second": round(words / seconds) if words else 0,
    }


class _ShardActor:
    """One process of the pool: reads a shard, maps it, checks the ids, and commits the file."""

    def __init__(
        self,
        plan: CorpusPlan,
        run: RunDirectory,
        actor: ActorClass,
        arguments: dict[str, Any],
        schema: pa.Schema,
    ) -> None:
        set_up_logging()
        self.plan, self.run, self.schema = plan, run, schema
        self.map_table = actor(**arguments)

    def __call__(self, batch: dict[str, Iterable[int]]) -> dict[str, list[Any]]:
        """Map shards, one row for each; a user's mistake is a row too, because Ray Data loses the cause of an error."""
        rows: list[dict[str, Any]] = []
        for index in batch["shard"]:
            try:
                rows.append({**self._shard(int(index)), "refused": ""})
            except InputError as error:
                rows.append({"documents": 0, "words": 0, "errors": 0, "refused": str(error)})
        return {key: [row[key] for row in rows] for key in ("documents", "words", "errors", "refused")}

    def _shard(self, index: int) -> Counter[str]:
        shard = self.plan.shards[index]
        if self.run.has(shard.name):  # Ray repeats a task whose row was lost with its actor or node
            return Counter(json.loads(self.run.table_metadata(shard.name)[1][COUNTS]))
        documents = read_shard(self.plan, shard)
        mapped = self.map_table(documents)
        if not mapped["id"].equals(documents["id"]):
            raise RuntimeError(f"{shard.name}: the ids that came out are not the ids that went in")
        counts = Counter(
            documents=mapped.num_rows,
            words=sum(count_words(text) for text in documents["text"].to_pylist() if text),
            errors=mapped.num_rows - mapped["error"].null_count,
        )
        if "entities" in mapped.column_names:
            counts["entities"] = pc.sum(pc.list_value_length(mapped["entities"])).as_py() or 0
        self.run.write_table(shard.name, mapped, self.schema, metadata={COUNTS: json.dumps(counts)})
        return counts


def _reconcile(plan: CorpusPlan, run: RunDirectory) -> dict[str, int]:
    """Add up the counts of all files; documents in must equal documents out, file by file."""
    total: Counter[str] = Counter()
    with ThreadPoolExecutor(FOOTERS_AT_ONCE) as pool:
        footers = pool.map(run.table_metadata, [shard.name for shard in plan.shards])
        for shard, (rows, metadata) in zip(plan.shards, footers, strict=True):
            if rows != shard.documents:
                raise InputError(
                    f"{run.path}/{shard.name}: holds {rows} documents where the plan has {shard.documents}; "
                    "delete it and run again"
                )
            total.update(json.loads(metadata[COUNTS]))
    return dict(total)


def check_errors(counts: dict[str, Any], max_error_rate: float) -> None:
    """Refuse a run in which too many documents ended with an error.

    Raises:
        InputError: it names the share and the remedy; the files stay, so a second start with a higher limit only
            finishes.
    """
    rate = counts["errors"] / counts["documents"]
    if rate > max_error_rate:
        raise InputError(
            f"{counts['errors']} of {counts['documents']} documents ended with an error (see the column error of the "
            f"files): {rate:.1%}, above --max-error-rate {max_error_rate}. Mend them, or raise the limit."
        )
