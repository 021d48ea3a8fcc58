from __future__ import annotations

import gzip
import logging
import os

import pyarrow.parquet as pq
import pytest
from files import put, put_json, put_parquet, rows

from kdner.corpora import changes as module
from kdner.corpora import corpus_listing
from kdner.corpora import plan as planning
from kdner.corpora.changes import changes_since, plan_kept_or_made
from kdner.corpora.corpus_listing import list_corpus
from kdner.corpora.kept_plan import FOLDER, plan_of_run
from kdner.errors import InputError
from kdner.runs.run_directory import RunDirectory

FILES = ("a.jsonl", "b.jsonl.gz", "c.parquet", "d.txt")


def records(of, text="{} says {}", count=40):
    return [{"id": f"{of}{k}", "text": text.format(of, k)} for k in range(count)]


def write(folder, name, text="{} says {}", count=40):
    written = records(name[0], text, count)
    if name.endswith("parquet"):
        return put_parquet(folder / name, {key: [record[key] for record in written] for key in ("id", "text")})
    if name.endswith("txt"):
        return put(folder / name, "".join(f"{record['text']}\n" for record in written))
    return put_json(folder / name, written)


@pytest.fixture
def news(tmp_path):
    for name in FILES:
        write(tmp_path / "news", name)
    return tmp_path / "news"


@pytest.fixture
def run(news, tmp_path):
    """A run that has planned the corpus."""
    listing = list_of(news)
    run = RunDirectory.open(str(tmp_path / "run"), {"corpus": listing.fingerprint()})
    plan_of_run(run, listing)
    return run


def list_of(news, **how):
    return list_corpus([f"{news}/*"], shard_documents=7, **how)


def begun(run):
    return run.manifest()["fingerprint"]["corpus"]


def touch(path):
    os.utime(path, ns=(1, 1))


def test_what_is_written_anew_with_the_same_content_is_the_same(news, run, caplog):
    for name in FILES:
        touch(news / name)
    lines = gzip.decompress((news / "b.jsonl.gz").read_bytes())
    (news / "b.jsonl.gz").write_bytes(gzip.compress(lines, 1) + gzip.compress(b""))  # of another size
    listing = list_of(news)
    assert listing.fingerprint() != begun(run)
    with caplog.at_level(logging.INFO, "kdner"):
        changes = changes_since(run, listing)
    assert changes.fingerprint == begun(run) and changes.files == dict.fromkeys(range(4))
    assert "a.jsonl, " in caplog.text and "and 1 other files: written anew with the same content" in caplog.text
    plan = plan_of_run(run, listing, changed=changes.files)
    assert [id_ for id_, _ in rows(plan)][:2] == ["a0", "a1"]
    assert changes_since(run, list_of(news)).files == {}  # the plan knows now


def test_of_many_files_too(news, tmp_path, monkeypatch):
    monkeypatch.setattr(corpus_listing, "MAX_FILES_NAMED", 2)
    listing = list_of(news)
    run = RunDirectory.open(str(tmp_path / "many"), {"corpus": listing.fingerprint()})
    plan_of_run(run, listing)
    touch(news / "d.txt")
    assert list_of(news).fingerprint() != begun(run) == changes_since(run, list_of(news)).fingerprint


@pytest.mark.parametrize("most", [2, 1000])
def test_a_file_of_another_name_is_another_file(news, tmp_path, monkeypatch, caplog, most):
    monkeypatch.setattr(corpus_listing, "MAX_FILES_NAMED", most)
    listing = list_of(news)
    run = RunDirectory.open(str(tmp_path / "many"), {"corpus": listing.fingerprint()})
    plan_of_run(run, listing)
    (news / "d.txt").rename(news / "e.txt")
    there = list_of(news)
    for accepted in ([], [str(news / "e.txt")]):
        assert changes_since(run, there, accepted=accepted).fingerprint == there.fingerprint() != begun(run)
    if most == 2:
        assert f"{news}/e.txt: of other names than the files with which the run began" in caplog.text
    with pytest.raises(InputError, match="differs from this one"):
        RunDirectory.open(run.path, {"corpus": changes_since(run, there).fingerprint})
    (news / "e.txt").rename(news / "d.txt")
    assert changes_since(run, list_of(news)).fingerprint == begun(run)


def test_large_parquet_is_not_read_for_its_digest(news, tmp_path, monkeypatch):
    monkeypatch.setattr(planning, "MEASURED_TEXT_BYTES", 10)
    listing = list_of(news)
    run = RunDirectory.open(str(tmp_path / "large"), {"corpus": listing.fingerprint()})
    assert [file.digest is None for file in plan_of_run(run, listing).files] == [False, False, True, False]
    touch(news / "c.parquet")
    assert changes_since(run, list_of(news)).fingerprint != begun(run)
    assert changes_since(run, list_of(news), accepted=[str(news / "c.parquet")]).fingerprint == begun(run)


@pytest.mark.parametrize("name", FILES)
def test_an_accepted_change_keeps_the_shards_and_reads_the_file_as_it_is(news, run, name, caplog):
    before = plan_of_run(run, list_of(news))
    path = write(news, name, text="{} has something much longer to say, which is {}")
    listing = list_of(news)
    assert changes_since(run, listing).fingerprint == listing.fingerprint() != begun(run)
    assert f"{path}: changed since the run began; where the change is known, --accept-changes keeps" in caplog.text
    changes = changes_since(run, listing, accepted=[path])
    assert changes.fingerprint == begun(run) and list(changes.files) == [FILES.index(name)]
    plan = plan_of_run(run, listing, changed=changes.files)
    assert [shard.documents for shard in plan.shards] == [shard.documents for shard in before.shards]
    assert rows(plan) == rows(planning.plan_listing(listing))
    assert rows(plan_of_run(run, list_of(news))) == rows(plan) and changes_since(run, list_of(news)).files == {}


def test_a_start_that_was_killed_while_it_took_a_change_over_takes_it_over_again(news, run):
    path = write(news, "a.jsonl", text="{} has something much longer to say, which is {}")
    files = run.local_path / FOLDER / "files.parquet"
    before = files.read_bytes()
    for _ in range(2):
        listing = list_of(news)
        plan = plan_of_run(run, listing, changed=changes_since(run, listing, accepted=[path]).files)
        files.write_bytes(before)  # which is written last
    assert rows(plan) == rows(planning.plan_listing(listing))


def test_documents_must_be_as_many_with_the_same_ids(news, run):
    path = write(news, "a.jsonl", count=39)
    with pytest.raises(InputError, match=r"a\.jsonl: holds 39 documents now, and held 40; --accept-changes is for"):
        changes_since(run, list_of(news), accepted=[path])
    put_json(news / "a.jsonl", records("a")[::-1])
    with pytest.raises(InputError, match=r"a\.jsonl: has other ids of its documents than before, or in another order"):
        changes_since(run, list_of(news), accepted=[path])


def test_a_file_that_is_accepted_must_be_of_the_corpus(news, run, tmp_path):
    with pytest.raises(InputError, match=r"--accept-changes .*none\.txt: not a file of the corpus"):
        changes_since(run, list_of(news), accepted=[str(tmp_path / "none.txt")])


def test_other_files_and_other_settings_are_no_change_of_files(news, run):
    (news / "d.txt").rename(news / "e.txt")
    assert changes_since(run, list_of(news)).fingerprint != begun(run)
    (news / "e.txt").rename(news / "d.txt")
    assert changes_since(run, list_of(news)).fingerprint == begun(run)
    other = list_corpus([f"{news}/*"], shard_documents=8)
    assert changes_since(run, other).fingerprint == other.fingerprint()


def test_a_plan_of_before_files_had_digests_is_read(news, run):
    path = run.local_path / FOLDER / "files.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["digest", "ids_digest"]), path)
    assert [id_ for id_, _ in rows(plan_of_run(run, list_of(news)))][:2] == ["a0", "a1"]
    touch(news / "a.jsonl")
    assert changes_since(run, list_of(news)).fingerprint != begun(run)


def test_the_kept_plan_is_used_where_it_is_of_this_corpus_and_else_one_is_made_and_not_kept(
    news, run, tmp_path, monkeypatch
):
    kept, _ = plan_kept_or_made(run, list_of(news))
    made, fingerprint = plan_kept_or_made(RunDirectory(str(tmp_path / "none")), list_of(news))
    assert made == kept and fingerprint == list_of(news).fingerprint() and not (tmp_path / "none").exists()
    with monkeypatch.context() as patched:
        patched.setattr(module, "plan_listing", None)
        touch(news / "a.jsonl")
        again, fingerprint = plan_kept_or_made(run, list_of(news))
        assert again.shards.table == kept.shards.table and fingerprint == begun(run)
    column, _ = plan_kept_or_made(run, list_of(news, keep_columns=["text"]))
    assert [field.name for field in column.kept] == ["text"]
    write(news, "a.jsonl", count=30)
    assert plan_kept_or_made(run, list_of(news))[0].documents == 150


@pytest.mark.parametrize("text", ["{} says {}, and more", "{} {}"])
def test_a_plan_that_was_cut_off_while_it_was_made_anew_counts_as_the_one_before(news, run, monkeypatch, text):
    before = rows(plan_of_run(run, list_of(news)))
    content = (news / "d.txt").read_bytes()
    write(news, "d.txt", text)
    listing = list_of(news)
    changes = changes_since(run, listing, accepted=[str(news / "d.txt")])
    write_table = RunDirectory.write_table

    def fails(directory, name, *arguments, **options):
        if name == f"{FOLDER}/files.parquet":
            raise OSError("killed")
        write_table(directory, name, *arguments, **options)

    with monkeypatch.context() as killed:
        killed.setattr(RunDirectory, "write_table", fails)
        with pytest.raises(OSError, match="killed"):
            plan_of_run(run, listing, changed=changes.files)
    again = plan_of_run(run, listing, changed=changes_since(run, listing, accepted=[str(news / "d.txt")]).files)
    assert rows(again)[-1][1] == text.format("d", 39)
    (news / "d.txt").write_bytes(content)
    listing = list_of(news)
    restored = plan_of_run(run, listing, changed=changes_since(run, listing, accepted=[str(news / "d.txt")]).files)
    assert rows(restored) == before


def test_a_file_that_is_restored_after_a_start_was_killed_is_read_as_before(news, run, monkeypatch):
    before, content = rows(plan_of_run(run, list_of(news))), (news / "d.txt").read_bytes()
    state = (news / "d.txt").stat()
    write(news, "d.txt", "{} says {}, and more")
    listing = list_of(news)
    changes = changes_since(run, listing, accepted=[str(news / "d.txt")])
    with monkeypatch.context() as killed:
        write_table = RunDirectory.write_table
        killed.setattr(
            RunDirectory,
            "write_table",
            lambda self, name, *given, **how: 1 / 0 if "files" in name else write_table(self, name, *given, **how),
        )
        with pytest.raises(ZeroDivisionError):
            plan_of_run(run, listing, changed=changes.files)
    (news / "d.txt").write_bytes(content)
    os.utime(news / "d.txt", ns=(state.st_atime_ns, state.st_mtime_ns))
    listing = list_of(news)
    assert changes_since(run, listing).files == {}
    assert rows(plan_of_run(run, listing)) == before


def test_a_run_that_began_without_a_corpus_has_another_one(news, tmp_path):
    run, listing = RunDirectory.open(str(tmp_path / "run"), {"corpus": None}), list_of(news)
    _, fingerprint = plan_kept_or_made(run, listing)
    assert fingerprint == listing.fingerprint()
