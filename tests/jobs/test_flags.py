from __future__ import annotations

from dataclasses import fields, is_dataclass

import pytest

from kdner.jobs.convert import Convert, convert
from kdner.jobs.distill_student import DistillStudent, distill_student
from kdner.jobs.evaluate import Evaluate, evaluate
from kdner.jobs.export import Export, export
from kdner.jobs.finetune_teacher import FinetuneTeacher, finetune_teacher
from kdner.jobs.low_resource import LowResource, low_resource
from kdner.jobs.measure_teacher import MeasureTeacher, measure_teacher
from kdner.jobs.measure_throughput import MeasureThroughput, measure_throughput
from kdner.jobs.pipeline import Pipeline, pipeline
from kdner.jobs.precompute_logits import PrecomputeLogits, precompute_logits
from kdner.jobs.select_sentences import SelectSentences, select_sentences
from kdner.jobs.tag_corpus import TagCorpus, tag_corpus
from kdner.jobs.view import View
from kdner.jobs.view import main as view
from kdner.runs.run_directory import RunDirectory
from kdner.student.config import PRESETS, StudentConfig

JOBS = [
    (FinetuneTeacher, finetune_teacher),
    (PrecomputeLogits, precompute_logits),
    (DistillStudent, distill_student),
    (TagCorpus, tag_corpus),
    (Evaluate, evaluate),
    (LowResource, low_resource),
    (MeasureTeacher, measure_teacher),
    (MeasureThroughput, measure_throughput),
    (Pipeline, pipeline),
    (Export, export),
    (Convert, convert),
    (SelectSentences, select_sentences),
]


@pytest.mark.parametrize(("config", "job"), JOBS, ids=lambda x: getattr(x, "__name__", ""))
def test_help_explains_every_option(config, job, run_job, capsys):
    with pytest.raises(SystemExit) as ended:
        run_job(config, job, "--help")
    assert ended.value.code == 0
    text = capsys.readouterr().out
    for field in fields(config):
        flag = field.name.replace("_", "-")
        default = field.default_factory() if callable(field.default_factory) else field.default
        if is_dataclass(default):
            for inner in fields(default):
                assert f"--{flag}.{inner.name.replace('_', '-')}" in text
        else:
            assert f"--{flag}" in text


@pytest.mark.parametrize(("config", "job"), JOBS, ids=lambda x: getattr(x, "__name__", ""))
def test_help_names_what_transformers_trainer_saved_wherever_a_teacher_is_named(config, job, run_job, capsys):
    if not {"teacher", "teachers", "models"} & {field.name for field in fields(config)}:
        pytest.skip("it reads no teacher")
    with pytest.raises(SystemExit):
        run_job(config, job, "--help")
    assert "transformers'" in (text := capsys.readouterr().out) and "Trainer" in text


def test_wrong_flags_end_with_code_2(refused):
    assert "--learning" in refused(FinetuneTeacher, finetune_teacher, "--learning", "1")
    assert "--fine-tuning.epochs" in refused(
        FinetuneTeacher, finetune_teacher, "--labeled", "x", "--out", "y", "--fine-tuning.epochs", "many"
    )


@pytest.mark.parametrize("flag", ["--workers.count", "--workers.cpus"])
def test_no_workers_or_cores_to_train_with_are_refused(refused, flag):
    message = refused(DistillStudent, distill_student, "--labeled", "x", "--out", "y", flag, "0")
    assert f"{flag} 0: must be at least 1" in message


def test_a_missing_file_is_named(refused, tmp_path):
    gone = tmp_path / "gone.conll"
    message = refused(FinetuneTeacher, finetune_teacher, "--labeled", gone, "--out", tmp_path / "teacher")
    assert str(gone) in message
    assert not (tmp_path / "teacher").exists()


def test_a_row_with_too_few_columns_is_named(refused, tmp_path, write):
    source = write("bad.conll", "EU\tB-ORG\nrejects\n")
    message = refused(FinetuneTeacher, finetune_teacher, "--labeled", source, "--out", tmp_path / "teacher")
    assert f"{source}:2" in message


def test_every_job_reads_its_labeled_sets_by_the_same_flags(refused, tmp_path, write):
    source = write("set.tsv", "1\tMira\tB-PER\tO\n2\tleft\tO\tO\n\n1\tOslo\tB-LOC\tB-PER\n")
    out = ("--out", tmp_path / "out")
    for config, job, flags in [
        (FinetuneTeacher, finetune_teacher, ("--labeled", source)),
        (DistillStudent, distill_student, ("--labeled", source, "--vectors", "random")),
        (Evaluate, evaluate, ("--test", source, "--models", tmp_path)),
        (LowResource, low_resource, ("--labeled", source, "--test", source)),
        (Pipeline, pipeline, ("--labeled", source, "--test", source)),
    ]:
        message = refused(config, job, *flags, *out)
        assert f"{source}:1: the first column counts the words" in message and "--token-column 2" in message
        assert "--tag-column 3 or 4" in refused(config, job, *flags, *out, "--token-column", "2")
        named = ("--token-column", "2", "--tag-column", "9")
        assert "--tag-column 9: " in refused(config, job, *flags, *out, *named)


def test_more_sentences_than_there_are(refused, tmp_path, train_file, toy):
    message = refused(
        FinetuneTeacher, finetune_teacher, "--labeled", train_file, "--labeled-size", 1000, "--out", tmp_path / "t"
    )
    assert "1,000" in message and str(len(toy)) in message


def test_directories_that_are_no_models(refused, tmp_path, train_file, corpus_file):
    out = tmp_path / "out"
    flags = ("--corpus", corpus_file, "--out", out)
    assert "not a model directory" in refused(PrecomputeLogits, precompute_logits, *flags, "--teacher", tmp_path)
    assert "not a student" in refused(TagCorpus, tag_corpus, *flags, "--student", tmp_path)
    assert "not a model directory" in refused(
        Evaluate, evaluate, "--test", train_file, "--models", tmp_path, "--out", out
    )


def test_a_missing_column_is_named_with_those_there_are(refused, tmp_path, corpus_file, teacher_folder):
    flags = ("--corpus", corpus_file, "--teacher", teacher_folder, "--out", tmp_path / "logits")
    message = refused(PrecomputeLogits, precompute_logits, *flags, "--id-column", "uid")
    assert corpus_file in message and "uid" in message and "id, text" in message


def test_columns_that_cannot_be_kept(refused, tmp_path, corpus_file, make_student):
    make_student().save_pretrained(tmp_path / "student")
    out = tmp_path / "entities"
    flags = ("--corpus", corpus_file, "--student", tmp_path / "student", "--out", out, "--keep-columns")
    message = refused(TagCorpus, tag_corpus, *flags, "id", "text", "error")
    assert "--keep-columns id error: the output has id, entities, words, error of its own" in " ".join(message.split())
    message = refused(TagCorpus, tag_corpus, *flags, "text", "day")
    assert f"--keep-columns day: not in {corpus_file}; there are id, text" in message
    assert [path.name for path in out.iterdir()] == ["_failed.json"]  # another start may have other columns


def test_a_test_label_that_training_never_saw(refused, tmp_path, train_file, write):
    source = write("test.conll", "Ajax\tB-CLUB\nwon\tO\n")
    message = refused(Pipeline, pipeline, "--labeled", train_file, "--test", source, "--out", tmp_path / "out")
    assert "CLUB" in message and "test.conll:1" in message


def test_a_teacher_named_twice(refused, tmp_path, train_file):
    flags = ("--labeled", train_file, "--test", train_file, "--teacher", "minilm", "minilm")
    assert "one is named twice" in refused(Pipeline, pipeline, *flags, "--out", tmp_path / "out")


def test_logits_that_are_unfinished_or_none(refused, tmp_path, train_file):
    (tmp_path / "logits").mkdir()
    flags = ("--labeled", train_file, "--vectors", "random", "--out", tmp_path / "student")
    message = refused(DistillStudent, distill_student, *flags, "--logits", tmp_path / "logits")
    assert "not a kdner run directory" in message


@pytest.mark.parametrize(
    "flags",
    [
        ("--distillation.alpha", 2),
        ("--distillation.temperature", 0),
        ("--student.dropout", 1),
        ("--student.max-parameters", 10),
    ],
    ids=lambda flags: flags[0],
)
def test_settings_out_of_range(refused, tmp_path, train_file, flags):
    message = refused(
        DistillStudent, distill_student, "--labeled", train_file, "--vectors", "random", "--out", tmp_path / "s", *flags
    )
    assert flags[0] in message and str(flags[1]) in message


def test_a_preset_is_the_shape_of_the_student_and_is_spelled_right(run_job, refused):
    given = []
    flags = ("--labeled", "x", "--test", "y", "--out", "z", "--student.hidden", "64", "--student.preset")
    for config in (DistillStudent, Pipeline, LowResource):
        own = [flag for flag in flags if config is not DistillStudent or flag not in ("--test", "y")]
        run_job(config, given.append, *own, "tiny")
        assert given.pop().student == StudentConfig(**{**PRESETS["tiny"], "hidden": 64})
        message = " ".join(refused(config, given.append, *own, "tny").split())
        assert "invalid choice 'tny' for argument '--student.preset'" in message and "'tiny'" in message


def test_ctrl_c_ends_a_job_without_a_traceback(run_job, capsys):
    def job(config):
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as ended:
        run_job(Evaluate, job, "--test", "test.conll", "--models", "runs/student", "--out", "runs/evaluation")
    assert ended.value.code == 130
    assert capsys.readouterr().err.splitlines()[-1].startswith("stopped: what is finished stays")


@pytest.mark.parametrize(("score", "named"), [("high", "--score high"), ("PERS=0.5", "'PERS'"), ("2", "2.0")])
def test_a_threshold_that_is_none(refused, tmp_path, make_student, corpus_file, score, named):
    (tmp_path / "student").mkdir()
    make_student().save(tmp_path / "student")
    flags = ("--corpus", corpus_file, "--student", tmp_path / "student", "--out", tmp_path / "e", "--score", score)
    assert named in refused(TagCorpus, tag_corpus, *flags)
    assert not (tmp_path / "e").exists()


def test_a_model_is_evaluated_once(refused, tmp_path, test_file, teacher_folder):
    flags = ("--test", test_file, "--models", teacher_folder, f"{teacher_folder}/", "--out", tmp_path / "e")
    assert "is named twice" in refused(Evaluate, evaluate, *flags)


def test_view_prints_the_path_of_a_page_and_opens_it(run_job, refused, tmp_path, capsys, monkeypatch):
    opened = []
    monkeypatch.setattr("webbrowser.open", opened.append)
    run = RunDirectory.open(str(tmp_path / "news"), {"job": "pipeline"})
    run.finish({})
    assert "from before kdner wrote pages" in refused(View, view, run.path)
    run.write_bytes("page.html", b"<!DOCTYPE html>")
    run_job(View, view, run.path)
    assert capsys.readouterr().out == f"{run.path}/page.html\n" and not opened
    run_job(View, view, run.path, "--open")
    assert opened == [f"file://{run.path}/page.html"]
