from __future__ import annotations

import math
from pathlib import Path

import pytest

from kdner.on_ray.trials import read_trials
from kdner.runs.json_lines import append_line
from kdner.study.figure import study_figure
from kdner.study.table import difference_rows, f1_rows, study_table


def trial(size, seed, teacher, student, other=None):
    teachers = {"minilm": {"f1": teacher}}
    students = {"both": {"f1": student}} | ({"both,head=crf": {"f1": other}} if other else {})
    return {"size": size, "seed": seed, "teachers": teachers, "students": students}


RESULTS = Path(__file__).parents[2] / "jobs" / "results"
TRIALS = [
    trial(150, 1, 0.70, 0.72, 0.70),
    trial(150, 2, 0.60, 0.64, 0.62),
    trial(150, 3, 0.65, 0.65, 0.66),
    trial(300, 1, 0.80, 0.79),
]


def test_means_and_standard_deviations_by_size():
    teacher, student, crf = f1_rows(TRIALS)
    assert teacher.name == "minilm" and teacher.trials == {150: 3, 300: 1}
    assert teacher.means == pytest.approx({150: 0.65, 300: 0.80}) and teacher.spreads[150] == pytest.approx(0.05)
    assert math.isnan(teacher.spreads[300])
    assert student.means[150] == pytest.approx(0.67)
    assert crf.means == pytest.approx({150: 0.66})


def test_differences_are_paired_by_trial_with_the_interval_of_student():
    both, _ = difference_rows([trial for trial in TRIALS if trial["size"] == 150], "minilm")
    assert both.means[150] == pytest.approx(0.02)
    assert both.spreads[150] == pytest.approx(4.302653 * 0.02 / math.sqrt(3), rel=1e-4)  # t, 97.5 %, 2 degrees


def test_equal_differences_have_an_interval_of_no_width_and_one_difference_has_none():
    (row,) = difference_rows([trial(150, seed, 0.5, 0.75) for seed in (1, 2)] + [trial(300, 1, 0.5, 0.75)], "minilm")
    assert row.spreads[150] == 0 and math.isnan(row.spreads[300])


def test_the_table():
    table = study_table(TRIALS).splitlines()
    assert table[0] == "| F1, mean ± standard deviation | 150 | 300 |"
    assert table[2] == "| minilm | 65.0 ± 5.0 | 80.0 |"
    assert table[4] == "| both,head=crf | 66.0 ± 4.0 | |"
    assert table[5] == "| trials | 3 | 1 |"
    assert table[-2] == "| both | +2.0 ± 5.0 | -1.0 | +0.5 |"


def test_recall_of_unknown_words_has_a_table_where_all_trials_have_it():
    assert not any("recall" in line for line in study_table(TRIALS).splitlines())
    trials = [trial(150, seed, 0.7, 0.6) for seed in (1, 2)]
    for measured, recalls in zip(trials, [(0.5, 0.4), (None, 0.6)], strict=True):
        for models, recall in zip((measured["teachers"], measured["students"]), recalls, strict=True):
            for model in models.values():
                model["unknown_words"] = {"recall": recall, "support": 10 if recall else 0}
    table = study_table(trials).splitlines()
    first = table.index("| recall of entities with a word unknown to the student | 150 |")
    assert table[first + 2 : first + 4] == ["| minilm | 50.0 |", "| both | 50.0 ± 14.1 |"]


def with_speed(trials):
    speeds = {"both": (3_000_000, 200_000), "both,head=crf": (2_000_000, 400_000)}
    return [
        {
            **trial,
            "students": {
                name: {**student, "parameters": speeds[name][0], "words_per_second": speeds[name][1] + trial["seed"]}
                for name, student in trial["students"].items()
            },
        }
        for trial in trials
    ]


def test_size_and_speed_have_a_table_where_all_students_have_them():
    table = study_table(with_speed(TRIALS)).splitlines()
    first = table.index("| mean of all trials | parameters | words/s of one core |")
    assert table[first + 2 :] == ["| both | 3,000,000 | 200,002 |", "| both,head=crf | 2,000,000 | 400,002 |"]
    assert not any("words/s" in line for line in study_table(with_speed(TRIALS[:2]) + TRIALS[2:]).splitlines())


def test_students_can_be_compared_with_one_of_them_in_the_trials_that_have_both():
    (crf,) = difference_rows(TRIALS, "both,head=crf")
    assert crf.name == "both" and crf.means == pytest.approx({150: 0.01}) and crf.trials == {150: 3}
    table = study_table(TRIALS, "both").splitlines()
    assert table[-3].startswith("| less both, mean")
    assert table[-1] == "| both,head=crf | -1.0 ± 4.3 | | -1.0 |"


def test_the_mean_of_several_teachers_is_a_row():
    several = [{**trial, "mean": {"f1": trial["teachers"]["minilm"]["f1"] + 0.01}} for trial in TRIALS]
    assert [row.name for row in f1_rows(several)][:2] == ["minilm", "mean of the teachers"]
    assert f1_rows(several)[1].means[300] == pytest.approx(0.81)


@pytest.mark.parametrize("study", ["low_resource", "wikigold"])
def test_the_table_in_the_readme_is_that_of_the_trials_that_are_kept(study):
    trials = read_trials(RESULTS / f"{study}.jsonl")
    assert len(trials) > 1 and study_table(trials) in (RESULTS / "README.md").read_text("utf-8")


def test_the_ablation_in_the_readme_is_that_of_the_trials_that_are_kept():
    _, differences = study_table(read_trials(RESULTS / "ablation.jsonl"), "both").split("\n\n")
    assert differences.count("\n") > 5 and differences in (RESULTS / "README.md").read_text("utf-8")


def test_the_figure_is_a_picture():
    pytest.importorskip("matplotlib")
    alone, beside_speed = study_figure(TRIALS), study_figure(with_speed(TRIALS))
    assert all(figure.startswith(b"\x89PNG") for figure in (alone, beside_speed, study_figure(TRIALS[-1:])))
    assert width(beside_speed) == 2 * width(alone)


def width(png):
    return int.from_bytes(png[16:20], "big")


def test_students_that_joined_later_have_no_recall_by_other_students_words(tmp_path):
    path = tmp_path / "trials.jsonl"
    first, later = trial(150, 1, 0.5, 0.6), trial(150, 1, 0.5, 0.7)
    later["students"] = {"later": later["students"].pop(next(iter(later["students"])))}
    for line, recall in ((first, 0.4), (later, 0.9)):
        for models in (line["teachers"], line["students"]):
            for model in models.values():
                model["unknown_words"] = model["known_words"] = {"recall": recall, "support": 10}
        append_line(path, line)
    (read,) = read_trials(path)
    assert read["teachers"] == first["teachers"] and [*read["students"]] == [*first["students"], "later"]
    assert not {"known_words", "unknown_words"} & set(read["students"]["later"])
