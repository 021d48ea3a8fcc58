"""The actor of tag_corpus: documents to the student's entities."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
import torch

from kdner.data.documents import in_parts
from kdner.runs.schema import ENTITIES
from kdner.student.model import Student
from kdner.student.tagger import Found, Tagger
from kdner.text.words import count_words


class TagDocuments:
    """Map a table of `schema.CORPUS` to one of `schema.ENTITIES`.

    The student is a directory; `dtype` (`float32` or `bfloat16`) is by default what the CPU is fastest at. It computes
    on one thread, whatever the process had: the last digits of a product depend on their number, and a shard that is
    made again must be the same.
    """

    def __init__(self, student: str, dtype: str | None = None) -> None:
        torch.set_num_threads(1)
        kind = getattr(torch, dtype) if dtype else None
        self.tagger = Tagger(Student.from_pretrained(student), dtype=kind)

    def __call__(self, documents: pa.Table) -> pa.Table:
        """Find the entities of each document."""
        texts = documents["text"].to_pylist()
        parts, errors = in_parts(texts, self.tagger.find)
        words = np.zeros(len(texts), np.int32)
        place = np.full(len(texts), -1)
        done = 0
        for rows, found in parts:
            words[rows] = found.words
            place[rows] = np.arange(done, done + len(rows))
            done += len(rows)
        for row, error in enumerate(errors):
            if error and texts[row]:
                words[row] = count_words(texts[row])
        entities = pa.concat_arrays([_entities(found) for _, found in parts]) if parts else pa.array([], _LIST)
        if (place != np.arange(len(texts))).any():
            entities = entities.take(pa.array(place, mask=place < 0))
        return pa.Table.from_arrays(
            [documents["id"], entities, pa.array(words), pa.array(errors, pa.string())], schema=ENTITIES
        )


_LIST = ENTITIES.field("entities").type


def _entities(found: Found) -> pa.Array:
    """Return the entities as an array of `_LIST`, one list for each document."""
    fields = list(_LIST.value_type)
    columns = (found.starts, found.ends, found.labels, found.texts, found.scores)
    structs = pa.StructArray.from_arrays(
        [pa.array(column, field.type) for column, field in zip(columns, fields, strict=True)], fields=fields
    )
    offsets = np.concatenate([[0], np.cumsum(found.documents)]).astype(np.int32)
    return pa.ListArray.from_arrays(pa.array(offsets), structs, type=_LIST)
