from __future__ import annotations

import gzip

import pytest
from pyarrow.fs import LocalFileSystem, SubTreeFileSystem

from kdner.runs.storage import _whole_remote, commit, join, without_secrets


def test_nothing_has_the_final_name_until_it_is_whole(tmp_path):
    target = tmp_path / "model.bin"
    with commit(str(target)) as file:
        file.write(b"half")
        file.flush()
        assert not target.exists()
        assert [path.name.startswith(".model.bin.tmp-") for path in tmp_path.iterdir()] == [True]
        file.write(b" and half")
    assert target.read_bytes() == b"half and half"
    assert list(tmp_path.iterdir()) == [target]


def test_a_file_system_that_is_not_local_gets_whole_files_too(tmp_path):
    elsewhere = SubTreeFileSystem(str(tmp_path), LocalFileSystem())
    with _whole_remote(elsewhere, ".notes.tmp", "notes") as file:
        file.write(b"old")
        assert not list(tmp_path.iterdir())
    with pytest.raises(RuntimeError), _whole_remote(elsewhere, ".notes.tmp", "notes") as file:
        file.write(b"new")
        raise RuntimeError
    assert (tmp_path / "notes").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["notes"]


def test_a_file_system_that_is_not_local_gets_the_bytes_as_they_are(tmp_path):
    elsewhere = SubTreeFileSystem(str(tmp_path), LocalFileSystem())
    for name, content in [("corpus.txt.gz", gzip.compress(b"some words")), ("empty", b"")]:
        with _whole_remote(elsewhere, f".{name}", name) as file:
            file.write(content)
        assert (tmp_path / name).read_bytes() == content


def test_join_keeps_the_query_of_a_uri():
    assert join("s3://bucket/run/?region=eu", "a") == "s3://bucket/run/a?region=eu"
    assert join("what?/run", "a") == "what?/run/a"


def test_the_secrets_of_a_uri_are_left_out():
    shown = without_secrets("s3://key:secret@bucket/a%20b/c.txt?region=eu&token=x")
    assert shown == "s3://bucket/a b/c.txt"
    assert without_secrets("/a@b/what?.txt") == "/a@b/what?.txt"
