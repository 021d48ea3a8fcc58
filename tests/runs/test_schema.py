from __future__ import annotations

import pyarrow as pa
import pytest

from kdner.errors import InputError
from kdner.runs.schema import CORPUS, check


@pytest.mark.parametrize(
    ("table", "named"),
    [
        (pa.table({"id": ["a"]}), r"out: column 'text' \(string\) is missing"),
        (pa.table({"id": [1], "text": ["a"]}), r"column 0 is 'id' \(int64\), expected 'id' \(string\)"),
        (pa.table({"text": ["a"], "id": ["a"]}), "column 0 is 'text'"),
        (pa.table({"id": ["a"], "text": ["a"], "more": [1]}), "unexpected column 'more'"),
        (pa.table({"id": pa.array([None], pa.string()), "text": ["a"]}), "column 'id' holds 1 nulls"),
    ],
)
def test_check_names_the_first_column_that_differs(table, named):
    with pytest.raises(InputError, match=named):
        check(table, CORPUS, "out")
