"""A column of pandas, tagged."""

from __future__ import annotations

from dataclasses import asdict

import pandas as pd
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
