"""The actor of tag_corpus: documents to the student's entities."""

from __future__ import annotations

from dataclasses import asdict

import pyarrow as pa

from kdner.documents import each_document
from kdner.schema import ENTITIES
from kdner.tagger import Tagger
from kdner.text import count_words


class TagDocuments:
    """Map a table of `schema.CORPUS` to one of `schema.ENTITIES`; the student is a directory."""

    def __init__(self, student: str) -> None:
        self.tagger = Tagger.load(student)

    def __call__(self, documents: pa.Table) -> pa.Table:
        """Find the entities of each document."""
        texts = documents["text"].to_pylist()
        found, errors = each_document(texts, self.tagger.tag)
        entities = [None if own is None else [asdict(entity) for entity in own] for own in found]
        words = [count_words(text) if text else 0 for text in texts]
        columns = [pa.array(column, ENTITIES.field(i + 1).type) for i, column in enumerate((entities, words, errors))]
        return pa.Table.from_arrays([documents["id"], *columns], schema=ENTITIES)
