from __future__ import annotations

import pytest

from kdner.errors import InputError
from kdner.measuring.reports import model_table, pipeline_report, pipeline_summary, short_names

ROW = {
    "f1": 0.98765,
    "precision": 0.5,
    "recall": 1.0,
    "parameters": 2_999_000,
    "seconds_per_document": 0.00123,
    "peak_memory_mb": 640,
}


def test_the_table_has_a_line_for_each_model():
    lines = model_table({"teacher": ROW, "student": {**ROW, "f1": 0.1}}).splitlines()
    assert len(lines) == 3 and len({len(line) for line in lines}) == 1
    assert lines[0].split() == ["F1", "precision", "recall", "parameters", "s/document", "peak", "MB"]
    assert lines[1].split() == ["teacher", "0.9877", "0.5000", "1.0000", "2,999,000", "0.00123", "640"]
    assert lines[2].startswith("student ")


def test_where_there_is_a_student_it_tells_recall_by_words():
    split = {"known_words": {"recall": 0.75, "support": 8}, "unknown_words": {"recall": None, "support": 0}}
    head, teacher, _, note = model_table({"teacher": {**ROW, **split}, "student": {**ROW, **split}}).splitlines()
    assert head.split()[-3:] == ["known", "words", "unknown"] and teacher.split()[-1] == "0.7500"
    assert note.startswith("known words, unknown: recall")


@pytest.mark.parametrize(
    ("models", "names"),
    [
        (["runs/teacher", "runs/student/"], ["teacher", "student"]),
        (["a/student", "b/student", "b/teacher"], ["a/student", "b/student", "b/teacher"]),
        (["s3://bucket/a/student?secret_key=x", "student"], ["a/student", "student"]),
        (["own:Model=x", "own:Model=y"], ["own:Model=x", "own:Model=y"]),
    ],
)
def test_models_are_called_by_the_last_part_that_tells_them_apart(models, names):
    assert short_names(models) == names


def test_a_model_that_is_named_twice_or_none_at_all():
    with pytest.raises(InputError, match="student is named twice"):
        short_names(["runs/student", "runs/student/"])
    with pytest.raises(InputError, match="at least one"):
        short_names([])


TAGGED = {"documents": 61, "words": 1200, "entities": 77, "errors": 2, "words_per_second": 54_321}


def pipelines_summary():
    quality = {
        "models": {f"runs/news/{name}": ROW for name in ("teacher", "teacher-2", "student", "baseline")},
        "examples": [{"text": "Anna left.", "entities": {"teacher": [(0, 4, "PER")], "student": [], "gold": []}}],
    }
    return pipeline_summary(quality, {**TAGGED, "actors": 2}, {"finetune_teacher": 61.25})


def test_the_summary_has_the_models_by_name_and_how_they_compare():
    summary = pipelines_summary()
    assert list(summary)[:4] == ["teacher", "teacher-2", "student", "baseline"] and summary["student"] == ROW
    assert summary["compression"] == 1.0 and summary["compression_of_bert_base"] == 36.1
    assert summary["tagged"] == TAGGED and summary["stages"] == {"finetune_teacher": 61.25}


@pytest.mark.parametrize("quickstart", [True, False])
def test_the_report_says_all_of_the_summary_and_what_to_do_next(quickstart):
    text = pipeline_report(pipelines_summary(), "runs/news", quickstart=quickstart)
    for part in (
        "1.0 times",
        "36.1 times",
        "61 documents",
        "2 errors",
        "54,321 words/s",
        "finetune_teacher 61",
        "[Anna PER] left.",
        "runs/news/entities",
        "Student.from_pretrained('runs/news/student')",
        "runs/news/page.html",
        "jobs/tag_corpus.py",
        "jobs/pipeline.py --labeled",
    ):
        assert part in text
    assert ("synthetic" in text) == quickstart
