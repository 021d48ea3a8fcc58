from __future__ import annotations

import bz2
import codecs
import gzip

import pyarrow as pa
import pytest

from kdner.errors import InputError
from kdner.flags import Layout
from kdner.labeled.remarks import Remarks
from kdner.labeled.sets import read_labeled

ROWS = "José B-PER\nleft O\n\nÖrebro B-LOC\n"


@pytest.mark.parametrize(
    "content",
    [
        ROWS.encode("utf-8-sig"),
        codecs.BOM_UTF16_LE + ROWS.encode("utf-16-le"),
        codecs.BOM_UTF16_BE + ROWS.encode("utf-16-be"),
        codecs.BOM_UTF32_LE + ROWS.encode("utf-32-le"),
        ROWS.replace("\n", "\r").encode(),
        gzip.compress(ROWS[:18].encode()) + gzip.compress(ROWS[18:].encode()),
        bz2.compress(ROWS.encode()),
        pa.compress(ROWS.encode(), codec="zstd", asbytes=True),
    ],
    ids=["utf-8-sig", "utf-16-le", "utf-16-be", "utf-32", "cr", "gzip of two parts", "bzip2", "zstd"],
)
def test_files_are_told_by_their_first_bytes(write, content):
    for name in ("set.conll", "set.conll.gz"):
        sentences = read_labeled(write(name, content))
        assert [(s.text, s.tags) for s in sentences] == [("José left", ["B-PER", "O"]), ("Örebro", ["B-LOC"])]


def test_another_encoding_is_refused_with_its_place_and_read_by_its_name(write):
    source = write("set.conll", ROWS.encode("cp1252"))
    with pytest.raises(InputError, match=r"set\.conll:1: byte 3 \(0xe9\) is not UTF-8.*--encoding cp1252.*'José'"):
        read_labeled(source)
    assert [s.text for s in read_labeled(source, Layout(encoding="cp1252"))] == ["José left", "Örebro"]
    assert read_labeled(write("utf-8.conll", ROWS), Layout(encoding="cp1252"))[0].text == "José left"
    with pytest.raises(InputError, match="--encoding klingon"):
        read_labeled(source, Layout(encoding="klingon"))


def test_nul_is_replaced_and_counted(write, caplog):
    remarks = Remarks()
    rows = "".join(f"Anna{k} B-PER\n\n" for k in range(99))
    sentences = read_labeled(write("set.conll", rows + "Bo\0 B-PER\n"), remarks=remarks)
    assert sentences[-1].text == "Bo\ufffd"
    assert remarks.counts == {"characters that are no text, replaced by U+FFFD": 1}
    assert "set.conll: 1 characters that are no text, replaced by U+FFFD" in caplog.text


@pytest.mark.parametrize("content, name", [(b"PAR1\0\0\1\2" * 99, "Parquet"), (b"PK\3\4\0\0\0\1\2" * 99, "zip")])
def test_what_is_no_text_is_refused_by_its_name(write, content, name):
    with pytest.raises(InputError, match=rf"set\.conll: is not text, but seems to be .*{name}"):
        read_labeled(write("set.conll", content))
