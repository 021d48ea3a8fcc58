"""A column of texts as a table of entities: pandas in, pandas out."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable
from dataclasses import asdict
from itertools import chain
from typing import TYPE_CHECKING

from kdner.errors import InputError
from kdner.student.model import Student
from kdner.student.thresholds import Score
from kdner.text.given import listed_texts

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = {"start": "int64", "end": "int64", "label": object, "text": object, "score": "float64"}
"""The fields of `kdner.student.tagger.Entity`, and their types in a table."""


def entity_frame(student: Student, texts: Iterable[str], *, score: Score = None) -> pd.DataFrame:
    """Tag a column of texts; returns a row for each entity, with the columns of `COLUMNS`.

    The index of a row is that of its text, as in `DataFrame.explode`: `frame.join(entities.drop(columns="text"))` puts
    them beside their texts. A column with missing texts is given as `column.dropna()`, which keeps the index.

    Args:
        student: who tags.
        texts: a column of pandas, or any other iterable of texts, which are then numbered.
        score: the least score of an entity, as `Student.tag` takes it.

    Raises:
        InputError: it is no column, such as a whole table or a single text, or one of them is no text; the message
            names its place.
    """
    import pandas as pd

    if isinstance(texts, str):
        raise InputError(f"texts is one string ({reprlib.repr(texts)}); give a column of texts, or a list: [text]")
    listed = listed_texts(texts)
    found = student.tag(listed, score=score)
    rows = pd.DataFrame([asdict(entity) for entity in chain(*found)], columns=list(COLUMNS))
    index = texts.index if isinstance(texts, pd.Series) else pd.RangeIndex(len(listed))
    return rows.astype(COLUMNS).set_axis(index.repeat([len(entities) for entities in found]))
