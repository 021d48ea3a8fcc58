from __future__ import annotations

from pathlib import Path

from kdner.measuring.reports import model_table, pipeline_report

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


def test_the_report_says_all_of_the_summary():
    tagged = {"documents": 61, "words": 1200, "entities": 77, "errors": 2, "words_per_second": 54_321}
    summary = {
        **dict.fromkeys(("teacher", "teacher-2", "student", "baseline"), ROW),
        "compression": 7.5,
        "compression_of_bert_base": 36.1,
        "tagged": tagged,
        "stages": {"finetune_teacher": 61.25},
    }
    text = pipeline_report(summary, Path("runs/news"))
    for part in (
        "7.5 times",
        "36.1 times",
        "61 documents",
        "2 errors",
        "54,321 words/s",
        "61.2 s",
        "runs/news/entities",
        "runs/news/teacher-2",
    ):
        assert part in text
