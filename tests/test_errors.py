from __future__ import annotations

import pickle

import pytest

from kdner.errors import InputError


@pytest.mark.parametrize(
    ("message", "shown"),
    [
        ("s3://key:secret@bucket/a%20b?endpoint=127.0.0.1:9&token=x: gone", "s3://bucket/a%20b: gone"),
        ("no 's3://key:secret@bucket/a?token=x', nor (gs://b/c?token=x).", "no 's3://bucket/a', nor (gs://b/c)."),
        ("s3://key:sec/ret@bucket/a: no such host", "s3://bucket/a: no such host"),
        ("s3://bucket/user@home/a.txt: gone; why?", "s3://bucket/user@home/a.txt: gone; why?"),
        ("/a@b/what?.txt: gone", "/a@b/what?.txt: gone"),
        ("s3://bucket/a?token=x", "s3://bucket/a"),
    ],
)
def test_the_secrets_of_uris_are_left_out(message, shown):
    assert str(InputError(message)) == shown
    assert str(pickle.loads(pickle.dumps(InputError(message)))) == shown
