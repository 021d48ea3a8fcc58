from __future__ import annotations

import bz2
import gzip
import os
import re

import pyarrow as pa
import pytest
from files import put, put_json, put_lines, put_parquet, rows

from kdner.corpora.plan import plan_corpus
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


def found_in(*inputs):
    corpus = plan_corpus([str(source) for source in inputs], shard_documents=9)
    return [file.name for file in corpus.files], dict(corpus.passed_over)


def test_what_a_folder_holds_beside_the_corpus_is_counted_by_suffix_and_told(tmp_path, caplog):
    put_parquet(tmp_path / "part-0.parquet", {"text": ["Ada left."]})
    beside = ["LICENSE.txt", "README", "readme.md", "Notice.txt", "dataset_infos.json", "state.json"]
    for name in (*beside, "b.csv", "c.csv", "d", "e.xz", "_SUCCESS", ".part-0.parquet.crc", "sub/f.CSV"):
        put_lines(tmp_path / name, ["no document"])
    told = {**dict.fromkeys(beside, 1), ".csv": 3, "without suffix": 1, ".xz": 1}
    assert found_in(tmp_path) == found_in(tmp_path, tmp_path) == (["part-0.parquet"], told)
    assert "passed over 3 .csv, 1 .xz, 1 LICENSE.txt, 1 Notice.txt, 1 README, " in caplog.text


def test_a_glob_that_matches_what_cannot_be_read_is_refused(tmp_path):
    for name in ("a.jsonl.gz", "c.jsonl", "d.csv", "e.md", "f.docx", "g.odt", "README.md", "state.json"):
        put_json(tmp_path / name, [{"text": "x"}])
    with pytest.raises(InputError, match=r"also matches files of unknown format: d.csv, e.md, f.docx and 1 more; give"):
        found_in(tmp_path / "*")
    assert found_in(tmp_path / "*.jsonl*") == (["a.jsonl.gz", "c.jsonl"], {})
    for name in ("d.csv", "e.md", "f.docx", "g.odt"):
        (tmp_path / name).unlink()
    assert found_in(tmp_path / "*") == (["a.jsonl.gz", "c.jsonl"], {"README.md": 1, "state.json": 1})


def test_every_packer_is_read_beside_the_others(tmp_path):
    line = b'{"text": "x"}\n'
    packed = {"gz": gzip.compress(line), "bz2": bz2.compress(line), "zst": pa.compress(line, "zstd", asbytes=True)}
    for suffix, data in packed.items():
        (tmp_path / f"a.jsonl.{suffix}").write_bytes(data)
    put_lines(tmp_path / "d.csv", ["x"])
    names = ["a.jsonl.bz2", "a.jsonl.gz", "a.jsonl.zst"]
    assert found_in(tmp_path) == (names, {".csv": 1}) and found_in(tmp_path / "*.jsonl.*") == (names, {})


def test_a_folder_of_several_formats_is_refused_with_the_glob_that_reads_it(tmp_path):
    put_lines(tmp_path / "a.txt", ["x"])
    put_json(tmp_path / "s/b.jsonl", [{"text": "x"}])
    with pytest.raises(InputError, match=r"several formats, such as a\.txt and s/b\.jsonl; name .* FOLDER/\*\*"):
        found_in(tmp_path)
    assert found_in(tmp_path / "**") == (["a.txt", "s/b.jsonl"], {})
    assert found_in(tmp_path / "*.txt", tmp_path / "s") == (["a.txt", "s/b.jsonl"], {})


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("Delta", "_delta_log/00000000000000000000.json"),
        ("Iceberg", "metadata/00000-5f.metadata.json"),
        ("Iceberg", "news/metadata/v2.gz.metadata.json"),
        ("Hudi", ".hoodie/hoodie.properties"),
    ],
)
def test_tables_with_deleted_rows_are_refused_by_name(tmp_path, kind, name):
    put_parquet(tmp_path / "data/part-0.parquet", {"text": ["Ada left."]})
    put_lines(tmp_path / name, ["{}"])
    with pytest.raises(
        InputError, match=rf"holds a {kind} table .*rows that were changed or deleted; write its present"
    ):
        found_in(tmp_path)
    assert found_in(tmp_path / "data/*.parquet") == (["part-0.parquet"], {})


def test_files_named_by_themselves_are_told_by_their_content(tmp_path):
    put_parquet(tmp_path / "rows.data", {"text": ["Ada left."]})
    put_json(tmp_path / "lines", [{"text": "Ada left."}])
    (tmp_path / "packed").write_bytes(gzip.compress((tmp_path / "lines").read_bytes()))
    put_lines(tmp_path / "README.txt", ["Ada left."])
    for name in ("rows.data", "lines", "packed", "README.txt"):
        assert [text for _, text in rows(plan_corpus([f"{tmp_path}/{name}"]))] == ["Ada left."]
    for name, content in (
        ("text", "Ada left.\n"),
        ("a.csv", "text\nx\n"),
        ("b.zip", b"PK\3\4\0\0"),
        ("c", b"\xff\0" * 99),
    ):
        with pytest.raises(InputError, match=rf"{name}: unknown format; give a file that ends in one of \.parquet"):
            found_in(put(tmp_path / name, content))


def test_a_folder_without_corpus_files_tells_what_it_holds(tmp_path):
    for name in ("a.csv", "data-0.arrow", "state.json"):
        put_lines(tmp_path / name, ["x"])
    with pytest.raises(InputError, match=r"no corpus file here but 1 \.arrow, 1 \.csv, 1 state\.json; .*hf:FOLDER"):
        found_in(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("a.txt", b"PAR1\0\0\1\0", "not text, but seems to be Parquet; give it its own suffix"),
        ("a.jsonl", b"PK\3\4\0\0\0", "not text, but seems to be a zip archive"),
        ("a.txt", "Ada left.\n".encode("utf-16-le"), "seems to be utf-16-le without a byte order mark; .*--encoding"),
        ("a.jsonl", b"Ada left.\n", "no JSON object in the first lines"),
        ("a.parquet", b"Ada left.\n", "cannot be read"),
        ("a.parquet", b"", "cannot be read"),
    ],
)
def test_content_that_the_suffix_does_not_tell_is_refused(tmp_path, name, content, message):
    with pytest.raises(InputError, match=rf"{name}: .*{message}"):
        found_in(put(tmp_path / name, content))


def texts_of(*inputs):
    return [text for _, text in rows(plan_corpus([str(source) for source in inputs]))]


@pytest.mark.parametrize("pattern", ["", "/**", "/**/*.txt", "/*"])
def test_a_link_into_a_folder_above_it_is_not_followed(tmp_path, pattern):
    put_lines(tmp_path / "beside.txt", ["beside"])
    put_lines(tmp_path / "loop/a.txt", ["a"])
    put_lines(tmp_path / "loop/deep/b.txt", ["b"])
    for name, target in {"self": ".", "again": ".", "deep/up": "..", "deep/top": "../..", "out": ".."}.items():
        (tmp_path / "loop" / name).symlink_to(target)
    names, told = found_in(f"{tmp_path}/loop{pattern}")
    assert names == ["a.txt", "deep/b.txt"] and told == {"link into a folder above it": 5}


@pytest.mark.parametrize("pattern", ["", "/**", "/**/*.txt", "/*/*.txt", "/*"])
def test_a_folder_that_links_lead_to_is_read_once_where_it_lies(tmp_path, pattern):
    put_lines(tmp_path / "news/2024/a.txt", ["a"])
    put_lines(tmp_path / "elsewhere/b.txt", ["b"])
    (tmp_path / "news/.latest").symlink_to("2024")
    (tmp_path / "news/1-latest").symlink_to("2024")
    for name in ("x", "y"):
        (tmp_path / "news" / name).symlink_to(tmp_path / "elsewhere")
    names, told = found_in(f"{tmp_path}/news{pattern}")
    assert names == ["2024/a.txt", "x/b.txt"] and told == {"link to what is there already": 2}


@pytest.mark.parametrize("pattern", ["", "/**/*.txt"])
def test_folders_that_link_to_each_other_are_each_read_once(tmp_path, pattern):
    for k in range(12):
        put_lines(tmp_path / f"net/{k}/a.txt", [str(k)])
        for other in range(12):
            (tmp_path / f"net/{k}/to-{other}").symlink_to(f"../{other}")
    names, _ = found_in(f"{tmp_path}/net{pattern}")
    assert names == sorted(f"{k}/a.txt" for k in range(12))


def test_links_in_a_folder_elsewhere_lead_not_above_it_nor_back(tmp_path):
    put_lines(tmp_path / "news/a.txt", ["a"])
    put_lines(tmp_path / "far/near/b.txt", ["b"])
    put_lines(tmp_path / "far/c.txt", ["c"])
    (tmp_path / "news/near").symlink_to("../far/near")
    (tmp_path / "far/near/above").symlink_to("..")
    (tmp_path / "far/near/back").symlink_to("../../news")
    for pattern in ("", "/**/*.txt"):
        assert found_in(f"{tmp_path}/news{pattern}")[0] == ["a.txt", "near/b.txt"]


def test_a_file_is_read_once_whatever_links_and_inputs_lead_to_it(tmp_path):
    put_lines(tmp_path / "data/b.txt", ["b"])
    (tmp_path / "data/a.txt").symlink_to("b.txt")
    (tmp_path / "other").symlink_to("data")
    for inputs in (["data"], ["other"], ["data", "other"], ["other/*.txt", "data/b.txt"], ["data/a.txt", "data/b.txt"]):
        assert texts_of(*(tmp_path / name for name in inputs)) == ["b"]
    (tmp_path / "data/c.txt").hardlink_to(tmp_path / "data/b.txt")
    assert found_in(tmp_path / "data") == (["b.txt", "c.txt"], {"link to what is there already": 1})
    assert found_in(tmp_path / "data/a.txt") == (["a.txt"], {})


def test_sizes_and_times_are_those_of_what_links_lead_to(tmp_path):
    put_lines(tmp_path / "there/b.txt", ["b"] * 9)
    (tmp_path / "news").mkdir()
    (tmp_path / "news/a.txt").symlink_to("../there/b.txt")
    (file,) = plan_corpus([str(tmp_path / "news")]).files
    info = (tmp_path / "there/b.txt").stat()
    assert file.state == {"size": info.st_size, "mtime_ns": info.st_mtime_ns}


@pytest.mark.parametrize("pattern", ["", "/**", "/*", "/**/*.txt", "/b*"])
@pytest.mark.parametrize("target", ["gone.txt", "b.txt", "a.txt/deeper"])
def test_a_link_that_leads_nowhere_is_refused_where_documents_may_be_lost(tmp_path, pattern, target):
    put_lines(tmp_path / "news/a.txt", ["a"])
    (tmp_path / "news/b.txt").symlink_to(target)
    with pytest.raises(InputError, match=rf"news/b\.txt is a link to {target}, which cannot be followed \(.*; restore"):
        found_in(f"{tmp_path}/news{pattern}")


@pytest.mark.parametrize("pattern", ["", "/**", "/*", "/**/*.txt", "/*/*.txt"])
def test_a_link_that_may_have_led_to_a_folder_is_refused(tmp_path, pattern):
    put_lines(tmp_path / "news/2024/a.txt", ["a"])
    (tmp_path / "news/2023").symlink_to("/gone/2023")
    with pytest.raises(InputError, match=r"news/2023 is a link to /gone/2023, which cannot be followed"):
        found_in(f"{tmp_path}/news{pattern}")
    with pytest.raises(InputError, match=r"news/2023 is a link to /gone/2023, which cannot be followed"):
        found_in(tmp_path / "news/2023")


def test_links_that_lead_nowhere_and_are_no_part_are_passed_over(tmp_path):
    put_lines(tmp_path / "a.txt", ["a"])
    for name in (".b.txt", "_c", "_d/e.txt", "README.md", "f.csv"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).symlink_to("gone")
    assert found_in(tmp_path) == (["a.txt"], {"README.md": 1, ".csv": 1})
    (tmp_path / "g.jsonl").symlink_to("gone")
    assert found_in(tmp_path / "*.txt") == (["a.txt"], {}) == found_in(tmp_path / "**/*.txt")


@pytest.mark.parametrize("pattern", ["", "/*", "/**", "/b.txt"])
def test_a_pipe_is_no_file(tmp_path, pattern):
    put_lines(tmp_path / "a.txt", ["a"])
    os.mkfifo(tmp_path / "b.txt")
    with pytest.raises(InputError, match=r"b\.txt is a named pipe, and no file; restore"):
        found_in(f"{tmp_path}{pattern}")
    os.mkfifo(tmp_path / "c.log")
    assert found_in(tmp_path / "a*") == (["a.txt"], {})


def put_bytes_named(folder, name):
    path = os.path.join(os.fsencode(folder), name)  # noqa: PTH118
    os.makedirs(os.path.dirname(path), exist_ok=True)  # noqa: PTH103, PTH120
    with open(path, "w") as file:  # noqa: PTH123
        file.write("Ada left.\n")


@pytest.mark.parametrize("pattern", ["", "/*", "/**", "/**/*.txt"])
@pytest.mark.parametrize(
    ("name", "told"), [(b"caf\xe9.txt", r"news is .*: caf\\xe9\.txt, of"), (b"\xff/b.txt", r"\\xff,")]
)
def test_names_that_are_not_utf_8_are_named(tmp_path, pattern, name, told):
    put_lines(tmp_path / "news/é.txt", ["a"])
    put_bytes_named(tmp_path / "news", name)
    with pytest.raises(InputError, match=r"a name in the folder .*news is not UTF-8: .*; rename it") as raised:
        found_in(f"{tmp_path}/news{pattern}")
    assert str(raised.value).isprintable() and re.search(told, str(raised.value))


def test_names_that_are_not_utf_8_are_no_matter_where_they_are_no_part(tmp_path, caplog):
    put_lines(tmp_path / "news/a.txt", ["a"])
    for name in (b".\xff.txt", b"_\xff/a.txt", b"\xff.csv", b"b.\xff", b"LICENSE.\xff.txt", b"sub-\xff/README"):
        put_bytes_named(tmp_path / "news", name)
    told = {".csv": 1, r".\xff": 1, r"LICENSE.\xff.txt": 1, "README": 1}
    assert found_in(tmp_path / "news") == (["a.txt"], told) and r"passed over 1 .\xff, 1 .csv, " in caplog.text
    assert found_in(tmp_path / "news/a*") == (["a.txt"], {}) == found_in(tmp_path / "news/**/a.txt")
    with pytest.raises(InputError, match=r"matches files of unknown format: \\xff\.csv, b\.\\xff; give"):
        found_in(tmp_path / "news/*")


def test_an_input_whose_name_is_not_utf_8_is_named(tmp_path):
    put_bytes_named(tmp_path, b"\xff.txt")
    with pytest.raises(InputError, match=r"is not UTF-8: \\xff\.txt, of the path .*; rename it"):
        found_in(tmp_path / os.fsdecode(b"\xff.txt"))
    with pytest.raises(InputError, match=r"\\xfe\.txt: no such file or folder"):
        found_in(tmp_path / os.fsdecode(b"\xfe.txt"))


def test_a_name_in_the_folder_of_a_dataset_that_is_not_utf_8_is_named(tmp_path):
    put_parquet(tmp_path / "set/train.parquet", {"text": ["Ada left."]})
    put_bytes_named(tmp_path / "set", b"\xff.md")
    with pytest.raises(InputError, match=r"hf:.*: the path of a file there is not UTF-8: .*/\\xff\.md; rename it"):
        plan_corpus([f"hf:{tmp_path}/set"], staging=str(tmp_path / "staging"))
