from __future__ import annotations

import gzip
import json
import os
import pickle

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from kdner.corpus import check_unchanged, draw_documents, plan, read_shard
from kdner.errors import InputError
from kdner.schema import CORPUS

TEXTS = [
    "Ada Lovelace lived in London.",
    "",
    "Čapek  wrote “R.U.R.” 🤖",
    "one",
    "two words",
    "three more words",
    "end",
]


def rows(corpus):
    tables = [read_shard(corpus, shard) for shard in corpus.shards]
    assert all(table.schema.equals(CORPUS) for table in tables)
    assert [table.num_rows for table in tables] == [shard.documents for shard in corpus.shards]
    return [(row["id"], row["text"]) for table in tables for row in table.to_pylist()]


def put(path, content):
    content = content.encode() if isinstance(content, str) else content
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return str(path)


def put_lines(path, lines):
    return put(path, "".join(f"{line}\n" for line in lines))


def put_json(path, records):
    return put_lines(path, [json.dumps(record) for record in records])


def put_parquet(path, columns, **options):
    sink = pa.BufferOutputStream()
    pq.write_table(pa.table(columns), sink, **options)
    return put(path, sink.getvalue().to_pybytes())


@pytest.mark.parametrize("shard_documents", [1, 3, 100])
@pytest.mark.parametrize(
    "name", ["a.parquet", "a.parquet.gz", "a.jsonl", "a.ndjson.gz", "a.json", "a.txt", "a.text.gz", "A.TXT"]
)
def test_every_format_gives_every_document(tmp_path, name, shard_documents):
    ids = [f"doc{i}" for i in range(len(TEXTS))]
    if "parquet" in name:
        source = put_parquet(
            tmp_path / name, {"other": [[1]] * 7, "text": TEXTS, "id": ids}, row_group_size=2
        )
    elif "t" in name.lower().removesuffix(".gz")[-2:]:
        source, ids = put_lines(tmp_path / name, TEXTS), [f"{name}:{i}" for i in range(len(TEXTS))]
    else:
        source = put_json(
            tmp_path / name, [{"id": i, "text": t, "n": None} for i, t in zip(ids, TEXTS, strict=True)]
        )
    corpus = plan([source], shard_documents=shard_documents)
    assert corpus.documents == len(TEXTS)
    assert rows(corpus) == list(zip(ids, TEXTS, strict=True))


def test_shards_have_fixed_sizes_names_and_span_files(tmp_path):
    for name, count in [("a.txt", 5), ("b.txt.gz", 0), ("c.txt.gz", 1), ("d.txt", 4)]:
        put_lines(tmp_path / name, [f"{name} {i}" for i in range(count)])
    corpus = plan([str(tmp_path)], shard_documents=4)
    assert [(shard.name, shard.documents) for shard in corpus.shards] == [
        ("part-00000.parquet", 4),
        ("part-00001.parquet", 4),
        ("part-00002.parquet", 2),
    ]
    assert [piece.file.name for piece in corpus.shards[1].slices] == ["a.txt", "c.txt.gz", "d.txt"]
    assert [text for _, text in rows(corpus)] == [
        f"{n} {i}" for n, c in [("a.txt", 5), ("c.txt.gz", 1), ("d.txt", 4)] for i in range(c)
    ]
    assert read_shard(corpus, corpus.shards[1])["id"].to_pylist() == [
        "a.txt:4",
        "c.txt.gz:0",
        "d.txt:0",
        "d.txt:1",
    ]


def test_the_plan_is_a_function_of_the_files(tmp_path):
    paths = [put_lines(tmp_path / name, TEXTS) for name in ("b.txt", "a.txt", "sub/c.txt")]
    corpus = plan(paths, shard_documents=2)
    again = plan([str(tmp_path), paths[0], f"file://{tmp_path}/a.txt"], shard_documents=2)
    assert again == corpus and hash(again) == hash(corpus)
    assert pickle.loads(pickle.dumps(corpus)) == corpus
    assert json.loads(json.dumps(corpus.fingerprint())) == corpus.fingerprint() == again.fingerprint()
    assert plan(paths, shard_documents=3).fingerprint() != corpus.fingerprint()
    os.utime(paths[1], ns=(1, 1))
    assert plan(paths, shard_documents=2).fingerprint() != corpus.fingerprint()


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
    assert [file.name for file in plan([str(tmp_path)], shard_documents=9).files] == [
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
    found = [file.path for file in plan([source], shard_documents=9).files]
    assert found == [str(tmp_path / name) for name in expected]


def test_a_file_whose_name_looks_like_a_glob(tmp_path):
    source = put_lines(tmp_path / "a[1] ü%20.txt", ["x"])
    assert rows(plan([source], shard_documents=1)) == [("a[1] ü%20.txt:0", "x")]


@pytest.mark.parametrize("missing", ["nowhere.txt", "nowhere/", "*.txt", "empty"])
def test_nothing_found(tmp_path, missing):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=r"no such file or folder|no corpus file here; give files"):
        plan([f"{tmp_path}/{missing}"], shard_documents=1)


def test_no_inputs_no_documents_unknown_suffix_and_shard_size(tmp_path):
    with pytest.raises(InputError, match=r"no corpus is given"):
        plan([], shard_documents=1)
    with pytest.raises(InputError, match=r"no documents in .*empty.txt"):
        plan([put(tmp_path / "empty.txt", "")], shard_documents=1)
    with pytest.raises(InputError, match=r"a.csv: unknown format.*\.jsonl"):
        plan([put(tmp_path / "a.csv", "x")], shard_documents=1)
    with pytest.raises(InputError, match=r"--shard-documents is 0"):
        plan([str(tmp_path)], shard_documents=0)


def test_parquet_reads_the_row_groups_of_the_slice_only(tmp_path):
    texts = [f"{i} " * 200 for i in range(400)]
    source = put_parquet(
        tmp_path / "a.parquet", {"text": texts}, row_group_size=50, compression="none", use_dictionary=False
    )
    corpus = plan([source], shard_documents=100)
    groups = pq.ParquetFile(source).metadata
    with open(source, "r+b") as file:  # noqa: PTH123
        file.seek(groups.row_group(5).column(0).data_page_offset)
        file.write(b"\xff" * 200)
    os.utime(source, ns=(corpus.files[0].mtime_ns,) * 2)
    for shard in corpus.shards[:2] + corpus.shards[3:]:
        assert (
            read_shard(corpus, shard)["text"].to_pylist()
            == texts[shard.index * 100 : shard.index * 100 + 100]
        )
    with pytest.raises(InputError, match=r"a.parquet: cannot be read"):
        read_shard(corpus, corpus.shards[2])


@pytest.mark.parametrize(
    "kind",
    [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int32(), pa.string())],
    ids=str,
)
def test_parquet_text_of_every_string_type(tmp_path, kind):
    source = put_parquet(
        tmp_path / "a.parquet", {"text": pa.array(["a", None, "b"]).cast(kind), "id": [7, 8, -9]}
    )
    assert rows(plan([source], shard_documents=2)) == [("7", "a"), ("8", None), ("-9", "b")]


def test_columns_by_name(tmp_path):
    table = {"id": [1, 1], "key": ["x", "y"], "text": ["no", "no"], "body": ["A", "B"]}
    records = [dict(zip(table, values, strict=True)) for values in zip(*table.values(), strict=True)]
    for source in (put_parquet(tmp_path / "a.parquet", table), put_json(tmp_path / "a.jsonl", records)):
        corpus = plan([source], text_column="body", id_column="key", shard_documents=1)
        assert rows(corpus) == [("x", "A"), ("y", "B")]
        same = plan([source], text_column="body", id_column="body", shard_documents=1)
        assert rows(same) == [("A", "A"), ("B", "B")]


@pytest.mark.parametrize("name", ["a.parquet", "a.jsonl"])
def test_missing_columns_are_named_with_the_remedy(tmp_path, name):
    make = (
        put_parquet if name == "a.parquet" else lambda path, columns: put_json(path, [{"body": "x", "id": 1}])
    )
    source = make(tmp_path / name, {"body": ["x"], "id": [1]})
    with pytest.raises(
        InputError, match=rf"{name}: no column 'text', only body, id; name one with --text-column"
    ):
        plan([source], shard_documents=1)
    with pytest.raises(
        InputError, match=rf"{name}: no column 'key', only body, id; name one with --id-column"
    ):
        plan([source], text_column="body", id_column="key", shard_documents=1)


def test_columns_of_other_types(tmp_path):
    with pytest.raises(InputError, match=r"column 'text' is list<.*expected string"):
        plan([put_parquet(tmp_path / "a.parquet", {"text": [["x"]]})], shard_documents=1)
    with pytest.raises(InputError, match=r"column 'id' is double, expected string or integer"):
        plan([put_parquet(tmp_path / "b.parquet", {"text": ["x"], "id": [1.5]})], shard_documents=1)
    with pytest.raises(InputError, match=r"a.txt: no column 'key'"):
        plan([put_lines(tmp_path / "a.txt", ["x"])], id_column="key", shard_documents=1)


def test_made_ids_are_unique_over_folders(tmp_path):
    put_lines(tmp_path / "x/1/a.txt", ["p", "q"])
    put_lines(tmp_path / "x/2/a.txt", ["r"])
    put_parquet(tmp_path / "x/2/b.parquet", {"text": ["s"]})
    assert [id_ for id_, _ in rows(plan([f"{tmp_path}/x/*"], shard_documents=2))] == [
        "1/a.txt:0",
        "1/a.txt:1",
        "2/a.txt:0",
        "2/b.parquet:0",
    ]


def test_missing_ids_are_found_at_planning(tmp_path):
    source = put_parquet(tmp_path / "a.parquet", {"text": ["x"] * 4, "id": ["a", None, "", "d"]})
    with pytest.raises(InputError, match=r"a.parquet: no id in column 'id' at row 1, row 2;.*--id-column"):
        plan([source], shard_documents=1)
    records = [
        {"id": 1, "text": "x"},
        {"text": "x"},
        {"id": None, "text": "x"},
        {"id": 1.5, "text": "x"},
        {"id": True},
    ]
    with pytest.raises(InputError, match=r"b.jsonl: no id in column 'id' at line 2, line 3, line 4, line 5"):
        plan([put_json(tmp_path / "b.jsonl", records)], shard_documents=1)
    with pytest.raises(InputError, match=r"c.jsonl line 3: not a JSON object, so it has no id"):
        plan([put_lines(tmp_path / "c.jsonl", ['{"id": 1, "text": ""}', "", "{cut"])], shard_documents=1)


def test_duplicate_ids_are_found_over_files(tmp_path):
    put_parquet(tmp_path / "a.parquet", {"text": ["x"] * 20_000, "id": range(20_000)})
    put_json(tmp_path / "b.jsonl", [{"id": "new", "text": "x"}, {"id": "19999", "text": "x"}])
    put_lines(tmp_path / "c.txt", ["x"])
    with pytest.raises(InputError) as refusal:
        plan([str(tmp_path)], shard_documents=7)
    assert f"'19999': {tmp_path}/a.parquet row 19999, {tmp_path}/b.jsonl line 2" in str(refusal.value)
    assert "new" not in str(refusal.value)


def test_a_made_id_that_meets_a_given_one_is_a_duplicate(tmp_path):
    put_lines(tmp_path / "c.txt", ["x"])
    put_json(tmp_path / "d.jsonl", [{"id": "c.txt:0", "text": "x"}])
    with pytest.raises(InputError, match=r"share an id"):
        plan([str(tmp_path)], shard_documents=7)


def test_bad_rows_are_kept_without_text(tmp_path):
    lines = [
        "{cut",
        '["list"]',
        '{"text": 5}',
        "{}",
        '{"text": "ok \\ud800!"}',
        "[" * 100_000,
        "   ",
        '{"text": ""}',
    ]
    source = put_lines(tmp_path / "a.jsonl", lines)
    corpus = plan([source], shard_documents=3)
    expected = [None, None, None, None, "ok �!", None, ""]
    assert rows(corpus) == [(f"a.jsonl:{row}", text) for row, text in enumerate(expected)]


def test_bytes_that_are_not_utf8_are_replaced(tmp_path):
    bad = pa.Array.from_buffers(pa.string(), 2, pa.array([b"caf\xe9", b"ok"]).buffers())
    parquet = put_parquet(tmp_path / "a.parquet", {"text": bad})
    text = put(tmp_path / "a.txt", b"\xef\xbb\xbfcaf\xe9\r\nok\rstill\x00")
    lines = put(tmp_path / "a.jsonl", b'\xef\xbb\xbf{"text": "caf\xe9"}\r\n\r\n{"text": "ok"}')
    for source, second in [(parquet, "ok"), (text, "ok\rstill\x00"), (lines, "ok")]:
        assert [text for _, text in rows(plan([source], shard_documents=1))] == ["caf�", second]


def test_an_array_in_a_json_file_is_refused(tmp_path):
    with pytest.raises(InputError, match=r"a.json: no JSON object.*one object a line"):
        plan([put(tmp_path / "a.json", '[\n"text"\n]')], shard_documents=1)


@pytest.mark.parametrize("name", ["a.parquet", "a.parquet.gz", "a.txt.gz", "a.jsonl.gz"])
def test_files_that_are_cut_off_are_named(tmp_path, name):
    make = (
        put_parquet
        if "parquet" in name
        else lambda path, _: put_json(path, [{"text": str(i)} for i in range(999)])
    )
    source = make(tmp_path / name, {"text": [str(i) for i in range(999)]})
    (tmp_path / name).write_bytes((tmp_path / name).read_bytes()[:-60])
    with pytest.raises(InputError, match=rf"{name}: cannot be read"):
        plan([source], shard_documents=10)


@pytest.mark.parametrize("change", ["grow", "touch", "delete"])
def test_a_file_that_changed_is_refused(tmp_path, change):
    path = tmp_path / "a.txt"
    corpus = plan([put_lines(path, TEXTS)], shard_documents=2)
    check_unchanged(corpus.files[0])
    if change == "delete":
        path.unlink()
    elif change == "grow":
        put_lines(path, [*TEXTS, "more"])
    else:
        os.utime(path, ns=(5, 5))
    with pytest.raises(InputError, match=r"a\.txt: (changed since the job began|no such file)"):
        read_shard(corpus, corpus.shards[1])


@pytest.mark.parametrize("splits", [None, "train", "dev"])
def test_a_saved_dataset_is_staged_once(tmp_path, splits):
    dataset = datasets.Dataset.from_dict({"id": [1, 2, 3], "text": ["a", "b", None], "tokens": [["x"]] * 3})
    if splits is not None:
        dataset = datasets.DatasetDict({splits: dataset, "other": dataset})
    dataset.save_to_disk(str(tmp_path / "saved"))
    source = f"hf:{tmp_path}/saved" + (":dev" if splits == "dev" else "")
    corpus = plan([source], shard_documents=2, staging=str(tmp_path / "staging"))
    assert rows(corpus) == [("1", "a"), ("2", "b"), ("3", None)]
    assert plan([source], shard_documents=2, staging=str(tmp_path / "staging")) == corpus
    assert len([path for path in (tmp_path / "staging").rglob("*") if path.is_file()]) == 1


def test_datasets_that_cannot_be_had(tmp_path):
    datasets.DatasetDict({"dev": datasets.Dataset.from_dict({"body": ["x"]})}).save_to_disk(
        str(tmp_path / "saved")
    )
    source = f"hf:{tmp_path}/saved"
    with pytest.raises(InputError, match=r"no folder is given"):
        plan([source], shard_documents=2)
    with pytest.raises(InputError, match=r"no split 'train', only dev; name one as hf:"):
        plan([source], shard_documents=2, staging=str(tmp_path / "staging"))
    with pytest.raises(InputError, match=r"no column 'text', only body; name one with --text-column"):
        plan([f"{source}:dev"], shard_documents=2, staging=str(tmp_path / "staging"))


def test_draw_documents_reaches_its_budget_and_repeats(tmp_path):
    source = put_json(
        tmp_path / "a.jsonl", [{"text": None if i % 10 == 3 else f"word {i}"} for i in range(100)]
    )
    corpus = plan([source], shard_documents=7)

    def drawn(words, seed):
        return [row for table in draw_documents(corpus, words, seed) for row in table.to_pylist()]

    chosen = drawn(31, 1)
    assert sum(len((row["text"] or "").split()) for row in chosen) == 32
    assert chosen == drawn(31, 1) != drawn(31, 2)
    assert chosen[-1]["text"] is not None
    assert len({row["id"] for row in chosen}) == len(chosen)
    assert drawn(200, 1)[:16] == chosen[:16]
    assert len(drawn(10_000, 1)) == 100
    assert [row["id"] for row in drawn(0, 1)] == [f"a.jsonl:{i}" for i in range(100)]


@pytest.mark.data
@pytest.mark.parametrize(
    ("name", "documents", "words"),
    [
        ("reuters_c50.parquet", 4_986, 2.52),
        ("reuters_21578.jsonl.gz", 21_577, 2.75),
        ("ag_news.txt.gz", 50_544, 1.86),
        ("wikipedia", 34_185, 8.6),
        ("", 111_292, 15.73),
    ],
)
def test_the_real_corpora(data_folder, name, documents, words):
    corpus = plan([str(data_folder / "unlabeled" / name)], shard_documents=20_000)
    tables = [table.to_pydict() for table in draw_documents(corpus, 0, 0)]
    assert corpus.documents == sum(len(table["id"]) for table in tables) == documents
    assert len({id_ for table in tables for id_ in table["id"]}) == documents
    assert sum(len(text.split()) for table in tables for text in table["text"]) / 1e6 == pytest.approx(
        words, abs=0.05
    )
