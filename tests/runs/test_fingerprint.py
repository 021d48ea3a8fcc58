from __future__ import annotations

import json

import pytest

from kdner.errors import InputError
from kdner.runs.fingerprint import differences, fingerprint_of_files, hash_of_code, hash_of_files


def test_fingerprints_of_files(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    path = str(tmp_path / "a")
    assert fingerprint_of_files([path]) == {path: {"size": 3, "mtime_ns": (tmp_path / "a").stat().st_mtime_ns}}
    assert json.dumps(fingerprint_of_files([path]))
    assert hash_of_files(str(tmp_path), ["a"])["a"].startswith("ba7816bf")
    with pytest.raises(InputError, match=r"no such file"):
        fingerprint_of_files([str(tmp_path / "b")])
    with pytest.raises(InputError, match=r"model.safetensors: cannot be read"):
        hash_of_files(str(tmp_path), ["model.safetensors"])


def test_differences_name_keys_and_both_values():
    there, here = {"a": {"b": 1, "c": [1]}, "gone": None}, {"a": {"b": 2, "c": [1]}, "new": "x" * 200}
    assert differences(there, here) == [
        "a.b: there 1, now 2",
        "gone: there null, now nothing",
        f'new: there nothing, now "{"x" * 96}...',
    ]
    assert differences(there, there) == []


def test_comments_and_layout_of_code_do_not_count(tmp_path):
    def hashed(source):
        path = tmp_path / "mine.py"
        path.write_text(source)
        return hash_of_code(path)

    plain = hashed("class Mine:\n    def score(self):\n        return 1\n")
    assert plain == hashed("# Ours.\nclass Mine:\n\n  def score(self):  # of all\n    return 1\n# end\n")
    assert plain != hashed("class Mine:\n    def score(self):\n        return 2\n")
    assert plain != hashed("class Mine:\n    def score(self): ...\nreturn 1\n")
    with pytest.raises(InputError, match=r"mine\.py: cannot be read as Python"):
        hashed("def broken(:\n    'x")
