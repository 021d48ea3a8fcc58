from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from files import put
from html_pages import check_page

from kdner.corpora.plan import plan_corpus, read_shard
from kdner.errors import InputError
from kdner.pages import tagged_corpus
from kdner.pages.corpus_page import corpus_page
from kdner.pages.tagged_corpus import BINS, read_tagged
from kdner.pages.view import view
from kdner.runs.run_directory import RunDirectory
from kdner.student.tag_documents import MIN_SHARDS, TagDocuments

SUMMARY = {"documents": 61, "words": 700, "entities": 200, "errors": 2, "words_per_second": 54_321}


@pytest.fixture
def corpus(tmp_path, corpus_file):
    path = tmp_path / "corpus.parquet"
    path.write_bytes(Path(corpus_file).read_bytes())
    return str(path)


@pytest.fixture
def tagged(tmp_path, make_student, corpus):
    """Tag a corpus as tag_corpus does, without a cluster; returns the run directory."""
    (tmp_path / "student").mkdir()
    make_student(seed=4).save(tmp_path / "student")

    def make(name="entities", source=corpus, **options):
        plan = plan_corpus([source], min_shards=MIN_SHARDS, **options)
        tag = TagDocuments(str(tmp_path / "student"), kept=plan.kept)
        described = {"files": [shard.name for shard in plan.shards], "labels": tag.tagger.labels}
        fingerprint = {"job": "tag_corpus", "corpus": plan.fingerprint(), "keep_columns": [f.name for f in plan.kept]}
        run = RunDirectory.open(str(tmp_path / name), fingerprint, described)
        for shard in plan.shards:
            run.write_table(shard.name, tag(read_shard(plan, shard)), tag.schema)
        run.finish(SUMMARY)
        return run

    return make


def entities_in(run):
    rows = pa.concat_tables(run.tables()).to_pylist()
    return [entity for row in rows for entity in row["entities"] or []]


@pytest.mark.parametrize("options", [{}, {"shard_documents": 4}], ids=str)
def test_counts_are_those_of_the_files(tagged, options):
    run = tagged(**options)
    every, found = entities_in(run), read_tagged(run)
    assert (found.parts, found.parts_read) == (len(run.files), len(run.files))
    assert list(found.labels) == ["LOC", "PER"]
    for label, own in found.labels.items():
        texts = [entity["text"] for entity in every if entity["label"] == label]
        scores = [entity["score"] for entity in every if entity["label"] == label]
        assert (own.entities, own.distinct) == (len(texts), len(set(texts)))
        assert own.mean_score == pytest.approx(sum(scores) / len(scores), abs=1e-5)
        assert own.frequent[0][1] == max(map(texts.count, texts))
        assert all(texts.count(text) == count for text, count in own.frequent)
    assert sum(found.scores) == len(every) and len(found.scores) == BINS


def test_the_sample_has_documents_of_the_whole_corpus_with_their_texts(tagged, corpus):
    found = read_tagged(tagged(shard_documents=4))
    texts = dict(zip(*pq.read_table(corpus).to_pydict().values(), strict=True))
    assert len(found.sample) > 10 and found.no_sample == ""
    for document in found.sample:
        assert document.text == texts[document.id] and document.entities
        assert all(document.text[e["start"] : e["end"]] == e["text"] for e in document.entities)
    rows = [int(document.id.removeprefix("d")) for document in found.sample]
    assert rows == sorted(rows) and rows[-1] > 45


def test_texts_that_the_run_has_kept_are_those_of_the_sample_though_the_corpus_is_gone(tagged, corpus):
    run, other = tagged(shard_documents=4, keep_columns=["text"]), tagged("other", shard_documents=4)
    expected = read_tagged(other)
    Path(corpus).unlink()
    assert read_tagged(run) == expected and expected.sample and read_tagged(other).sample == []


def test_a_corpus_of_another_encoding(tagged, tmp_path):
    path = put(tmp_path / "old.txt", "Tom Brown met Mary in Rome, at the Café.\n".encode("cp1252") * 20)
    found = read_tagged(tagged(source=path, encoding="cp1252"))
    assert found.no_sample == "" and {document.text[-5:] for document in found.sample} == {"Café."}


def test_of_many_files_a_part_is_read_and_the_page_says_so(tagged, monkeypatch):
    monkeypatch.setattr(tagged_corpus, "PARTS", 3)
    run = tagged(shard_documents=4)
    found = read_tagged(run)
    assert (found.parts_read, found.parts) == (3, 16) and 0 < sum(found.scores) < len(entities_in(run)) / 3
    assert "3 of the run's 16 files" in check_page(corpus_page("entities", SUMMARY, found)).text


def test_a_corpus_that_changed_or_is_gone_leaves_the_counts(tagged, corpus):
    run = tagged()
    table = pq.read_table(corpus)
    pq.write_table(table.slice(1), corpus)
    changed = read_tagged(run)
    assert changed.sample == [] and "has changed" in changed.no_sample and sum(changed.scores) == len(entities_in(run))
    Path(corpus).unlink()
    assert "cannot be read any more" in (gone := read_tagged(run)).no_sample and "corpus.parquet" in gone.no_sample
    assert "cannot be read any more" in check_page(corpus_page("entities", SUMMARY, gone)).text


def test_texts_other_than_those_that_were_tagged_are_not_shown(tagged, monkeypatch):
    run, read = tagged(), read_shard

    def changed(plan, shard):
        documents = read(plan, shard).to_pydict()
        documents["text"] = [f"XX {text}" if text else text for text in documents["text"]]
        return pa.table(documents)

    monkeypatch.setattr(tagged_corpus, "read_shard", changed)
    found = read_tagged(run)
    assert found.sample == [] and "texts of the corpus have changed" in found.no_sample


def test_its_page(tagged):
    run = tagged()
    page = check_page(corpus_page("entities", SUMMARY, read_tagged(run)))
    for part in ("54,321", "different texts", "Most frequent entities", "documents with entities, evenly", "LOC"):
        assert part in page.text
    labels = [attributes["class"] for attributes in page.all("mark")]
    assert len(labels) > 20 and set(labels) == {"entity c0", "entity c1"}


def test_view_writes_it_where_readers_of_parquet_pass_over_it(tagged):
    run = tagged()
    path = view(run.path)
    assert path == f"{run.path}/_page.html"
    check_page(Path(path).read_text("utf-8"))
    assert pq.read_table(run.path).num_rows == 61


def test_nothing_was_found(tagged):
    run = tagged()
    empty = replace(
        read_tagged(run),
        labels={
            label: own._replace(entities=0, distinct=0, frequent=[]) for label, own in read_tagged(run).labels.items()
        },
        scores=[0] * BINS,
        sample=[],
        no_sample="No document has an entity.",
    )
    assert "No document has an entity." in check_page(corpus_page("e", {**SUMMARY, "words_per_second": 0}, empty)).text


def test_view_names_the_runs_that_have_a_page(tmp_path):
    with pytest.raises(InputError, match="no such folder"):
        view(str(tmp_path / "nothing"))
    run = RunDirectory.open(str(tmp_path / "logits"), {"job": "precompute_logits"})
    run.finish({})
    with pytest.raises(InputError, match="a run of precompute_logits, which has no page; give one of tag_corpus"):
        view(run.path)
    old = RunDirectory.open(str(tmp_path / "evaluation"), {"job": "evaluate"})
    old.finish({})
    with pytest.raises(InputError, match="from before kdner wrote pages"):
        view(old.path)
    old.write_bytes("page.html", b"<!DOCTYPE html>")
    assert view(old.path) == f"{old.path}/page.html"
