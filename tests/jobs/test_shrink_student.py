from __future__ import annotations

import json
from dataclasses import fields

import pytest
from files import contents, put_lines

from kdner.jobs.shrink_student import ShrinkStudent, shrink_student
from kdner.runs.hub import CARD
from kdner.student.model import Student
from kdner.student.saved import GENERAL, MODEL_FILES
from kdner.student.tagger import Tagger


def test_weights_alone_get_smaller(tmp_path, capsys, caplog):
    sizes = {}
    for weights in ("float32", "bfloat16", "int8"):
        out = tmp_path / weights
        summary = shrink_student(ShrinkStudent(student=GENERAL, weights=weights, out=str(out)))
        sizes[weights] = summary["after"]["bytes"]
        assert sizes[weights] == sum((out / name).stat().st_size for name in MODEL_FILES)
        assert {**summary["after"], "bytes": 0} == {**summary["before"], "bytes": 0}
        card = (out / CARD).read_text("utf-8")
        assert f"\n\nThis is that student with weights in {weights};" in card
        assert ("\n## Made larger\n" in card) == (weights != "int8")
        assert (f"{out}: takes more room than {GENERAL}" in caplog.text) == (weights != "int8")
    assert sizes["float32"] > 1.7 * sizes["bfloat16"] > 2 * sizes["int8"]
    assert sizes["int8"] == pytest.approx(summary["before"]["bytes"], rel=1e-3)  # which is as it is written
    texts = ["Angela Merkel flew to Paris.", "Marie Curie was born in Warsaw."]
    assert Tagger.from_pretrained(tmp_path / "float32").tag(texts) == Tagger.from_pretrained(GENERAL).tag(texts)
    small = tmp_path / "small"
    shrink_student(ShrinkStudent(student=str(tmp_path / "float32"), weights="int8", out=str(small)))
    assert "\n## Made smaller\n" in (small / CARD).read_text("utf-8") and f"{small}: takes" not in caplog.text
    assert f"now:    {sizes['int8'] / 1e6:.2f} MB, " in capsys.readouterr().err


def test_a_student_of_the_words_of_a_corpus(tmp_path, toy_texts, run_job):
    put_lines(tmp_path / "news.txt", toy_texts)
    out = tmp_path / "small"
    flags = (GENERAL, "--corpus", tmp_path / "news.txt", "--weights", "float32", "--out", out)
    run_job(ShrinkStudent, shrink_student, *flags)
    summary = json.loads((out / "_summary.json").read_text("utf-8"))
    before, after = summary["before"], summary["after"]
    assert all(after[name] < before[name] for name in before)
    student = Student.from_pretrained(out)
    assert student.parameters_count == after["parameters"]
    assert student.tag(toy_texts) == Student.from_pretrained(GENERAL).tag(toy_texts)
    card = (out / CARD).read_text("utf-8")
    assert card.startswith(Student.from_pretrained(GENERAL).card.rstrip()[:200])
    assert f"{before['parameters']:,} parameters" in card and f"{after['parameters']:,} parameters" in card
    written = contents(out)
    run_job(ShrinkStudent, shrink_student, *flags)
    assert contents(out) == written
    limited = shrink_student(
        ShrinkStudent(
            student=GENERAL, corpus=(str(tmp_path / "news.txt"),), max_parameters=300_000, out=str(tmp_path / "limited")
        )
    )
    assert limited["after"]["parameters"] <= 300_000


def test_help_explains_every_option(run_job, capsys):
    with pytest.raises(SystemExit):
        run_job(ShrinkStudent, shrink_student, "--help")
    text = capsys.readouterr().out
    flags = {f"--{field.name.replace('_', '-')}" for field in fields(ShrinkStudent)} - {"--student"}
    assert "Student directory" in text and all(flag in text for flag in flags)


def test_what_it_refuses(tmp_path, toy_texts, refused):
    put_lines(tmp_path / "news.txt", toy_texts)
    to = ("--out", tmp_path / "small")
    assert "need a --corpus" in refused(ShrinkStudent, shrink_student, GENERAL, *to, "--min-count", 2)
    assert "need a --corpus" in refused(ShrinkStudent, shrink_student, GENERAL, *to, "--max-parameters", 9)
    corpus = (*to, "--corpus", tmp_path / "news.txt")
    assert "--min-count 0: must be" in refused(ShrinkStudent, shrink_student, GENERAL, *corpus, "--min-count", 0)
    assert "--max-parameters 9: the student without words" in refused(
        ShrinkStudent, shrink_student, GENERAL, *corpus, "--max-parameters", 9
    )
    assert "not a student" in refused(ShrinkStudent, shrink_student, tmp_path, *to)
