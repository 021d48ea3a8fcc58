"""What a student found in a corpus: entities by label, the most frequent ones, their scores, and some documents.

Read from a run directory of tag_corpus. The documents' texts come from it too where they were kept; else from the
corpus, where that is still there and unchanged.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kdner.corpora.finished_plan import plan_of_finished_run
from kdner.corpora.plan import read_shard
from kdner.errors import InputError
from kdner.runs.run_directory import RunDirectory

PARTS = 64
"""Files of a run that are read at most, evenly over it."""
DOCUMENTS = 20
"""Documents of the sample."""
FREQUENT = 15
"""Texts that are listed of each label."""
BINS = 20
"""Equal parts of 0 to 1 in which scores are counted."""
CORPUS_BYTES = 2_000_000_000
"""A corpus with larger files is not read again for a sample."""


class LabelCounts(NamedTuple):
    """What was found of one label."""

    entities: int
    distinct: int
    """Different texts."""
    mean_score: float
    frequent: list[tuple[str, int]]
    """The most frequent texts, and how often each was found."""


class TaggedDocument(NamedTuple):
    """A document with its entities."""

    id: str
    text: str
    entities: list[dict[str, Any]]
    """As `kdner.runs.schema.ENTITIES` has them."""

    @property
    def is_that_of_the_entities(self) -> bool:
        """Whether the text is the one in which they were found."""
        return all(self.text[entity["start"] : entity["end"]] == entity["text"] for entity in self.entities)


@dataclass(frozen=True, kw_only=True)
class TaggedCorpus:
    """What was found in a corpus, or in a part of it."""

    parts: int
    """Files of the run."""
    parts_read: int
    labels: dict[str, LabelCounts]
    """By label; those that were not found, too."""
    scores: list[int]
    """Entities by their score, in `BINS` equal parts of 0 to 1."""
    sample: list[TaggedDocument]
    no_sample: str
    """Why the sample is empty, if it is."""


def read_tagged(run: RunDirectory) -> TaggedCorpus:
    """Read what was found from a finished run directory of tag_corpus.

    Raises:
        InputError: a file of the run cannot be read.
    """
    files, manifest = run.files, run.manifest()
    chosen = [files[number] for number in _evenly(len(files), PARTS)]
    sampled = {chosen[number] for number in _evenly(len(chosen), DOCUMENTS)}
    each = -(-DOCUMENTS // max(1, len(sampled)))
    counts, scores = [], np.zeros(BINS, np.int64)
    rows: dict[str, list[tuple[int, dict[str, Any]]]] = {}
    fingerprint = manifest["fingerprint"]
    text_column = fingerprint["corpus"]["text_column"]
    kept = [text_column] if text_column in fingerprint.get("keep_columns", ()) else []
    for name, table in zip(chosen, run.tables(["id", "entities", *kept], files=chosen), strict=True):
        flat = pa.Table.from_struct_array(table["entities"].combine_chunks().flatten())
        sums = [([], "count_all"), ("score", "sum")]
        counts.append(flat.group_by(["label", "text"]).aggregate(sums))
        scores += np.histogram(flat["score"].to_numpy(), BINS, (0, 1))[0]
        if name in sampled:
            found = np.flatnonzero(pc.fill_null(pc.list_value_length(table["entities"]), 0).to_numpy())
            places = [int(found[number]) for number in _evenly(len(found), each)]
            rows[name] = list(zip(places, table.take(pa.array(places, pa.int64())).to_pylist(), strict=True))
    sample, no_sample = _sample(run, fingerprint["corpus"], rows)
    names = sorted({label[2:] for label in manifest.get("labels", []) if label != "O"})
    return TaggedCorpus(
        parts=len(files),
        parts_read=len(chosen),
        labels={label: counted for label, counted in _by_label(counts, names)},
        scores=scores.tolist(),
        sample=sample,
        no_sample=no_sample,
    )


def _by_label(counts: Sequence[pa.Table], labels: Sequence[str]) -> Iterator[tuple[str, LabelCounts]]:
    whole = pa.concat_tables(counts).group_by(["label", "text"]).aggregate([("count_all", "sum"), ("score_sum", "sum")])
    for label in labels:
        own = whole.filter(pc.equal(whole["label"], label))
        own = own.sort_by([("count_all_sum", "descending"), ("text", "ascending")])
        entities = pc.sum(own["count_all_sum"]).as_py() or 0
        mean = (pc.sum(own["score_sum_sum"]).as_py() or 0.0) / max(1, entities)
        first = own.slice(0, FREQUENT)
        frequent = list(zip(first["text"].to_pylist(), first["count_all_sum"].to_pylist(), strict=True))
        yield label, LabelCounts(entities, own.num_rows, mean, frequent)


def _sample(
    run: RunDirectory, corpus: Mapping[str, Any], rows: Mapping[str, Sequence[tuple[int, dict[str, Any]]]]
) -> tuple[list[TaggedDocument], str]:
    """Return documents with their texts, or why there are none.

    Args:
        run: the run directory.
        corpus: what the run's manifest says of its corpus.
        rows: of some files of the run, by name: places of documents, and what the run has of them.
    """
    if not any(rows.values()):
        return [], "No document has an entity."
    of_run = [row for own in rows.values() for _, row in own]
    if all(corpus["text_column"] in row for row in of_run):
        return _some([TaggedDocument(row["id"], row[corpus["text_column"]], row["entities"]) for row in of_run]), ""
    size = corpus["listing"]["bytes"] if "listing" in corpus else sum(file["size"] for file in corpus["files"].values())
    if size > CORPUS_BYTES:
        return [], f"The corpus has more than {CORPUS_BYTES / 1e9:g} GB, and was not read again for a sample."
    try:
        plan = plan_of_finished_run(run)
        sample = []
        for index, name in enumerate(plan.shards.names):
            if name in rows:
                texts = read_shard(plan, plan.shards[index])["text"].to_pylist()
                sample += [TaggedDocument(row["id"], texts[place], row["entities"]) for place, row in rows[name]]
    except (InputError, OSError) as error:
        return [], f"The corpus has changed or cannot be read any more, so that no texts can be shown: {error}"
    shown = [document for document in sample if document.is_that_of_the_entities]
    return _some(shown), "" if shown else "The texts of the corpus have changed, so that none can be shown."


def _some(sample: Sequence[TaggedDocument]) -> list[TaggedDocument]:
    return [sample[number] for number in _evenly(len(sample), DOCUMENTS)]


def _evenly(count: int, wanted: int) -> list[int]:
    """Return so many places of `count`, evenly over them; all where there are not more."""
    wanted = min(count, wanted)
    return [number * count // wanted for number in range(wanted)]
