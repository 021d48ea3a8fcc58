from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from kdner.runs import provenance
from kdner.runs.provenance import git_commit, settings, versions


@pytest.fixture
def checkout(tmp_path, monkeypatch):
    """A checkout whose `.git` has nothing in it yet."""
    monkeypatch.delenv("KDNER_COMMIT", raising=False)
    monkeypatch.setattr(provenance, "__file__", str(tmp_path / "kdner" / "runs" / "provenance.py"))
    git_commit.cache_clear()
    (tmp_path / ".git" / "refs" / "heads").mkdir(parents=True)
    yield tmp_path / ".git"
    git_commit.cache_clear()


def test_the_commit_of_a_branch(checkout):
    (checkout / "HEAD").write_text("ref: refs/heads/main\n")
    (checkout / "refs" / "heads" / "main").write_text("0123abc\n")
    assert git_commit() == "0123abc"


def test_the_commit_of_a_packed_branch(checkout):
    (checkout / "HEAD").write_text("ref: refs/heads/main\n")
    (checkout / "packed-refs").write_text("# pack-refs with: peeled\n99 refs/heads/other\n^88\n77 refs/heads/main\n")
    assert git_commit() == "77"


def test_a_detached_commit_and_none(checkout):
    assert git_commit() is None
    git_commit.cache_clear()
    (checkout / "HEAD").write_text("4567def\n")
    assert git_commit() == "4567def"


def test_an_image_says_its_commit_but_code_that_travels_has_its_own(checkout, monkeypatch):
    monkeypatch.setenv("KDNER_COMMIT", "fromimage")
    assert git_commit() == "fromimage"
    git_commit.cache_clear()
    (checkout / "HEAD").write_text("4567def\n")
    assert git_commit() == "4567def"


def test_a_branch_without_a_commit(checkout):
    (checkout / "HEAD").write_text("ref: refs/heads/new\n")
    (checkout / "packed-refs").write_text("77 refs/heads/main\n")
    assert git_commit() is None


def test_versions_of_what_decides_a_result():
    import torch

    import kdner

    found = versions()
    assert found["kdner"] == kdner.__version__
    assert found["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert {"python", "ray", "transformers", "pyarrow"} <= set(found)


@dataclass
class Inner:
    uri: str = "s3://bucket/key?secret=hush"


@dataclass
class Outer:
    corpus: tuple[str, ...] = ("s3://id:hush@bucket/news", "news/*.parquet")
    inner: Inner = field(default_factory=Inner)
    share: float = 0.5
    none: None = None


def test_settings_are_json_without_secrets():
    assert settings(Outer()) == {
        "corpus": ["s3://bucket/news", "news/*.parquet"],
        "inner": {"uri": "s3://bucket/key"},
        "share": 0.5,
        "none": None,
    }
