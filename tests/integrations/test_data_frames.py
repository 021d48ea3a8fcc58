"""A column of pandas, tagged."""

from __future__ import annotations

from dataclasses import asdict

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from kdner.errors import InputError
from kdner.integrations.data_frames import COLUMNS, entity_frame

TEXTS = ["Anna Schmidt flew to Paris.", "It rained.", "Tom met Mary in Rome."]


def test_a_row_for_each_entity_under_the_index_of_its_text(taught):
    frame = pd.DataFrame({"text": TEXTS, "source": ["a", "b", "c"]}, index=["x", "y", "z"])
    entities = entity_frame(taught, frame["text"])
    found = dict(zip("xyz", taught.tag(TEXTS), strict=True))
    assert list(entities.index) == [name for name in "xyz" for _ in found[name]]
    assert entities.to_dict("records") == [asdict(entity) for name in "xyz" for entity in found[name]]
    beside = frame.join(entities.drop(columns="text"))
    assert pd.isna(beside.loc["y", "label"]) and set(beside.index) == {"x", "y", "z"}
    first = beside.iloc[0]
    assert first["text"][int(first["start"]) : int(first["end"])] == "Anna Schmidt" and first["source"] == "a"


def test_types_do_not_depend_on_what_is_found(taught):
    every, none = entity_frame(taught, iter(TEXTS)), entity_frame(taught, ["It rained."])
    assert len(every) and not len(none) and dict(every.dtypes) == dict(none.dtypes)
    assert list(none.columns) == list(COLUMNS) and set(every.index) == {0, 2}
    assert len(entity_frame(taught, [])) == 0


def test_unsure_entities_are_left_out(taught):
    assert len(entity_frame(taught, TEXTS, score=1.0)) < len(entity_frame(taught, TEXTS, score={"PER": 0.1}))


def test_missing_texts_are_named_and_dropped_by_pandas(taught):
    column = pd.Series(["Anna left.", None, "Tom left Rome."], index=[10, 20, 30])
    with pytest.raises(InputError, match=r"texts\[1\]"):
        entity_frame(taught, column)
    assert set(entity_frame(taught, column.dropna()).index) == {10, 30}


@pytest.mark.parametrize(
    "texts, message",
    [
        ("Anna left.", r"texts is one string \('Anna left.'\); give a column of texts, or a list"),
        (pd.DataFrame({"text": TEXTS}), "texts is a DataFrame; give one of its columns"),
        (pa.table({"text": TEXTS}), "texts is a Table; give one of its columns"),
        ({"a": "Anna left."}, "texts is a dict; give strings"),
        (b"Anna left.", "texts is a bytes"),
        (None, "texts is None; give strings"),
        (3, "texts is an int"),
        ([TEXTS], r"texts\[0\] is a list"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_what_is_no_column_is_refused(taught, texts, message):
    with pytest.raises(InputError, match=message):
        entity_frame(taught, texts)


def test_columns_of_other_kinds(taught):
    frame = entity_frame(taught, TEXTS)
    for texts in (tuple(TEXTS), pd.Index(TEXTS), np.array(TEXTS), pa.array(TEXTS), pd.Series(TEXTS, dtype="string")):
        pd.testing.assert_frame_equal(entity_frame(taught, texts), frame)
