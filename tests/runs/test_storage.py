from __future__ import annotations

import errno
import gzip
import os
from functools import partial
from io import FileIO

import pyarrow as pa
import pytest
from files import unusual_permissions
from pyarrow.fs import LocalFileSystem, SubTreeFileSystem

from kdner.errors import InputError, StorageError
from kdner.runs.parquet import write_parquet
from kdner.runs.storage import (
    _whole_remote,
    commit,
    commit_folder,
    create_folder,
    give_usual_permissions,
    is_temporary,
    join,
    locate,
    without_secrets,
)


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


def test_no_folder_has_the_final_name_until_it_is_whole(tmp_path):
    target = tmp_path / "above" / "model"
    with commit_folder(target) as folder:
        (folder / "config.json").write_text("{}")
        (folder / "encoder").mkdir()
        (folder / "encoder" / "weights").write_bytes(b"half")
        assert not target.exists() and is_temporary(folder.name)
        (folder / "encoder" / "weights").write_bytes(b"half and half")
    assert (target / "encoder" / "weights").read_bytes() == b"half and half"
    assert list(target.parent.iterdir()) == [target]


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_a_folder_whose_block_fails_is_not_there(tmp_path, failure):
    with pytest.raises(failure), commit_folder(tmp_path / "model") as folder:
        (folder / "config.json").write_text("{}")
        raise failure
    assert list(tmp_path.iterdir()) == []


def test_what_a_killed_process_left_of_a_folder_is_deleted_and_nothing_else(tmp_path):
    killed, similar = tmp_path / f".mo[d]el.tmp-{'a' * 16}", tmp_path / f".model.tmp-{'a' * 16}"
    for folder in (killed, similar):
        folder.mkdir()
        (folder / "junk").write_text("")
    with commit_folder(tmp_path / "mo[d]el") as folder:
        assert list(folder.iterdir()) == [] and not killed.exists()
    assert sorted(path.name for path in tmp_path.iterdir()) == [similar.name, "mo[d]el"]


def test_a_folder_that_cannot_be_written_is_an_input_error(tmp_path):
    (tmp_path / "taken").write_text("")
    with pytest.raises(InputError, match=r"model: cannot be written"), commit_folder(tmp_path / "taken" / "model"):
        pass
    with commit_folder(tmp_path / "model") as folder:
        (folder / "config.json").write_text("old")
    with pytest.raises(InputError, match=r"model: cannot be written"), commit_folder(tmp_path / "model") as folder:
        (folder / "config.json").write_text("new")
    assert (tmp_path / "model" / "config.json").read_text() == "old"


def test_a_file_system_that_is_not_local_gets_whole_files_too(tmp_path):
    elsewhere = SubTreeFileSystem(str(tmp_path), LocalFileSystem())
    with _whole_remote(elsewhere, ".notes.tmp", "notes", "far://notes") as file:
        file.write(b"old")
        assert not list(tmp_path.iterdir())
    with pytest.raises(RuntimeError), _whole_remote(elsewhere, ".notes.tmp", "notes", "far://notes") as file:
        file.write(b"new")
        raise RuntimeError
    assert (tmp_path / "notes").read_bytes() == b"old"
    assert [path.name for path in tmp_path.iterdir()] == ["notes"]


def test_a_file_system_that_is_not_local_gets_the_bytes_as_they_are(tmp_path):
    elsewhere = SubTreeFileSystem(str(tmp_path), LocalFileSystem())
    for name, content in [("corpus.txt.gz", gzip.compress(b"some words")), ("empty", b"")]:
        with _whole_remote(elsewhere, f".{name}", name, name) as file:
            file.write(content)
        assert (tmp_path / name).read_bytes() == content


def test_only_what_cannot_be_written_is_the_storages_error(tmp_path):
    target = tmp_path / "corpus.parquet"
    with pytest.raises(FileNotFoundError, match="dataset"), commit(str(target)) as file:
        file.write((tmp_path / "dataset").read_bytes())
    with pytest.raises(ConnectionResetError), commit(str(target)) as file:
        raise ConnectionResetError("the hub")
    with pytest.raises(StorageError, match=r"none/a: cannot be written .*make room"), commit(str(tmp_path / "none/a")):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("far", [False, True], ids=["local", "far"])
@pytest.mark.parametrize("content", [b"small", b"large" * 100_000], ids=["in the buffer", "beyond it"])
def test_a_full_disk_is_the_storages_error_whoever_writes(tmp_path, monkeypatch, far, content):
    monkeypatch.setattr("kdner.runs.storage.tempfile.TemporaryFile", lambda **_: FileIO("/dev/full", "wb"))
    monkeypatch.setattr("pathlib.Path.open", lambda *_, **__: FileIO("/dev/full", "wb"))
    path = str(tmp_path / "notes")
    whole = partial(_whole_remote, LocalFileSystem(), f"{path}.tmp", path, path) if far else partial(commit, path)
    with pytest.raises(StorageError, match=r"notes: cannot be written .*No space left") as error, whole() as file:
        file.write(content)
    assert error.value.__cause__.errno == errno.ENOSPC
    table = pa.table({"text": [content.decode()]})
    with pytest.raises(StorageError, match=r"notes: cannot be written .*No space left"), whole() as file:
        write_parquet(table, file)
    assert not (tmp_path / "notes").exists()


def test_files_and_folders_have_the_permissions_that_the_umask_gives(umask, tmp_path):
    create_folder(str(tmp_path / "one"))
    with commit(str(tmp_path / "one" / "notes")) as file:
        file.write(b"whole")
    with commit_folder(tmp_path / "above" / "model") as folder:
        (folder / "encoder").mkdir()
        (folder / "encoder" / "config.json").write_text("{}")
    assert not unusual_permissions(tmp_path)


def test_files_of_others_get_the_usual_permissions(umask, tmp_path):
    hidden, open_ = tmp_path / "hidden", tmp_path / "open"
    for path, mode in ((hidden, 0o600), (open_, 0o777)):
        path.write_text("whole")
        path.chmod(mode)
    assert set(unusual_permissions(tmp_path)) == {hidden, open_}
    give_usual_permissions([hidden, open_])
    assert not unusual_permissions(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hidden", "open"] and hidden.read_text() == "whole"


def test_join_keeps_the_query_of_a_uri():
    assert join("s3://bucket/run/?region=eu", "a") == "s3://bucket/run/a?region=eu"
    assert join("what?/run", "a") == "what?/run/a"


def test_the_secrets_of_a_uri_are_left_out():
    shown = without_secrets("s3://key:secret@bucket/a%20b/c.txt?region=eu&token=x")
    assert shown == "s3://bucket/a b/c.txt"
    assert without_secrets("/a@b/what?.txt") == "/a@b/what?.txt"


def test_an_empty_path_is_not_the_current_folder():
    with pytest.raises(InputError, match="a path is empty, perhaps of a variable that is not set"):
        locate("")


def test_a_link_stays_and_what_it_leads_to_is_written(tmp_path):
    target, link = tmp_path / "there" / "target", tmp_path / "link"
    target.parent.mkdir()
    link.symlink_to("there/target")
    for content in (b"first", b"second"):
        with commit(str(link)) as file:
            file.write(content)
        assert link.is_symlink() and target.read_bytes() == content
    assert [path.name for path in target.parent.iterdir()] == ["target"]


def test_a_pipe_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(InputError, match=r"pipe: is a device or a pipe, .*; name a file"), commit(f"{tmp_path}/pipe"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["pipe"] and (tmp_path / "pipe").is_fifo()
