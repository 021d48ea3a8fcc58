from __future__ import annotations

import pytest
from files import put_json, put_lines, put_parquet, rows

from kdner.data.corpus import plan_corpus
from kdner.errors import InputError


def test_folders_take_known_suffixes_and_no_hidden_files(tmp_path):
    for name in (
        "x.txt",
        "README.md",
        "_SUCCESS",
        "_temporary/a.txt",
        ".hidden.txt",
        "deep/er/y.txt",
        "z.csv",
        "d/_w.txt",
    ):
        put_lines(tmp_path / name, ["a"])
    assert [file.name for file in plan_corpus([str(tmp_path)], shard_documents=9).files] == [
        "deep/er/y.txt",
        "x.txt",
    ]


@pytest.mark.parametrize(
    ("pattern", "expected"),
    [
        ("*.txt", ["a.txt", "b1.txt"]),
        ("b?.txt", ["b1.txt"]),
        ("[ab]*.txt", ["a.txt", "b1.txt"]),
        ("*/c.txt", ["s/c.txt"]),
        ("s*", ["s/c.txt", "s/t/d.jsonl"]),
        ("s*/", ["s/c.txt", "s/t/d.jsonl"]),
        ("**/*.txt", ["a.txt", "b1.txt", "s/c.txt"]),
        ("**/d.*", ["s/t/d.jsonl"]),
        ("**", ["a.txt", "b1.txt", "s/c.txt", "s/t/d.jsonl"]),
    ],
)
@pytest.mark.parametrize("style", ["absolute", "relative", "uri"])
def test_globs(tmp_path, monkeypatch, pattern, expected, style):
    monkeypatch.chdir(tmp_path)
    for name in ("a.txt", "b1.txt", "s/c.txt", "s/t/d.jsonl", "_no/e.txt", "s/.f.txt"):
        put_json(tmp_path / name, [{"text": "x"}])
    if style == "uri":
        pattern = pattern.replace("?", "[0-9]")  # there, a question mark begins the query
    source = {
        "absolute": f"{tmp_path}/{pattern}",
        "relative": pattern,
        "uri": f"file://{tmp_path}/{pattern}",
    }[style]
    found = [file.path for file in plan_corpus([source], shard_documents=9).files]
    assert found == [str(tmp_path / name) for name in expected]


def test_a_file_whose_name_looks_like_a_glob(tmp_path):
    source = put_lines(tmp_path / "a[1] ü%20.txt", ["x"])
    assert rows(plan_corpus([source], shard_documents=1)) == [("a[1] ü%20.txt:0", "x")]


@pytest.mark.parametrize("missing", ["nowhere.txt", "nowhere/", "*.txt", "empty"])
def test_nothing_found(tmp_path, missing):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"no such file or folder|no corpus file here; give files"):
        plan_corpus([f"{tmp_path}/{missing}"], shard_documents=1)


@pytest.mark.parametrize("name", ["a.parquet", "a.parquet.gz", "a.txt.gz", "a.jsonl.gz"])
def test_files_that_are_cut_off_are_named(tmp_path, name):
    make = put_parquet if "parquet" in name else lambda path, _: put_json(path, [{"text": str(i)} for i in range(999)])
    source = make(tmp_path / name, {"text": [str(i) for i in range(999)]})
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-60])
    with pytest.raises(InputError, match=rf"{name}: cannot be read"):
        plan_corpus([source], shard_documents=10)
