from __future__ import annotations

import bz2
import contextlib
import encodings.aliases
import gzip
import io
import json
import random
import zipfile

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from kdner.data import text_files
from kdner.data.text_files import (
    UNREADABLE,
    clean,
    decode,
    decompressed,
    line_blocks,
    read_lines,
)
from kdner.errors import InputError


def zstd(data):
    return pa.compress(data, codec="zstd", asbytes=True)


PACKERS = {"gzip": gzip.compress, "bzip2": bz2.compress, "zstd": zstd}
LONG = b"".join(b"%d %f\n" % (i, random.Random(i).random()) for i in range(20_000))
NEWS = "Zürich: José und Müller trafen sich in Köln.\n" * 50
"""Text with 4 letters in a line that are not ASCII."""


def unpacked(data):
    return decompressed(io.BytesIO(data)).read()


def read(data, encoding="utf-8"):
    return read_lines(decompressed(io.BytesIO(data)), "x.txt", encoding)


@pytest.mark.parametrize("pack", PACKERS.values(), ids=PACKERS)
def test_packed_files_are_told_by_their_first_bytes(pack):
    half = len(LONG) // 2
    assert unpacked(pack(LONG)) == unpacked(pack(LONG[:half]) + pack(LONG[half:])) == LONG
    assert unpacked(pack(b"") + pack(b"x")) == b"x" and unpacked(pack(b"")) == b""


@pytest.mark.parametrize("plain", [b"", b"\x1f", b"\x1f\x8bx", b"BZh9 is a word", b"(plain)", LONG])
def test_other_bytes_are_plain(plain):
    assert unpacked(plain) == plain


def test_padding_and_frames_without_content_are_passed_over():
    assert unpacked(gzip.compress(b"x") + b"\0" * 100) == b"x"
    assert unpacked(b"\x50\x2a\x4d\x18\x04\0\0\0what" + zstd(b"x")) == b"x"


@pytest.mark.parametrize("pack", PACKERS.values(), ids=PACKERS)
@pytest.mark.parametrize(
    "spoil",
    [
        lambda packed: packed[:-1],
        lambda packed: packed[:-60],
        lambda packed: packed[: len(packed) // 2],
        lambda packed: packed + packed[:12],
        lambda packed: packed + b"what is this",
        lambda packed: packed[:10] + b"\xff" * 8 + packed[18:],
    ],
    ids=["lacks a byte", "lacks 60", "half", "cut off in its second part", "other bytes behind", "broken"],
)
def test_a_packed_file_that_is_not_whole_is_an_error_never_a_short_read(pack, spoil):
    with pytest.raises(UNREADABLE):
        unpacked(spoil(pack(LONG)))


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@given(data=st.lists(st.sampled_from([b"\r", b"\n", b"\r\n", b"a", b"bc", "é".encode()])).map(b"".join))
def test_lines_end_with_any_of_three_ends_wherever_blocks_are_cut(size, data):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(text_files, "_BYTES_READ_AT_ONCE", size)
        blocks = list(line_blocks(io.BytesIO(data)))
    assert [line for block in blocks for line in block.splitlines(keepends=True)] == data.splitlines(keepends=True)
    assert read(data)[0] == io.StringIO(data.decode(), newline=None).read().removesuffix("\n").split("\n") * bool(data)


def test_only_these_are_line_ends():
    assert read("a\u2028b\x0bc\x0cd\x85e\x1cf\r\rg".encode()) == (["a\u2028b\x0bc\x0cd\x85e\x1cf", "", "g"], 0)


@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-16-be", "utf-32-be"])
def test_a_mark_tells_the_encoding(encoding):
    data = "Ada\r\nČapek 🤖\r日本".encode(encoding)
    marks = {"utf-16-le": b"\xff\xfe", "utf-16-be": b"\xfe\xff", "utf-32-be": b"\0\0\xfe\xff"}
    assert read(marks.get(encoding, b"") + data) == (["Ada", "Čapek 🤖", "日本"], 0)
    assert read(gzip.compress(marks.get(encoding, b"") + data), "cp1252")[0][1] == "Čapek 🤖"


def test_marks_go_at_the_beginning_of_any_line():
    joined = b"\xef\xbb\xbfone\n\xef\xbb\xbf\xef\xbb\xbftwo\n\xef\xbb\xbf\nin\xef\xbb\xbfside\n"
    assert read(joined) == (["one", "two", "", "in\ufeffside"], 0)
    assert read("\ufeffone\r\n\ufefftwo".encode("utf-16-le")) == (["one", "two"], 0)


@pytest.mark.parametrize(
    ("line", "text", "replaced"),
    [
        (b"ok\r\n", "ok", 0),
        ("was \ufffd before".encode(), "was \ufffd before", 0),
        (b"\xff and \xef\xbf\xbd", "\ufffd and \ufffd", 1),
        (b"cut \xe2\x80", "cut \ufffd\ufffd", 2),
        (b"half \xed\xa0\xbd", "half \ufffd\ufffd\ufffd", 3),
        (b"nul \0\0\n", "nul \ufffd\ufffd", 2),
    ],
)
def test_what_no_text_holds_is_replaced_and_counted(line, text, replaced):
    assert clean(decode(line)) == (text, replaced)


def test_json_can_escape_what_no_text_holds():
    assert clean(json.loads(r'"half \ud83d, whole \ud83e\udd16, nul \u0000"')) == (
        "half \ufffd, whole 🤖, nul \ufffd",
        2,
    )


def test_what_does_not_decode_in_another_encoding_is_replaced_and_counted():
    lone = "ab".encode("utf-16") + b"\x3d\xd8" + "c\n".encode("utf-16-le") * 200
    assert read(lone)[1] == 1 and read(lone)[0][0] == "ab\ufffdc"
    assert read(NEWS.encode("cp1252") + b"\x81", "cp1252")[1] == 1


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        (NEWS, "latin-1"),
        (NEWS, "cp1252"),
        ("Москва и Петербург\n" * 9, "cp1251"),
        ("Москва и Петербург\n" * 9, "koi8-r"),
        ("東京に住む。\n" * 9, "shift_jis"),
        ("北京 and more\n" * 9, "gb18030"),
        ("M\xfcller", "latin-1"),
    ],
)
def test_a_file_of_another_encoding_is_refused_and_read_once_it_is_named(text, encoding):
    with pytest.raises(InputError, match=r"x\.txt: is not UTF-8: [\d,]+ of its .*--encoding"):
        read(text.encode(encoding))
    assert read(text.encode(encoding), encoding) == (text.splitlines(), 0)


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-32-le"])
@pytest.mark.parametrize("text", [NEWS, "Москва и Петербург\n" * 9], ids=["Latin", "Cyrillic"])
def test_utf_16_without_a_mark_is_named(text, encoding):
    with pytest.raises(InputError, match=f"not text, but seems to be {encoding} without.*--encoding {encoding}"):
        read(text.encode(encoding))
    assert read(text.encode(encoding), encoding) == (text.splitlines(), 0)


@pytest.mark.parametrize("width", [16, 32])
@pytest.mark.parametrize(
    "text", [NEWS, "Москва и Петербург\n" * 9, "東京に住む。\n" * 9], ids=["Latin", "Cyrillic", "Kanji"]
)
def test_an_encoding_that_needs_a_mark_is_not_for_files_without(text, width):
    for encoding in (f"utf-{width}", f"UTF{width}"):
        with pytest.raises(InputError, match=rf"x\.txt: has no byte order mark.*utf-{width}-le or utf-{width}-be"):
            read(text.encode(f"utf-{width}-be"), encoding)
        assert read(text.encode(f"utf-{width}"), encoding) == read(text.encode(), encoding) == (text.splitlines(), 0)


@pytest.mark.parametrize("encoding", sorted({*encodings.aliases.aliases.values(), "idna", "punycode", "undefined"}))
def test_a_file_is_read_or_refused_in_any_encoding_that_python_knows(encoding):
    for data in (
        NEWS.encode("latin-1"),
        NEWS.encode("utf-16-le"),
        "東京に住む。\n".encode("shift_jis"),
        b"\\u12 \xe9" * 9,
    ):
        with contextlib.suppress(InputError):
            read(data, encoding)


def test_the_named_encoding_is_not_for_files_that_are_utf_8():
    damaged = (NEWS + "\n").encode() + b"caf\xe9 \xff\n"
    for encoding in ("utf-8", "utf8", "latin-1", "utf-16-le"):
        assert read(NEWS.encode(), encoding) == (NEWS.splitlines(), 0)
        assert read(damaged, encoding)[1] == 2


def test_a_few_broken_bytes_are_damage():
    assert read(b"plain words\n" * 1000 + b"\xe9 broken\xff\n")[1] == 2
    assert read(b"tiny \xff\xfe\n")[1] == 2


def test_a_named_encoding_that_does_not_fit_is_refused():
    with pytest.raises(InputError, match=r"cannot be read as shift_jis; name the right encoding"):
        read(NEWS.encode("latin-1"), "shift_jis")
    with pytest.raises(InputError, match=r"seems to be utf-16-le"):
        read(NEWS.encode("utf-16-le"), "latin-1")


def parquet():
    sink = io.BytesIO()
    pq.write_table(pa.table({"text": ["Ada left."]}), sink, compression="none")
    return sink.getvalue()


def archive():
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as file:
        file.writestr("a.txt", "Ada left.")
    return sink.getvalue()


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (parquet(), "Parquet; give it its own suffix"),
        (archive(), "a zip archive"),
        (gzip.compress(gzip.compress(LONG)), "gzip within"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + random.Random(1).randbytes(5000), "an image"),
        (b"a.txt" + b"\0" * 252 + b"ustar\0" + b"\0" * 250 + b"Ada left.\n", "a tar archive"),
        (random.Random(1).randbytes(5000), "binary data"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
@pytest.mark.parametrize("encoding", ["utf-8", "latin-1"])
def test_what_is_no_text_is_refused_by_what_it_seems_to_be(data, kind, encoding):
    with pytest.raises(InputError, match=rf"x\.txt: is not text, but seems to be {kind}"):
        read(data, encoding)


@pytest.mark.parametrize(("data", "lines"), [(b"", []), (b"\xff\xfe", []), (b"\xef\xbb\xbf", [""])])
def test_files_without_content(data, lines):
    assert read(data) == (lines, 0)
