from __future__ import annotations

import os
import pickle
import resource
import threading

import datasets
import duckdb
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from kdner.errors import InputError
from kdner.runs.fingerprint import differences
from kdner.runs.lock import hold
from kdner.runs.run_directory import RunDirectory
from kdner.runs.schema import CORPUS, ENTITIES, LOGITS, check
from kdner.runs.storage import commit, commit_folder

FINGERPRINT = {
    "model": {"config.json": "abc", "model.safetensors": "def"},
    "labels": ["O", "B-PER"],
    "numeric": "float32",
}


FILES = ["part-00000.parquet", "part-00001.parquet"]


def corpus(*ids: str) -> pa.Table:
    return pa.table([list(ids), [f"text of {id_}" for id_ in ids]], schema=CORPUS)


def opened(path, **changes) -> RunDirectory:
    return RunDirectory.open(str(path), {**FINGERPRINT, **changes}, {"files": FILES})


def test_a_run_from_start_to_readers(tmp_path):
    run = opened(tmp_path / "deep" / "out")
    assert [path.name for path in (tmp_path / "deep" / "out").iterdir()] == ["_manifest.json"]
    assert run.files == run.pending() == FILES
    run.write_table(FILES[1], corpus("c"), CORPUS)
    assert run.has(FILES[1]) and run.pending() == FILES[:1]
    assert not run.finished

    again = opened(tmp_path / "deep" / "out")
    assert again == run and again.pending() == FILES[:1]
    again.write_table(FILES[0], corpus("a", "b"), CORPUS)
    again.finish({"documents": 3})
    assert run.finished and run.summary() == {"documents": 3}

    tables = list(RunDirectory.finished_at(run.path).tables(schema=CORPUS))
    assert [table["id"].to_pylist() for table in tables] == [["a", "b"], ["c"]]
    assert [table.column_names for table in run.tables(["text"])] == [["text"], ["text"]]


def test_the_manifest_is_not_touched_by_a_resume(tmp_path):
    run = opened(tmp_path)
    before = (tmp_path / "_manifest.json").read_bytes()
    RunDirectory.open(run.path, FINGERPRINT, {"files": ["other"]})
    assert (tmp_path / "_manifest.json").read_bytes() == before


def test_another_fingerprint_is_refused_by_name_and_value(tmp_path):
    opened(tmp_path, removed=1)
    with pytest.raises(InputError) as refusal:
        opened(tmp_path, model={"config.json": "abc", "model.safetensors": "xyz"}, numeric="bfloat16")
    message = str(refusal.value)
    assert 'model.model.safetensors: there "def", now "xyz"' in message
    assert 'numeric: there "float32", now "bfloat16"' in message
    assert "removed: there 1, now nothing" in message
    assert "config.json" not in message and "labels" not in message
    assert "another --out" in message and "delete" in message


@pytest.mark.parametrize(("key", "value"), [("kdner", "0.0.0"), ("schema_version", 0)])
def test_another_version_is_refused(tmp_path, key, value):
    run = opened(tmp_path)
    run.write_json("_manifest.json", {**run.manifest(), key: value})
    with pytest.raises(InputError, match=f"{key}: there "):
        opened(tmp_path)


def test_tuples_and_lists_are_the_same_fingerprint(tmp_path):
    opened(tmp_path, labels=("O", "B-PER"))
    opened(tmp_path, labels=["O", "B-PER"])


def test_a_folder_with_other_files_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(InputError, match=r"thesis.tex.*another --out"):
        opened(tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_job_killed_before_its_manifest_can_start_again(tmp_path):
    (tmp_path / f"._manifest.json.tmp-{'0' * 16}").write_text('{"kdn')
    run = opened(tmp_path)
    run.clean()
    assert [path.name for path in tmp_path.iterdir()] == ["_manifest.json"]


def test_a_path_that_cannot_be_a_folder(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match=r"cannot be written"):
        opened(tmp_path / "file")


def test_a_cut_off_manifest_is_an_input_error(tmp_path):
    (tmp_path / "_manifest.json").write_text('{"kdner": ')
    with pytest.raises(InputError, match=r"_manifest.json: cannot be read"):
        opened(tmp_path)


def test_a_failed_write_leaves_the_old_file_and_nothing_else(tmp_path):
    run = opened(tmp_path)
    run.write_bytes("notes", b"old")
    with pytest.raises(RuntimeError), commit(str(tmp_path / "notes")) as file:
        file.write(b"new")
        raise RuntimeError
    assert (tmp_path / "notes").read_bytes() == b"old"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["_manifest.json", "notes"]


def test_two_writers_of_one_file_leave_one_whole_file(tmp_path):
    run = opened(tmp_path)
    threads = [threading.Thread(target=run.write_bytes, args=("x", bytes([i]) * 100_000)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    content = (tmp_path / "x").read_bytes()
    assert len(content) == 100_000 and len(set(content)) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["_manifest.json", "x"]


def test_a_file_that_does_not_fit_is_an_input_error(tmp_path):
    run = opened(tmp_path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10_000_000, limits[1]))
    try:
        with pytest.raises(InputError, match=r"big: cannot be written.*make room.*same command again"):
            run.write_bytes("big", bytes(20_000_000))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [path.name for path in tmp_path.iterdir()] == ["_manifest.json"]


def test_clean_spares_what_a_job_that_cannot_be_seen_may_still_write(tmp_path):
    run = RunDirectory(str(tmp_path), others_may_write=True)
    for name, age_s in (("young", 60), ("old", 3600)):
        path = tmp_path / f".{name}.tmp-{'0' * 16}"
        path.touch()
        os.utime(path, (1e9 - age_s,) * 2)  # by a clock that is years behind
    (tmp_path / "part-00000.parquet").touch()
    os.utime(tmp_path / "part-00000.parquet", (1e9,) * 2)
    run.clean()
    assert {path.name[:6] for path in tmp_path.iterdir()} == {".young", "part-0"}
    RunDirectory(str(tmp_path)).clean()
    assert [path.name for path in tmp_path.iterdir()] == ["part-00000.parquet"]


def test_clean_removes_temporary_files_and_folders_only(tmp_path):
    run = opened(tmp_path)
    for name in (f".part-00000.parquet.tmp-{'a' * 16}", "part-00000.parquet", ".keep"):
        (tmp_path / name).write_text("")
    unfinished = tmp_path / f"..initial.tmp-{'b' * 16}"
    unfinished.mkdir()
    (unfinished / "config.json").write_text("{}")
    run.clean()
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        ".keep",
        "_manifest.json",
        "part-00000.parquet",
    ]


def test_equal_tables_give_equal_bytes(tmp_path):
    run = opened(tmp_path)
    whole = corpus(*(f"{i:05d}" for i in range(1000)))
    chunked = pa.concat_tables([whole.slice(0, 1), whole.slice(1, 600), whole.slice(601)])
    plain = chunked.replace_schema_metadata({"a": "b"}).cast(pa.schema([("id", pa.string()), ("text", pa.string())]))
    for name, table in [("a", whole), ("b", chunked), ("c", plain)]:
        run.write_table(name, table, CORPUS)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == (tmp_path / "c").read_bytes()
    file = pq.ParquetFile(tmp_path / "a")
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"
    assert file.schema_arrow.field("text").metadata[b"description"].startswith(b"text of the document")


def test_every_schema_survives_a_file(tmp_path):
    run = opened(tmp_path)
    entity = {"start": 0, "end": 2, "label": "PER", "text": "Al", "score": 0.5}
    logits = {"id": "a", "words": ["x"], "sentence_words": [1], "logits": [1.5, -2.0], "error": None}
    entities = {"id": "a", "entities": [entity], "words": 1, "error": None}
    for name, row, schema in [("l", logits, LOGITS), ("e", entities, ENTITIES)]:
        empty = {**dict.fromkeys(schema.names), "id": "b", "error": "empty"}
        run.write_table(name, pa.Table.from_pylist([row, empty], schema=schema), schema)
        table = pq.read_table(tmp_path / name)
        check(table, schema, name)
        assert table.to_pylist() == [row, empty]


def test_a_table_of_another_schema_is_not_written(tmp_path):
    run = opened(tmp_path)
    with pytest.raises(InputError, match=r"part-00000.parquet: column 'words'"):
        run.write_table(FILES[0], corpus("a").select(["id"]), LOGITS)
    assert run.pending() == FILES


def test_readers_refuse_what_is_not_finished(tmp_path):
    with pytest.raises(InputError, match=r"no such folder"):
        RunDirectory.finished_at(str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match=r"not a kdner run directory"):
        RunDirectory.finished_at(str(tmp_path))
    opened(tmp_path)
    with pytest.raises(InputError, match=r"unfinished.*run the same command again"):
        RunDirectory.finished_at(str(tmp_path))


def test_finish_refuses_missing_files_and_writes_success_last(tmp_path):
    run = opened(tmp_path)
    run.write_table(FILES[0], corpus("a"), CORPUS)
    with pytest.raises(InputError, match=r"1 files are missing, the first is part-00001.parquet"):
        run.finish({})
    assert not run.finished and not run.has("_summary.json")
    run.write_table(FILES[1], corpus("b"), CORPUS)
    run.finish({"documents": 2})
    written = [(tmp_path / name).stat().st_mtime_ns for name in ("_manifest.json", *FILES, "_summary.json", "_SUCCESS")]
    assert written == sorted(written)


def test_a_cut_off_file_is_named(tmp_path):
    run = opened(tmp_path)
    for name in FILES:
        run.write_table(name, corpus("a"), CORPUS)
    run.finish({})
    (tmp_path / FILES[1]).write_bytes((tmp_path / FILES[1]).read_bytes()[:-10])
    tables = run.tables()
    next(tables)
    with pytest.raises(InputError, match=r"part-00001.parquet: cannot be read"):
        next(tables)


def test_workers_make_their_own_from_the_pickle_or_the_path(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    run = opened("out")
    assert run.path == str(tmp_path / "out")
    assert pickle.loads(pickle.dumps(run)) == RunDirectory(run.path) == run


def test_uris(tmp_path):
    run = opened(f"file://{tmp_path}/out")
    assert run.path == str(tmp_path / "out") and run.local_path == tmp_path / "out"
    with pytest.raises(InputError, match=r"no file system for this path.*s3://"):
        RunDirectory("nosuch://bucket/run")


def test_a_model_directory_must_be_local():
    with pytest.raises(InputError, match=r"mock:///bucket/model: a local folder is needed"):
        _ = RunDirectory("mock:///bucket/model").local_path


def test_a_flipped_bit_in_a_file_is_noticed(tmp_path):
    run = opened(tmp_path)
    row = {"words": ["x"] * 999, "sentence_words": [999], "logits": [1.5, -2.0, 0.25] * 333, "error": None}
    rows = [{"id": str(i), **row} for i in range(20)]
    run.write_table("part-00000.parquet", pa.Table.from_pylist(rows, schema=LOGITS), LOGITS)
    whole = (tmp_path / "part-00000.parquet").read_bytes()
    column = pq.ParquetFile(tmp_path / "part-00000.parquet").metadata.row_group(0).column(3)
    assert column.path_in_schema == "logits.list.element" and "BYTE_STREAM_SPLIT" in column.encodings
    place = column.data_page_offset + column.total_compressed_size - 1
    (tmp_path / "part-00000.parquet").write_bytes(whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :])
    with pytest.raises(InputError, match=r"part-00000.parquet: cannot be read"):
        list(run.tables(files=["part-00000.parquet"]))


def test_a_run_that_began_with_the_old_names_keeps_them(tmp_path):
    run = opened(tmp_path / "run")
    (tmp_path / "run" / "_manifest.json").rename(tmp_path / "run" / "manifest.json")
    run.write_table(FILES[0], corpus("a"), CORPUS)
    with pytest.raises(InputError, match=r"unfinished.*run the same command again"):
        RunDirectory.finished_at(run.path)
    with pytest.raises(InputError, match=r'numeric: there "float32", now "bfloat16"'):
        opened(tmp_path / "run", numeric="bfloat16")

    again = opened(tmp_path / "run")
    assert again.begun and again.files == FILES and again.pending() == FILES[1:]
    again.write_table(FILES[1], corpus("b"), CORPUS)
    again.finish({"documents": 2})
    names = sorted(path.name for path in (tmp_path / "run").iterdir())
    assert names == [".huggingface.yaml", "_SUCCESS", "manifest.json", *FILES, "summary.json"]
    finished = RunDirectory.finished_at(run.path)
    assert finished.summary() == {"documents": 2} and finished.manifest()["fingerprint"] == FINGERPRINT
    assert [table["id"].to_pylist() for table in finished.tables(schema=CORPUS)] == [["a"], ["b"]]


def spark_would_read(folder):
    """Read all files in a folder whose names do not begin with a period or an underscore."""
    names = sorted(path.name for path in folder.iterdir() if not path.name.startswith((".", "_")))
    return [id_ for name in names for id_ in pq.read_table(folder / name)["id"].to_pylist()]


READERS = {
    "pandas": lambda folder: pd.read_parquet(folder)["id"].tolist(),
    "Arrow": lambda folder: pq.read_table(folder)["id"].to_pylist(),
    "Arrow dataset": lambda folder: ds.dataset(folder).to_table()["id"].to_pylist(),
    "Polars": lambda folder: pl.read_parquet(folder / "*.parquet")["id"].to_list(),
    "Polars, lazy": lambda folder: pl.scan_parquet(folder, hidden_file_prefix=("_", ".")).collect()["id"].to_list(),
    "DuckDB": lambda folder: [id_ for (id_,) in duckdb.sql(f"SELECT id FROM '{folder}/*.parquet'").fetchall()],
    "datasets": lambda folder: datasets.load_dataset(str(folder), split="train", cache_dir=folder.parent)["id"],
    "Spark": spark_would_read,
}


@pytest.mark.parametrize("parts", [1, 3])
@pytest.mark.parametrize("read", READERS.values(), ids=READERS.keys())
def test_what_others_use_reads_the_folder_of_a_run(tmp_path, read, parts):
    entity = {"start": 0, "end": 2, "label": "PER", "text": "Al", "score": 0.5}
    names = [f"part-0000{part}.parquet" for part in range(parts)]
    with hold(str(tmp_path / "entities")):
        run = RunDirectory.open(str(tmp_path / "entities"), FINGERPRINT, {"files": names, "labels": ["O"]})
        for part, name in enumerate(names):
            rows = [{"id": f"{part}{row}", "entities": [entity] * row, "words": row, "error": None} for row in range(3)]
            run.write_table(name, pa.Table.from_pylist(rows, schema=ENTITIES), ENTITIES)
        run.finish({"documents": 3 * parts})
    assert sorted(read(tmp_path / "entities")) == [f"{part}{row}" for part in range(parts) for row in range(3)]


def test_what_is_no_data_has_a_name_that_readers_pass_over(tmp_path):
    """Every name that is there while a job runs, and afterwards, by Spark's rule."""
    run, seen = opened(tmp_path / "run"), set()

    def look():
        seen.update(path.name for path in (tmp_path / "run").rglob("*"))

    with hold(run.path):
        look()
        for name in FILES:
            with commit(f"{run.path}/{name}") as file:
                look()
                file.write(b"")
        with commit_folder(tmp_path / "run" / ".initial"):
            look()
        run.finish({})
        look()
    assert {name for name in seen if not name.startswith(("_", "."))} == set(FILES) and len(seen) > 8


def test_json_lines_come_back_also_with_half_of_a_surrogate_pair(tmp_path):
    run = RunDirectory.open(str(tmp_path / "run"), {})
    records = [{"text": "naïve\u2028東京"}, {"text": "half \ud83e", "n": [1, 2]}]
    run.write_json_lines("lines.jsonl", records)
    assert list(run.read_json_lines("lines.jsonl")) == records
    assert len((tmp_path / "run" / "lines.jsonl").read_bytes().splitlines()) == 2
    run.write_json("one.json", records[1])
    assert run.read_json("one.json") == records[1]


def test_json_lines_that_are_cut_off_or_missing(tmp_path):
    run = RunDirectory.open(str(tmp_path / "run"), {})
    run.write_bytes("lines.jsonl", b'{"a": 1}\n{"a"')
    for name in ("lines.jsonl", "others.jsonl"):
        with pytest.raises(InputError, match=f"{name}: cannot be read"):
            list(run.read_json_lines(name))


def test_a_run_of_which_documents_were_made_anew_is_another_one_to_its_readers(tmp_path):
    run = RunDirectory.open(str(tmp_path), {"job": "tag"}, {"files": []})
    run.finish({"documents": 9, "errors": 2, "words": 40, "seconds": 1.5})
    before = run.identity()
    run.write_summary({**run.summary(), "seconds": 9.5})
    assert run.identity() == before
    run.write_summary({**run.summary(), "errors": 0, "words": 48})
    assert differences(before, run.identity()) == ["holds.errors: there 2, now 0", "holds.words: there 40, now 48"]
