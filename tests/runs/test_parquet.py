from __future__ import annotations

import io

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kdner.errors import InputError
from kdner.runs.parquet import read_footer, read_parquet, write_parquet
from kdner.runs.schema import CORPUS, LOGITS

ROWS = [{"id": "a", "words": ["x"], "sentence_words": [1], "logits": [1.5, -2.0], "error": None}]


@pytest.fixture
def file():
    file = io.BytesIO()
    write_parquet(pa.Table.from_pylist(ROWS, schema=LOGITS.with_metadata({"counts": "1"})), file)
    return file


def test_a_file_gives_back_what_was_written(file):
    assert read_parquet(file, None, LOGITS, "file").to_pylist() == ROWS
    assert read_footer(file)[0] == 1 and read_footer(file)[1]["counts"] == "1"


def test_columns_come_in_the_order_asked_for(file):
    assert read_parquet(file, ["logits", "id"], None, "file").column_names == ["logits", "id"]


def test_a_file_of_another_schema_is_refused(file):
    with pytest.raises(InputError, match=r"here: column 1 is 'words'"):
        read_parquet(file, None, CORPUS, "here")


def test_logits_are_split_into_streams_and_all_columns_packed(file):
    columns = pq.ParquetFile(file).metadata.row_group(0)
    by_path = {columns.column(i).path_in_schema: columns.column(i) for i in range(columns.num_columns)}
    assert {column.compression for column in by_path.values()} == {"ZSTD"}
    assert {path for path, column in by_path.items() if "BYTE_STREAM_SPLIT" in column.encodings} == {
        "logits.list.element"
    }
