"""A run of tag_corpus with columns of its corpus, made without a cluster, and what other tools get of it."""

from __future__ import annotations

import datetime
import json
import uuid

import datasets
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from files import put_parquet

from kdner.corpora.plan import plan_corpus, read_shard
from kdner.errors import InputError
from kdner.integrations.corpus_run import CorpusRun
from kdner.integrations.doubts import unsure
from kdner.integrations.formats import FORMATS
from kdner.jobs.export import ExportShard
from kdner.labeled.sets import read_labeled
from kdner.labels.tags import entities_of
from kdner.runs.run_directory import RunDirectory
from kdner.runs.schema import CORPUS, ENTITIES
from kdner.student.tag_documents import TagDocuments
from kdner.student.tagger import Tagger
from kdner.text.words import splitter_fingerprint, splitting_of

COLUMNS = {
    "id": ["a", "b", "c", "d"],
    "text": [None, "Anna left.", "Rain.", "Tom Brown met Mary.\nIn Rome."],
    "day": [datetime.date(2020, 1, day) for day in (1, 2, 3, 4)],
    "label": ["x", "y", None, "z"],
    "score": [0.5, float("nan"), None, 1.0],
    "key": pa.array([uuid.UUID(int=number) for number in range(4)], pa.uuid()),
    "meta": [{"url": "u", "tags": ["t"]}, None, {"url": None, "tags": []}, {"url": "v", "tags": None}],
}
KEPT = ["text", "day", "label", "score", "key", "meta", "meta.url"]
AS_JSON = {
    "day": "2020-01-02",
    "score": None,
    "key": str(uuid.UUID(int=1)),
    "meta": None,
    "meta.url": None,
}


@pytest.fixture(scope="module")
def tagged(make_student, tmp_path_factory):
    """A finished run of tag_corpus with columns of the corpus, a shard of its own for the document with an error."""
    folder = tmp_path_factory.mktemp("kept")
    make_student(seed=4).save_pretrained(folder / "student")
    path = put_parquet(folder / "news.parquet", COLUMNS)
    plan = plan_corpus([path], shard_documents=1, keep_columns=KEPT)
    tag = TagDocuments(str(folder / "student"), kept=plan.kept)
    described = {"files": [shard.name for shard in plan.shards], "labels": tag.tagger.labels}
    fingerprint = {"job": "tag_corpus", "keep_columns": KEPT, "corpus": plan.fingerprint()}
    run = RunDirectory.open(str(folder / "run"), fingerprint, described)
    for shard in plan.shards:
        run.write_table(shard.name, tag(read_shard(plan, shard)), tag.schema)
    run.finish({})
    return run


@pytest.fixture
def exported(tagged, tmp_path):
    """Export the run in a format, and give the files with documents in them."""

    def export(name):
        source = CorpusRun.open(tagged.path)
        work, out = ExportShard(source, name), RunDirectory(str(tmp_path))
        for number in range(len(source.files)):
            work(number, out, f"{number}{FORMATS[name].suffix}")
        return [tmp_path / f"{number}{FORMATS[name].suffix}" for number in (1, 2, 3)]

    return export


def test_they_stand_beside_the_entities_also_of_a_document_with_an_error(tagged):
    table = pq.read_table(tagged.path)
    assert table.column_names == ["id", "entities", "words", "error", *KEPT]
    assert table["error"].is_valid().to_pylist() == [True, False, False, False]
    for name in ("text", "day", "label", "key", "meta"):
        assert table[name].to_pylist() == pa.array(COLUMNS[name]).to_pylist()
    assert table["meta.url"].to_pylist() == ["u", None, None, "v"]
    assert table.schema.field("meta.url").metadata[b"description"] == b"meta.url of the corpus"
    for row in table.to_pylist():
        assert all(row["text"][e["start"] : e["end"]] == e["text"] for e in row["entities"] or ())


def test_annotation_tools_have_them_as_metadata(exported):
    (task, *_) = [json.loads(path.read_text()) for path in exported("prodigy")]
    assert task["text"] == "Anna left." and task["meta"] == {**AS_JSON, "label": "y", "id": "b"}
    ((task,), *_) = [json.loads(path.read_text()) for path in exported("label-studio")]
    assert task["data"] == {**AS_JSON, "label": "y", "id": "b", "text": "Anna left."}
    (*_, task) = [json.loads(path.read_text()) for path in exported("doccano")]
    assert task["label_"] == "z" and [span[2] for span in task["label"]]
    assert task["meta"] == {"url": "v", "tags": None} and task["day"] == "2020-01-04"


def test_docs_of_spacy_have_them(exported):
    pytest.importorskip("spacy")
    from spacy.tokens import DocBin
    from spacy.vocab import Vocab

    (path, *_) = exported("docbin")
    (doc,) = DocBin(store_user_data=True).from_disk(path).get_docs(Vocab())
    assert {name: doc.user_data[name] for name in ("id", "label", *AS_JSON)} == {**AS_JSON, "label": "y", "id": "b"}


def test_a_dataset_has_them_with_their_types(exported, tmp_path):
    paths = [str(path) for path in exported("hf")]
    data = {"data_files": [str(tmp_path / "0.parquet"), *paths], "cache_dir": str(tmp_path / "cache")}
    dataset = datasets.load_dataset("parquet", **data)["train"]
    assert dataset["document"][:] == ["b", "c", "d", "d"] and dataset["label"][:] == ["y", None, "z", "z"]
    assert dataset.features["day"].dtype == "date32" and dataset["day"][:] == [COLUMNS["day"][i] for i in (1, 2, 3, 3)]
    assert dataset["meta"][2] == {"url": "v", "tags": None} and dataset["key"][3] == str(uuid.UUID(int=3))
    assert "text" not in dataset.column_names


def test_a_file_with_other_columns_is_refused(tagged, tmp_path):
    source = CorpusRun.open(tagged.path)
    table = pq.read_table(f"{tagged.path}/{source.files[1]}")
    other = RunDirectory(str(tmp_path))
    changed = CorpusRun(other, source.plan, source.labels, 0, source.columns)
    for own, message in (
        (table.drop_columns(["text"]), "column 4 is 'day' .*, expected 'text'"),
        (table.append_column("more", table["id"]), "unexpected column 'more'"),
    ):
        other.write_table(source.files[1], own, own.schema)
        with pytest.raises(InputError, match=rf"part-00001\.parquet: {message}"):
            changed.read(1, ExportShard(changed, "conll").reader)


def test_sentences_are_those_that_the_run_was_made_with(tmp_path):
    text = "Er lebt in New\nYork. Der hl. Franziskus nicht."
    plan = plan_corpus([put_parquet(tmp_path / "news.parquet", {"id": ["a"], "text": [text]})])
    found = [
        {"start": text.index(part), "end": text.index(part) + len(part), "label": label, "text": part, "score": 1.0}
        for part, label in (("New\nYork", "LOC"), ("hl. Franziskus", "PER"))
    ]
    splitting = splitter_fingerprint("de", hard_wrapped=True)
    fingerprint = {"job": "tag_corpus", "corpus": plan.fingerprint(), **splitting}
    described = {"files": plan.shards.names, "labels": ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]}
    run = RunDirectory.open(str(tmp_path / "run"), fingerprint, described)
    row = {"id": "a", "entities": found, "words": 8, "error": None}
    run.write_table(plan.shards.names[0], pa.Table.from_pylist([row], ENTITIES), ENTITIES)
    run.finish({})
    ExportShard(CorpusRun.open(run.path), "conll")(0, RunDirectory(str(tmp_path)), "out.conll")
    first, second = read_labeled(str(tmp_path / "out.conll"))
    assert [first.text[a:b] for a, b, _ in entities_in(first)] == ["New York"]
    assert [second.text[a:b] for a, b, _ in entities_in(second)] == ["hl . Franziskus"]


def entities_in(sentence):
    return [(sentence.starts[first], sentence.ends[last - 1], name) for first, last, name in entities_of(sentence.tags)]


def test_sentences_to_label_are_split_as_they_are_asked_for(make_student):
    documents = pa.table([["a"], ["Anna left New\nYork. Tom stayed."]], schema=CORPUS)
    tagger = Tagger(make_student())
    wrapped = splitting_of(splitter_fingerprint("en", hard_wrapped=True))
    doubts = list(unsure(documents, tagger, min_words=1, splitting=wrapped))
    assert [doubt.text for doubt in doubts] == ["Anna left New\nYork.", "Tom stayed."]
    assert [len(doubt.annotated().sentences) for doubt in doubts] == [1, 1]
    assert len(list(unsure(documents, tagger, min_words=1))) == 3
