from __future__ import annotations

import logging
import shutil

import pyarrow.fs as pafs
import pytest
from files import put_json, put_lines, put_parquet

from kdner.corpora import listing, own_folder
from kdner.corpora.corpus_listing import list_corpus
from kdner.corpora.finished_plan import plan_of_finished_run
from kdner.corpora.kept_plan import plan_of_run
from kdner.errors import InputError
from kdner.runs.run_directory import RunDirectory


def write_run(path, job="tag_corpus"):
    run = RunDirectory.open(str(path), {"job": job})
    put_parquet(path / "part-0.parquet", {"text": ["no document"]})
    put_lines(path / "deep/note.txt", ["no document"])
    put_json(path / "model.json", [{"text": "no document"}])
    return run


def found_in(corpus, out):
    return [file.name for file in list_corpus([str(corpus)], out=str(out)).files]


@pytest.fixture
def news(tmp_path):
    for name in ("a.txt", "sub/b.txt"):
        put_lines(tmp_path / "news" / name, ["Ada left."])
    return tmp_path / "news"


@pytest.mark.parametrize("pattern", ["", "/*", "/**", "/**/*.txt", "/"])
@pytest.mark.parametrize("out", ["tagged", "sub/tagged", "runs/deep/tagged"])
@pytest.mark.parametrize("scheme", ["", "file://"])
def test_what_a_run_wrote_in_the_folder_of_its_corpus_is_no_part_of_it(news, pattern, out, scheme, caplog):
    corpus, out = f"{scheme}{news}{pattern}", news / out
    before = found_in(corpus, out)
    write_run(out)
    with caplog.at_level(logging.INFO):
        assert found_in(corpus, out) == before == ["a.txt", "sub/b.txt"] == found_in(corpus, f"file://{out}/")
    assert f"what is in {out} is no part of the corpus" in caplog.text


def test_whatever_path_names_the_folder(news, tmp_path, monkeypatch):
    write_run(news / "tagged")
    (tmp_path / "other").symlink_to("news")
    monkeypatch.chdir(news)
    for corpus in (news, ".", tmp_path / "other", "**/*.*"):
        for out in ("tagged", news / "sub/../tagged", tmp_path / "other/tagged"):
            assert found_in(corpus, out) == ["a.txt", "sub/b.txt"]


def test_links_lead_not_there(news, tmp_path):
    write_run(tmp_path / "tagged")
    (news / "results").symlink_to("../tagged")
    (news / "deep").symlink_to("../tagged/deep")
    (news / "note.txt").symlink_to("../tagged/deep/note.txt")
    assert found_in(news, tmp_path / "tagged") == ["a.txt", "sub/b.txt"] == found_in(f"{news}/**", tmp_path / "tagged")


def test_what_is_named_inside_it_is_the_corpus(news):
    for corpus in (news / "sub", news / "sub/b.txt", f"{news}/sub/*"):
        assert found_in(corpus, news) == ["b.txt"]


def test_folders_of_like_names_are_others(news):
    write_run(news / "tag")
    put_lines(news / "tag-2/c.txt", ["Ada left."])
    assert found_in(news, news / "tag") == ["a.txt", "sub/b.txt", "tag-2/c.txt"]


def test_the_folder_of_the_main_job_is_left_out_for_its_steps(news):
    write_run(news / "all", job="pipeline")
    write_run(news / "all/student")
    assert found_in(news, news / "all/entities") == ["a.txt", "sub/b.txt"]
    assert found_in(news / "all/deep", news / "all/entities") == ["note.txt"]
    write_run(news / "mine")
    with pytest.raises(InputError, match="several formats"):
        found_in(news, news / "mine/again")


@pytest.mark.parametrize("pattern", ["", "/*.txt", "/"])
def test_the_folder_of_the_corpus_itself_is_refused(news, pattern):
    with pytest.raises(InputError, match=r"news.*: is the folder of --out, too; give another --out"):
        found_in(f"{news}{pattern}", f"{news}/sub/..")


@pytest.mark.parametrize("corpus", ["", "/a.txt", "/*.txt"])
def test_a_file_of_the_corpus_is_refused(news, corpus):
    (news / "link.txt").symlink_to("a.txt")
    for out in ("a.txt", "link.txt"):
        with pytest.raises(InputError, match=r"news/a\.txt: is --out, too, and a file of the corpus; give another"):
            found_in(f"{news}{corpus}", news / out)


def test_a_dataset_whose_folder_holds_it_is_refused(tmp_path):
    put_parquet(tmp_path / "set/train.parquet", {"text": ["Ada left."]})
    for out in ("set/tagged", "set"):
        with pytest.raises(InputError, match=r"hf:.*set: --out .* lies in the folder of this dataset; give another"):
            list_corpus([f"hf:{tmp_path}/set"], staging=f"{tmp_path}/{out}/.corpus", out=f"{tmp_path}/{out}")
    there = list_corpus([f"hf:{tmp_path}/set"], staging=f"{tmp_path}/run/.corpus", out=f"{tmp_path}/run")
    assert [file.name for file in there.files] == ["set-train.parquet"]


def test_a_finished_run_is_read_beside_the_corpus_that_it_lies_in(news):
    corpus = list_corpus([str(news)], out=str(news / "tagged"))
    run = RunDirectory.open(str(news / "tagged"), {"corpus": corpus.fingerprint()})
    plan_of_run(run, corpus)
    put_lines(news / "tagged/part-0.txt", ["no document"])
    run.finish({})
    moved = news.rename(news.with_name("moved"))
    assert plan_of_finished_run(RunDirectory(str(moved / "tagged")), [str(moved)]).documents == 2


@pytest.mark.parametrize("pattern", ["", "/*", "/**", "/**/*.txt"])
def test_elsewhere_too(news, tmp_path, pattern, monkeypatch):
    stores = {"one": pafs.SubTreeFileSystem(str(tmp_path), pafs.LocalFileSystem())}
    shutil.copytree(news, tmp_path / "copy/news")
    stores["two"] = pafs.SubTreeFileSystem(str(tmp_path / "copy"), pafs.LocalFileSystem())

    def locate(uri):
        scheme, _, inner = uri.partition("://")
        return stores[scheme], inner.rstrip("/")

    for module in (listing, own_folder):
        monkeypatch.setattr(module, "locate", locate)
    monkeypatch.setattr(own_folder.OwnFolder, "_whole", property(lambda self: self._real))
    write_run(news / "tagged")
    put_lines(tmp_path / "copy/news/tagged/c.txt", ["Ada left."])
    files, _ = listing.find_files([f"one://news{pattern}"], "text", None, None, out="one://news/tagged/")
    assert [file.path for file in files] == ["one://news/a.txt", "one://news/sub/b.txt"]
    files, _ = listing.find_files([f"two://news{pattern}"], "text", None, None, out="one://news/tagged")
    assert [file.name for file in files] == ["a.txt", "sub/b.txt", "tagged/c.txt"]
    with pytest.raises(InputError, match="is the folder of --out, too"):
        listing.find_files([f"one://news{pattern}"], "text", None, None, out="one://news")
