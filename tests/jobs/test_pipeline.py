from __future__ import annotations

import json
import logging
import re
import runpy
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from files import unusual_permissions
from html_pages import check_page
from huggingface_hub import ModelCard

import kdner.corpora.changes
from kdner.distillation.recipe import Distillation
from kdner.errors import InputError
from kdner.flags import Actors
from kdner.jobs.pipeline import Pipeline, main, pipeline
from kdner.jobs.tag_corpus import TagCorpus, tag_corpus
from kdner.labeled.sets import read_labeled
from kdner.pages.view import view
from kdner.runs.run_directory import RunDirectory
from kdner.runs.schema import ENTITIES, LOGITS
from kdner.student.config import StudentConfig
from kdner.student.model import Student
from kdner.teacher.fine_tuning import FineTuning
from kdner.text.words import count_words

pytestmark = pytest.mark.ray

MODELS = ("teacher", "teacher-2", "student", "baseline")
MEASURED = ("f1", "precision", "recall", "parameters", "seconds_per_document", "peak_memory_mb")
EXAMPLES = Path(__file__).parents[2] / "jobs" / "examples"
SMALL = StudentConfig(word_dim=16, character_dim=8, character_filters=8, hidden=16)


@pytest.fixture(scope="module")
def config(tmp_path_factory, cluster, bert_base, roberta_base, train_file, test_file, corpus_file) -> Pipeline:
    return Pipeline(
        labeled=train_file,
        labeled_size=32,
        test=test_file,
        corpus=(corpus_file,),
        shard_documents=20,
        max_error_rate=0.1,
        teacher=(bert_base, roberta_base),
        actors=Actors(count=1),
        out=str(tmp_path_factory.mktemp("pipeline") / "out"),
        fine_tuning=FineTuning(learned=1.0, epochs=25, min_steps=1, batch_sentences=8, learning_rate=5e-3),
        student=SMALL,
        distillation=Distillation(epochs=2, min_steps=200, batch_words=100, learning_rate=1e-2),
    )


class Messages(logging.Handler):
    def __init__(self):
        super().__init__()
        self.lines = []

    def emit(self, record):
        self.lines.append(record.getMessage())


@pytest.fixture(scope="module")
def log():
    """The lines that kdner has logged so far, of this module's tests."""
    messages, kdner = Messages(), logging.getLogger("kdner")
    level = kdner.level
    kdner.addHandler(messages)
    kdner.setLevel(logging.INFO)
    yield messages.lines
    kdner.removeHandler(messages)
    kdner.setLevel(level)


@pytest.fixture(scope="module")
def summary(config, log):
    return pipeline(config)


@pytest.fixture(scope="module")
def out(config, summary) -> Path:
    return Path(config.out)


def test_the_log_calls_each_training_by_its_name(summary, log):
    names = {match[1] for line in log if (match := re.match(r"(\S+): [\d,]+ of [\d,]+ steps", line))}
    assert names == {"teacher", "teacher-2", "student", "baseline"}
    stages = {line.partition(":")[0] for line in log}
    assert stages >= {"precompute_logits", "evaluate", "tag_corpus"}
    assert not stages & {"finetune_teacher", "distill_student"}
    assert not any("are there" in line or "is there" in line for line in log)


def test_the_summary_says_what_a_user_asks(summary, out):
    assert tuple(summary)[: len(MODELS)] == MODELS
    for model in MODELS:
        assert all(summary[model][key] > 0 for key in MEASURED)
    assert summary["student"]["f1"] > 0.8
    assert summary["compression"] == round(summary["teacher"]["parameters"] / summary["student"]["parameters"], 1)
    assert {key: summary["tagged"][key] for key in ("documents", "errors")} == {"documents": 61, "errors": 2}
    assert summary["tagged"]["entities"] > 61 and summary["tagged"]["words_per_second"] > 0
    assert all(seconds > 0 for seconds in summary["stages"].values()) and len(summary["stages"]) == 8
    assert json.loads((out / "_summary.json").read_text()) == summary


def test_every_document_is_tagged_and_every_offset_right(out, corpus_file, summary):
    source = pq.read_table(corpus_file).to_pylist()
    rows = [
        row
        for table in RunDirectory.finished_at(str(out / "entities")).tables(schema=ENTITIES)
        for row in table.to_pylist()
    ]
    assert [row["id"] for row in rows] == [document["id"] for document in source]
    for row, document in zip(rows, source, strict=True):
        if not (document["text"] or "").strip():
            assert row["error"] and row["entities"] is None
            continue
        assert row["error"] is None and row["words"] == count_words(document["text"])
        for entity in row["entities"]:
            assert document["text"][entity["start"] : entity["end"]] == entity["text"]
            assert entity["label"] in ("PER", "LOC") and 0 < entity["score"] <= 1
    assert sum(row["words"] for row in rows) == summary["tagged"]["words"]


def test_the_student_in_python_finds_what_the_job_found(out, corpus_file):
    (first, *_), (text, *_) = (
        pq.read_table(out / "entities" / "part-00000.parquet")["entities"].to_pylist(),
        pq.read_table(corpus_file)["text"].to_pylist(),
    )
    found = Student.from_pretrained(out / "student").tag(text)
    assert [(e.start, e.end, e.label, e.text) for e in found] == [
        (e["start"], e["end"], e["label"], e["text"]) for e in first
    ]


def test_the_rest_of_the_labeled_set_joins_the_transfer_set_without_labels(out, train_file):
    ids = pq.read_table(out / "transfer" / "transfer.parquet")["id"].to_pylist()
    rest = {f"labeled:{sentence.id}" for sentence in read_labeled(train_file)} & set(ids)
    assert len(rest) == 48 - 32 and len(ids) == 48 - 32 + 61


def test_logits_have_one_row_of_labels_for_each_word(out):
    run = RunDirectory.finished_at(str(out / "logits"))
    labels = run.manifest()["labels"]
    for table in run.tables(schema=LOGITS):
        for row in table.to_pylist():
            if row["error"] is None:
                assert len(row["logits"]) == len(row["words"]) * 2 * len(labels)  # two teachers
                assert sum(row["sentence_words"]) == len(row["words"])


def test_the_student_directory_is_whole(out, summary):
    assert {"config.json", "model.safetensors", "vocabulary.json", "README.md"} <= {
        p.name for p in (out / "student").iterdir()
    }
    assert not list((out / "student").glob(".*"))
    assert Student.from_pretrained(out / "student").parameters_count == summary["student"]["parameters"]
    assert "LOC, PER" in (out / "student" / "README.md").read_text()


@pytest.mark.parametrize("name", ["student", "baseline"])
def test_the_model_card_has_the_quality_on_the_test_set_and_sentences_of_its_kind(out, summary, name, toy_texts, toy):
    card = ModelCard.load(out / name / "README.md")
    measured = {result.metric_type: result.metric_value for result in card.data.eval_results}
    assert measured == {metric: summary[name][metric] for metric in ("f1", "precision", "recall")}
    assert {(r.dataset_name, r.dataset_args["sentences"]) for r in card.data.eval_results} == {("test.conll", 10)}
    assert f"F1 {summary[name]['f1']:.4f}" in card.text and "not measured" not in card.text
    examples = RunDirectory.finished_at(str(out / name)).summary()["examples"]
    student = Student.from_pretrained(out / name)
    for example in examples:
        found = [[entity.start, entity.end, entity.label] for entity in student.tag(example["text"])]
        assert example["text"] in toy_texts and example["entities"]["student"] == found
    assert len(examples) == 5 and any(f".tag({example['text']!r})" in card.text for example in examples)
    assert "synthetic" not in card.text


def test_the_page_shows_all_that_was_found(out, summary):
    page = check_page((out / "page.html").read_text("utf-8"))
    for part in (
        f"{summary['student']['f1']:.4f}",
        "student over baseline",
        "How the students learned",
        "training loss",
        "precompute_logits",
        "Most frequent entities",
        "documents with entities, evenly",
    ):
        assert part in page.text.replace("baseline over student", "student over baseline")
    assert check_page((out / "evaluation" / "page.html").read_text("utf-8")).text.startswith(
        "\nEvaluation on test.conll"
    )
    assert view(str(out)) == str(out / "page.html") and view(str(out / "entities")) == str(
        out / "entities" / "_page.html"
    )
    (out / "entities" / "_page.html").unlink()


def test_errors_lie_in_a_file_and_add_up(out, summary):
    run = RunDirectory.finished_at(str(out / "evaluation"))
    models = {Path(folder).name: own for folder, own in run.read_json("evaluation.json").items()}
    assert list(models) == list(MODELS)
    predicted, errors = list(run.read_json_lines("predictions.jsonl")), list(run.read_json_lines("errors.jsonl"))
    for name, own in models.items():
        kinds = Counter(line["kind"] for line in errors if line["model"] == name)
        assert dict(kinds) == {kind: n for kind, n in own["kinds"].items() if n and kind != "correct"}
        assert own["support"] == sum(len(line["gold"]) for line in predicted)
        found = sum(len(line["models"][name]) for line in predicted)
        assert round(2 * own["kinds"]["correct"] / (found + own["support"]), 4) == own["f1"] == summary[name]["f1"]
        assert ("score" in own) == (name in ("student", "baseline")) and "score" not in summary[name]


def test_entities_below_a_score_are_left_out_of_a_run_of_its_own_and_texts_kept(out, tmp_path, cluster, corpus_file):
    config = TagCorpus(
        corpus=(corpus_file,),
        student=str(out / "student"),
        score=("0.9", "PER=0.999"),
        keep_columns=("text",),
        out=str(tmp_path / "sure"),
        max_error_rate=0.1,
    )
    tag_corpus(config)
    every, sure = (
        [
            e
            for t in RunDirectory.finished_at(p).tables(["entities"])
            for row in t["entities"].to_pylist()
            for e in row or []
        ]
        for p in (str(out / "entities"), config.out)
    )
    assert sure == [e for e in every if e["score"] >= np.float32({"LOC": 0.9, "PER": 0.999}[e["label"]])] != every
    from dataclasses import replace

    with pytest.raises(InputError, match=r"score\.PER: there 0\.999, now 0\.5"):
        tag_corpus(replace(config, score=("0.9", "PER=0.5")))
    kept = pa.concat_tables(RunDirectory.finished_at(config.out).tables(["id", "text"]))
    assert kept.to_pydict() == pq.read_table(corpus_file).to_pydict()
    with pytest.raises(InputError, match=r'keep_columns: there \["text"\], now nothing'):
        tag_corpus(replace(config, keep_columns=()))


def test_a_pipeline_that_was_killed_before_it_wrote_the_cards_writes_the_same(config, summary, out):
    cards = [out / name / "README.md" for name in ("student", "baseline")]
    before = [card.read_bytes() for card in cards]
    cards[0].write_text("as distill_student left it")
    (out / "_SUCCESS").unlink()
    again = pipeline(config)
    assert [card.read_bytes() for card in cards] == before
    assert all(again[model] == summary[model] for model in MODELS)


def test_other_users_can_read_all_that_it_left(out, summary):
    assert not unusual_permissions(out)


def test_started_again_it_does_nothing_and_prints_the_same(config, summary, out, capsys, monkeypatch):
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()}
    monkeypatch.setattr(kdner.corpora.changes, "plan_listing", None)  # the corpus is not planned again
    main(config)
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*") if path.is_file()} == before
    printed = capsys.readouterr().out
    for expected in (*MODELS, "F1", "times smaller", "61 documents", str(out / "entities")):
        assert expected in printed


def test_the_example_in_python_shows_the_same(config, summary, capsys):
    example = runpy.run_path(str(EXAMPLES / "own_data.py"), run_name="own_data")
    student = example["own_data"](config, "Anna Schmidt flew to Paris.")
    printed = capsys.readouterr().out
    for name in MODELS:
        assert re.search(rf"^{name} +{summary[name]['f1']:.4f} ", printed, re.M)
    assert sum(map(int, re.findall(r"^(?:PER|LOC) +(\d+)$", printed, re.M))) == summary["tagged"]["entities"]
    assert all(printed.rstrip().endswith(e.text) for e in student.tag("Anna Schmidt flew to Paris.")[-1:])


def test_a_directory_of_other_settings_is_refused(config, summary):
    from dataclasses import replace

    with pytest.raises(InputError, match="labeled_size"):
        pipeline(replace(config, labeled_size=31))


def test_a_finished_run_takes_a_higher_limit_for_errors_and_holds_a_lower_one(config, summary):
    from dataclasses import replace

    assert pipeline(replace(config, max_error_rate=1.0))["tagged"] == summary["tagged"]
    with pytest.raises(InputError, match=r"above --max-error-rate 0\.0"):
        pipeline(replace(config, max_error_rate=0.0))


def test_a_finished_run_is_that_of_inputs_written_anew_but_not_of_others(config, summary):
    test = Path(config.test)
    content = test.read_bytes()
    test.write_bytes(content)
    again = pipeline(config)
    assert all(again[model] == summary[model] for model in MODELS)
    try:
        test.write_bytes(content.replace(b"PER", b"LOC", 1))
        with pytest.raises(InputError, match=r"inputs\.test"):
            pipeline(config)
    finally:
        test.write_bytes(content)


def test_lost_shards_are_made_again_byte_for_byte(config, out, tmp_path, cluster, corpus_file):
    again = tmp_path / "entities"
    shutil.copytree(out / "entities", again)
    lost = again / "part-00001.parquet"
    content, kept = lost.read_bytes(), (again / "part-00002.parquet").stat().st_mtime_ns
    lost.unlink()
    (again / "_SUCCESS").unlink()
    with pytest.raises(InputError, match="unfinished"):
        RunDirectory.finished_at(str(again))
    tag_corpus(
        TagCorpus(
            corpus=(corpus_file,), student=str(out / "student"), out=str(again), shard_documents=20, max_error_rate=0.1
        )
    )
    assert lost.read_bytes() == content
    assert (again / "part-00002.parquet").stat().st_mtime_ns == kept


def test_too_many_errors_fail_the_job_but_keep_the_files(out, tmp_path, cluster, corpus_file):
    config = TagCorpus(
        corpus=(corpus_file,),
        student=str(out / "student"),
        out=str(tmp_path / "e"),
        shard_documents=40,
        max_error_rate=0.01,
    )
    with pytest.raises(InputError, match="--max-error-rate"):
        tag_corpus(config)
    assert not (tmp_path / "e" / "_SUCCESS").exists()
    from dataclasses import replace

    assert tag_corpus(replace(config, max_error_rate=0.5))["errors"] == 2
    with pytest.raises(InputError, match="--max-error-rate"):  # a finished run is held to it, too
        tag_corpus(config)


def test_started_again_midway_it_says_what_is_there(config, summary, out, log):
    (out / "_SUCCESS").unlink()
    (out / "entities" / "_SUCCESS").unlink()
    (out / "entities" / "part-00001.parquet").unlink()
    log.clear()
    again = pipeline(config)
    assert {model: again[model] for model in MODELS} == {model: summary[model] for model in MODELS}
    steps = "transfer, teacher, teacher-2, logits, student, baseline, evaluation"
    assert log[0] == f"{out.name}: 7 of 8 steps are there: {steps}"
    stages = ("transfer", "teacher", "teacher-2", "precompute_logits", "student", "baseline", "evaluate")
    there = [line.partition(":")[0] for line in log if "everything is there already, in " in line]
    assert sorted(there) == sorted(stages)  # teachers, and trainings, are looked at side by side
    assert [line for line in log if "shards are there" in line] == ["tag_corpus: 3 of 4 shards are there"]

    log.clear()
    assert pipeline(config) == again
    assert log == [f"{out.name}: everything is there already, in {out}"]
