"""From a finished run to files of other tools, and sentences worth labeling."""

from __future__ import annotations

import json
from pathlib import Path

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from files import contents

import kdner.corpora.changes
from kdner.flags import Actors
from kdner.jobs.convert import Convert, convert
from kdner.jobs.export import Export, export
from kdner.jobs.precompute_logits import PrecomputeLogits, precompute_logits
from kdner.jobs.select_sentences import SelectSentences, select_sentences
from kdner.jobs.tag_corpus import TagCorpus, tag_corpus
from kdner.labeled.sets import read_labeled
from kdner.runs.run_directory import RunDirectory
from kdner.student.model import Student

TWO = {"actors": Actors(count=2), "shard_documents": 20}
pytestmark = [pytest.mark.ray, pytest.mark.cluster]


@pytest.fixture(scope="module")
def student(make_student, tmp_path_factory):
    folder = tmp_path_factory.mktemp("student")
    make_student().save_pretrained(folder)
    return str(folder)


@pytest.fixture(scope="module")
def entities(cluster, corpus_file, student, tmp_path_factory):
    out = str(tmp_path_factory.mktemp("runs") / "entities")
    tag_corpus(TagCorpus(corpus=(corpus_file,), student=student, out=out, **TWO))
    return out


@pytest.fixture(scope="module")
def logits(cluster, corpus_file, teacher_folder, tmp_path_factory):
    out = str(tmp_path_factory.mktemp("runs") / "logits")
    precompute_logits(PrecomputeLogits(corpus=(corpus_file,), teacher=(teacher_folder,), out=out, **TWO))
    return out


def corpus_rows(corpus_file):
    return [row for row in pq.read_table(corpus_file).to_pylist() if row["text"] and row["text"].strip()]


def test_a_run_of_entities_in_each_format_loses_no_document(entities, corpus_file, tmp_path):
    rows = corpus_rows(corpus_file)
    found = {row["id"]: row["entities"] for table in RunDirectory(entities).tables() for row in table.to_pylist()}
    summaries = {
        name: export(Export(run=entities, format=name, out=str(tmp_path / name)))
        for name in ("doccano", "label-studio", "hf")
    }
    for summary in summaries.values():
        assert (summary["documents"], summary["left_out"]) == (len(rows) + 2, 2)
        assert summary["entities"] == sum(len(of or ()) for of in found.values())
    lines = [json.loads(line) for path in sorted((tmp_path / "doccano").glob("part-*.jsonl")) for line in path.open()]
    assert [(line["id"], line["text"]) for line in lines] == [(row["id"], row["text"]) for row in rows]
    assert all(line["label"] == [[e["start"], e["end"], e["label"]] for e in found[line["id"]]] for line in lines)
    files = sorted((tmp_path / "label-studio").glob("part-*.json"))
    assert len(files) == 4 and sum(len(json.loads(path.read_text())) for path in files) == len(rows)
    dataset = datasets.load_dataset(str(tmp_path / "hf"), cache_dir=str(tmp_path / "cache"))["train"]
    assert dataset.features["ner_tags"].feature.names == RunDirectory(entities).manifest()["labels"]
    assert list(dict.fromkeys(dataset["document"])) == [row["id"] for row in rows]


def test_a_run_of_entities_as_docs_of_spacy(entities, corpus_file, tmp_path):
    spacy = pytest.importorskip("spacy")
    from spacy.tokens import DocBin

    export(Export(run=entities, format="docbin", out=str(tmp_path / "docbin")))
    vocab = spacy.blank("en").vocab
    docs = [d for p in sorted((tmp_path / "docbin").glob("*.spacy")) for d in DocBin().from_disk(p).get_docs(vocab)]
    assert [doc.text for doc in docs] == [row["text"] for row in corpus_rows(corpus_file)]


def test_the_teachers_labels_for_other_trainers(logits, corpus_file, tmp_path):
    export(Export(run=logits, format="prodigy", out=str(tmp_path / "out")))
    lines = [json.loads(line) for path in sorted((tmp_path / "out").glob("part-*.jsonl")) for line in path.open()]
    assert [line["text"] for line in lines] == [row["text"] for row in corpus_rows(corpus_file)]
    spans = [span for line in lines for span in line["spans"]]
    assert {span["label"] for span in spans} == {"PER", "LOC"} and all(0.3 < span["score"] <= 1 for span in spans)


def test_kept_columns_are_metadata_there(cluster, student, refused, tmp_path):
    columns = {"id": ["a", "b"], "text": ["Anna left.", "Rain."], "page": [7, 8]}
    pq.write_table(pa.table(columns), tmp_path / "news.parquet")
    flags = ("--corpus", tmp_path / "news.parquet", "--student", student, "--out", tmp_path / "run", "--keep-columns")
    tag_corpus(
        TagCorpus(corpus=(str(flags[1]),), student=student, out=str(tmp_path / "run"), keep_columns=("text", "page"))
    )
    (table,) = RunDirectory(str(tmp_path / "run")).tables()
    assert table.drop_columns(["entities", "words", "error"]).to_pydict() == columns
    assert "keep_columns" in refused(TagCorpus, tag_corpus, *flags, "page")
    export(Export(run=str(tmp_path / "run"), format="prodigy", out=str(tmp_path / "out")))
    (path,) = (tmp_path / "out").glob("part-*.jsonl")
    assert [json.loads(line)["meta"] for line in path.open()] == [{"page": 7, "id": "a"}, {"page": 8, "id": "b"}]


def test_started_again_it_makes_only_what_is_missing(entities, tmp_path):
    many = Actors(count=9)  # more than there is room for at once
    config = Export(run=entities, format="conll", out=str(tmp_path / "out"), actors=many)
    export(config)
    before = contents(tmp_path / "out")
    kept, lost = tmp_path / "out" / "part-00000.conll", tmp_path / "out" / "part-00002.conll"
    changed_at = kept.stat().st_mtime_ns
    lost.unlink()
    (tmp_path / "out" / "_SUCCESS").unlink()
    export(config)
    assert contents(tmp_path / "out") == before and kept.stat().st_mtime_ns == changed_at


def test_a_corpus_that_changed_or_moved(cluster, student, corpus_file, refused, tmp_path):
    corpus = tmp_path / "corpus.parquet"
    corpus.write_bytes(Path(corpus_file).read_bytes())
    tag_corpus(TagCorpus(corpus=(str(corpus),), student=student, out=str(tmp_path / "run"), **TWO))
    flags = ("--run", tmp_path / "run", "--format", "conll", "--out", tmp_path / "out")
    corpus.rename(tmp_path / "moved.parquet")
    assert str(corpus) in refused(Export, export, *flags)
    moved = Export(
        run=str(tmp_path / "run"), format="conll", out=str(tmp_path / "out"), corpus=(str(tmp_path / "moved.parquet"),)
    )
    assert export(moved)["documents"] == 61
    table = pq.read_table(tmp_path / "moved.parquet")
    pq.write_table(table.slice(1), corpus)
    message = refused(Export, export, *flags)
    assert "its corpus is not what it was made of" in message and "--corpus" in message


def test_what_is_no_run_over_a_corpus(refused, student, tmp_path):
    RunDirectory.open(str(tmp_path / "run"), {"job": "evaluate"}).finish({})
    flags = ("--format", "conll", "--out", tmp_path / "out")
    assert "give the --out of one of these" in refused(Export, export, "--run", tmp_path / "run", *flags)
    assert "not a kdner run directory" in refused(Export, export, "--run", student, *flags)


def test_select_what_the_student_is_least_sure_of(cluster, student, corpus_file, tmp_path, monkeypatch):
    out = tmp_path / "out"
    config = SelectSentences(student=student, corpus=(corpus_file,), count=6, format="prodigy", out=str(out), **TWO)
    summary = select_sentences(config)
    tasks = [json.loads(line) for line in (out / "selected.jsonl").open()]
    assert summary["selected"] == len(tasks) and 1 <= len(tasks) <= 6
    doubts = [task["meta"]["doubt"] for task in tasks]
    assert doubts == sorted(doubts, reverse=True) and summary["least_doubt"] == doubts[-1]
    assert len({task["text"].lower() for task in tasks}) == len(tasks)
    named = [frozenset(task["text"][s["start"] : s["end"]] for s in task["spans"]) for task in tasks if task["spans"]]
    assert len(set(named)) == len(named)
    found = {e.text for e in Student.from_pretrained(student).tag(tasks[0]["text"])}
    assert found == {tasks[0]["text"][s["start"] : s["end"]] for s in tasks[0]["spans"]}
    monkeypatch.setattr(kdner.corpora.changes, "plan_listing", None)  # the corpus is not planned again
    assert select_sentences(config) == summary and summary["ids_checked"]


def test_select_where_teacher_and_student_differ(student, logits, teacher, tmp_path):
    out = tmp_path / "out"
    config = SelectSentences(student=student, logits=logits, count=5, format="conll", out=str(out))
    assert select_sentences(config)["selected"] >= 1
    tagger = Student.from_pretrained(student)
    for sentence in read_labeled(str(out / "selected.conll")):
        words, tags = sentence.words()
        assert teacher.tags([words]) == [tags]
        student_found = {(e.text, e.label) for e in tagger.tag(sentence.text)}
        assert student_found != {(e.text, e.label) for e in as_entities(sentence)}


def as_entities(sentence):
    from kdner.integrations.annotated import of_labeled

    (document,) = of_labeled([sentence])
    return document.entities


def test_select_refuses_what_it_cannot_read(refused, student, entities, tmp_path):
    flags = ("--student", student, "--format", "conll", "--out", tmp_path / "out")
    assert "--corpus is needed" in refused(SelectSentences, select_sentences, *flags)
    message = refused(SelectSentences, select_sentences, *flags, "--logits", entities)
    assert "holds no logits" in message
    assert "--count 0: must be at least 1" in refused(
        SelectSentences, select_sentences, *flags, "--logits", entities, "--count", 0
    )


def test_convert_a_labeled_set_there_and_back(train_file, toy, refused, tmp_path):
    out = str(tmp_path / "train.jsonl")
    assert convert(Convert(labeled=train_file, format="doccano", out=out))["sentences"] == len(toy)
    back = str(tmp_path / "back.jsonl")
    counts = convert(Convert(labeled=out, format="prodigy", out=back))
    assert [(s.text, s.tags) for s in read_labeled(back)] == [(s.text, s.tags) for s in toy]
    assert counts["entities"] == sum(tag.startswith("B-") for s in toy for tag in s.tags)
    other_spelling = str(tmp_path / ".." / tmp_path.name / "back.jsonl")
    for same in (back, other_spelling, f"file://{back}"):
        for labeled, written in ((back, same), (same, back)):
            message = refused(Convert, convert, "--labeled", labeled, "--format", "doccano", "--out", written)
            assert "is the labeled set itself" in message
