"""The actor of tag_corpus: documents to the student's entities."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kdner.runs.schema import CORPUS, ENTITIES
from kdner.student.engine import NumericType
from kdner.student.tagger import EntityTable, Tagger
from kdner.text.documents import in_order, in_parts
from kdner.text.words import count_words

MIN_SHARDS = 16
"""A student is done with 1 MB of text in a second: more shards of a small corpus would only cost time."""


def one_thread_tagger(student: str, dtype: NumericType | None = None) -> Tagger:
    """Read the student of an actor, which computes on one thread, whatever the process had.

    In PyTorch the last digits of a product depend on their number, and a shard that is made again must be the same.
    """
    tagger = Tagger.from_pretrained(student, dtype=dtype)
    if tagger.dtype != "int16":
        import torch

        torch.set_num_threads(1)
    return tagger


class TagDocuments:
    """Map a table of `schema.CORPUS` to one of `schema.ENTITIES`; columns that are kept follow in both."""

    schema = ENTITIES

    def __init__(
        self,
        student: str,
        dtype: NumericType | None = None,
        *,
        hard_wrapped: bool = False,
        score: Mapping[str, float] | None = None,
        kept: Sequence[pa.Field] = (),
    ) -> None:
        """Load a student.

        Args:
            student: its directory.
            dtype: what it computes in; by default what the CPU is fastest at.
            hard_wrapped: whether lines of documents end in the middle of sentences.
            score: entities with a lower score than that of their label are left out.
            kept: columns of the corpus that are copied, as its plan has them.
        """
        self.schema = pa.schema([*ENTITIES, *kept])
        self.score = score
        self.tagger = one_thread_tagger(student, dtype)
        self.hard_wrapped = hard_wrapped

    def __call__(self, documents: pa.Table) -> pa.Table:
        """Find the entities of each document."""
        texts = documents["text"].to_pylist()
        tagged = partial(self.tagger.entity_table, hard_wrapped=self.hard_wrapped, score=self.score)
        parts, errors = in_parts(texts, tagged)
        words = np.zeros(len(texts), np.int32)
        for rows, table in parts:
            words[rows] = table.words
        for row, error in enumerate(errors):
            if error and texts[row]:
                words[row] = count_words(texts[row])
        entities = in_order([self._lists(table) for _, table in parts], parts, len(texts), _LIST)
        kept = documents.columns[len(CORPUS) :]
        return pa.Table.from_arrays(
            [documents["id"], entities, pa.array(words), pa.array(errors, pa.string()), *kept], schema=self.schema
        )

    def counts(self, documents: pa.Table, mapped: pa.Table) -> dict[str, int]:
        """Count the white-space separated words of documents, and the entities in what they were mapped to."""
        totals = {"words": mapped["words"], "entities": pc.list_value_length(mapped["entities"])}
        return {name: pc.sum(column).as_py() or 0 for name, column in totals.items()}

    def _lists(self, table: EntityTable) -> pa.Array:
        """Return entities as an array of `_LIST`, one list for each document."""
        with self.tagger.times.step("decode"):
            columns = (table.starts, table.ends, table.labels, table.texts, table.scores)
            arrays = [pa.array(column, field.type) for column, field in zip(columns, _FIELDS, strict=True)]
            offsets = np.concatenate([[0], np.cumsum(table.documents)]).astype(np.int32)
            structs = pa.StructArray.from_arrays(arrays, fields=_FIELDS)
            return pa.ListArray.from_arrays(pa.array(offsets), structs, type=_LIST)


_LIST = ENTITIES.field("entities").type
_FIELDS = list(_LIST.value_type)
