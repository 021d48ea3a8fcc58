from __future__ import annotations

import pytest

from kdner.data.encodings import Evidence, check_encoding
from kdner.errors import InputError


@pytest.mark.parametrize("encoding", ["latin1", "UTF-16", "cp1252", "shift_jis", "utf-8", "gb18030"])
def test_encodings_by_name(encoding):
    check_encoding(encoding)


@pytest.mark.parametrize("encoding", ["klingon", "base64", "rot13", ""])
def test_names_that_are_no_encoding(encoding):
    with pytest.raises(InputError, match=rf"--encoding {encoding}: no encoding of text"):
        check_encoding(encoding)


@pytest.mark.parametrize("encoding", ["utf-7", "iso2022_jp", "hz"])
def test_encodings_that_look_like_utf_8(encoding):
    with pytest.raises(InputError, match=rf"--encoding {encoding}: .*cannot be told from UTF-8; convert"):
        check_encoding(encoding)


def test_evidence_adds_up_over_blocks():
    whole, parted = Evidence("x"), Evidence("x")
    data = ("Müller in Köln\n" * 1000).encode() + b"M\xfcller in K\xf6ln\n" * 100
    whole.add(data)
    for line in data.splitlines(keepends=True):
        parted.add(line)
    whole.head = parted.head = whole.example = parted.example = b""
    assert whole == parted and whole.undecoded == whole.telling == 200
