from __future__ import annotations

import errno

import pytest

import kdner.shards.patience
from kdner.errors import InputError, StorageError
from kdner.shards.patience import patiently


@pytest.fixture(autouse=True)
def pauses(monkeypatch):
    """The pauses that were made, in no time."""
    made, now = [], [0.0]

    def sleep(seconds):
        made.append(seconds)
        now[0] += seconds

    monkeypatch.setattr(kdner.shards.patience.time, "sleep", sleep)
    monkeypatch.setattr(kdner.shards.patience.time, "monotonic", lambda: now[0])
    return made


def failing(times, error):
    left = [times]

    def read():
        left[0] -= 1
        if left[0] >= 0:
            raise error
        return "read"

    return read


def storage_error(number=None):
    error = StorageError("s3://bucket/x: no such file")
    error.__cause__ = None if number is None else OSError(number, "")
    return error


def test_storage_that_is_away_for_a_while_is_asked_again(pauses, caplog):
    assert patiently(failing(4, storage_error()), 60) == "read"
    assert pauses == [1, 2, 4, 8]
    assert "s3://bucket/x: no such file; tried again in 8 s" in caplog.messages


def test_patience_ends(pauses):
    with pytest.raises(StorageError):
        patiently(failing(99, storage_error(errno.EIO)), 60)
    assert sum(pauses) <= 60 and len(pauses) == 7


@pytest.mark.parametrize("error", [storage_error(errno.ENOSPC), storage_error(errno.EROFS), InputError("it changed")])
def test_what_waiting_does_not_mend_is_said_at_once(pauses, error):
    with pytest.raises(InputError):
        patiently(failing(1, error), 60)
    assert not pauses
