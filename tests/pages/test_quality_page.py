from __future__ import annotations

import re
import shutil
import subprocess

import pytest
from html_pages import check_page
from predicted import prediction

from kdner.measuring.evaluation import add_analysis
from kdner.pages.error_examples import EXAMPLES
from kdner.pages.quality_page import quality_page

EVIL = "</script><script>document.title='gotcha'</script>\u202e"
BROWSER = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)


def measures(predictions, *scored):
    row = {"f1": 0.5, "precision": 0.6, "recall": 0.4, "support": 9}
    cost = {"parameters": 2_999_000, "seconds_per_document": 0.00123, "peak_memory_mb": 640}
    names = predictions[0].models
    labels = sorted({span.label for p in predictions for span in p.gold})
    own = {name: {**row, **cost, "per_label": {label: dict(row) for label in labels}} for name in names}
    add_analysis(own, predictions)
    return own


SET = [
    prediction(
        "[Anna PER] left [Rome LOC] .",
        sentence="set:1",
        teacher="[Anna PER] left [Rome LOC] .",
        student="[Anna PER 0.9] left [Rome LOC 0.9] .",
    ),
    prediction("[Tom PER] won", sentence="set:2", teacher="[Tom PER] won", student="[Tom LOC 0.7] won"),
    prediction(
        "[Bonn LOC] , [Rome LOC] , [Kiel LOC]",
        sentence="set:3",
        teacher="[Bonn LOC] , [Rome LOC] , [Kiel LOC]",
        student="Bonn , [Rome LOC 0.4] , [Kiel ORG 0.3]",
    ),
    prediction(f"[{EVIL} PER] שלום", sentence=f"set{EVIL}:4", teacher=f"{EVIL} שלום", student=f"{EVIL} שלום"),
]


@pytest.fixture(scope="module")
def markup():
    return quality_page(f"test{EVIL}.conll", measures(SET), SET, ["teacher", "student"])


def test_it_is_a_page_that_anybody_can_read(markup):
    page = check_page(markup)
    for part in (
        "F1",
        "95 % interval",
        "student over teacher",
        "Confusion: student",
        "spurious",
        "Threshold with the best F1",
    ):
        assert part in page.text.replace("teacher over student", "student over teacher")
    assert {a["href"] for a in page.all("a")} >= {
        f"#{name}" for name in ("quality", "labels", "kinds", "confusion", "scores", "examples")
    }


def test_no_text_becomes_markup(markup):
    assert markup.count("<script>") == 1 and "gotcha'</script>" not in markup and "\u202e" not in markup
    assert "U+202E" in markup


def test_worst_disagreements_come_first_and_what_is_right_is_left_out(markup):
    assert re.findall(r'class="where">(set[^<,]*)', markup)[:2] == ["set:3", "set:2"]
    assert "set:1" not in markup and "3 of 4 sentences have an error" in markup


def test_who_agrees_shares_a_line(markup):
    example = markup.split("set:3")[1].split("</li>")[0]
    assert re.findall(r"<dt>(.*?)</dt>", example) == ["labeled = teacher", "student"]
    assert re.search('data-errors="([^"]*)"><p class="where">set:3', markup)[1].split() == ["1.0.0", "1.0.1", "1.3.0"]


def test_confusion_and_kinds_are_those_of_the_sentences():
    own = measures(SET)
    assert own["student"]["kinds"] == {"correct": 3, "label": 2, "boundaries": 0, "both": 0, "missed": 2, "spurious": 0}
    assert own["student"]["per_label"]["PER"]["kinds"]["label"] == 1
    assert own["student"]["confusion"]["PER"] == {"LOC": 1, "ORG": 0, "PER": 1, "O": 1}
    assert own["teacher"]["against"]["student"]["positive_share"] > 0.5
    assert "score" in own["student"] and "score" not in own["teacher"]


def test_labels_called_as_averages_are_have_rows_of_their_own():
    named = [
        prediction(
            "[Anna all] left [Rome micro] .",
            teacher="[Anna all] left Rome .",
            student="[Anna all 0.9] [left micro 0.3] [Rome micro 0.6] .",
        )
    ]
    markup = quality_page("test.conll", measures(named), named, ["teacher", "student"])
    rows = check_page(markup).text.split("Threshold with the best F1")[1].split("expected calibration error")[0]
    assert re.findall(r"(all|micro)\s*(0\.\d\d)", rows) == [("all", "0.35"), ("all", "0.00"), ("micro", "0.35")]


def test_its_size_is_bounded():
    many = [
        prediction(
            "[Anna PER] left", sentence=f"set:{n}", document=n, teacher="Anna left", student="Anna [left ORG 0.5]"
        )
        for n in range(3 * EXAMPLES)
    ]
    page = quality_page("test.conll", measures(many), many, ["teacher", "student"])
    assert (
        page.count("<li data-errors") == EXAMPLES and "600 of 600 sentences" in page and f"{EXAMPLES} are shown" in page
    )


def test_one_model_alone_without_an_error():
    one = [prediction("[Anna PER] left", teacher="[Anna PER] left")]
    page = check_page(quality_page("test.conll", measures(one), one, ["teacher", "teacher"]))
    assert "0 of 1 sentences have an error of teacher" in page.text and "difference" not in page.text


@pytest.mark.skipif(BROWSER is None, reason="no Chromium is installed")
def test_in_a_browser_its_filters_work_and_nothing_else_runs(markup, tmp_path):
    (tmp_path / "page.html").write_text(markup, "utf-8")
    command = [
        BROWSER,
        "--headless",
        "--no-sandbox",
        "--disable-gpu",
        f"--user-data-dir={tmp_path / 'profile'}",
        "--dump-dom",
    ]
    ran = subprocess.run([*command, (tmp_path / "page.html").as_uri()], capture_output=True, text=True, timeout=120)
    assert "<title>gotcha" not in ran.stdout and "3 of 3 shown" in ran.stdout
    assert re.search(r'<form class="filters" aria-label="[^"]*">', ran.stdout)
