from __future__ import annotations

import pytest
from predicted import prediction

from kdner.measuring.scores import THRESHOLDS, score_quality

SET = [
    prediction("[Anna PER] met [Tom PER]", student="[Anna PER 0.95] met [Tom PER 0.85]"),
    prediction("[Rome LOC] won", student="[Rome LOC 0.62] [won LOC 0.31]"),
    prediction("in [Bonn LOC]", student="[in PER 0.45] Bonn"),
]


def test_quality_by_threshold():
    rows = {row["threshold"]: row for row in score_quality(SET, "student")["thresholds"]}
    assert tuple(rows) == THRESHOLDS and len(rows) == 20
    assert rows[0.0] == {"threshold": 0.0, "f1": 0.6667, "precision": 0.6, "recall": 0.75, "entities": 5}
    assert rows[0.5] == {"threshold": 0.5, "f1": 0.8571, "precision": 1.0, "recall": 0.75, "entities": 3}
    assert rows[0.9] == {"threshold": 0.9, "f1": 0.4, "precision": 1.0, "recall": 0.25, "entities": 1}


def test_the_least_of_the_best_thresholds_by_label():
    own = score_quality(SET, "student")
    assert own["best_threshold"] == 0.5 and own["best_thresholds"] == {"LOC": 0.35, "PER": 0.5}


def test_a_label_may_be_called_micro():
    one = prediction("[Anna micro] met [Tom PER]", student="[Anna micro 0.95] [met PER 0.85] [Tom PER 0.9]")
    own = score_quality([one], "student")
    assert own["best_threshold"] == 0.9 and own["best_thresholds"] == {"PER": 0.9, "micro": 0.0}


def test_a_score_at_the_threshold_is_kept():
    own = score_quality([prediction("[Anna PER]", student="[Anna PER 0.95]")], "student")
    assert own["thresholds"][-1]["entities"] == 1


def test_calibration_by_hand():
    own = score_quality(SET, "student")
    assert own["bins"][0] == {"from": 0.3, "to": 0.4, "entities": 1, "mean_score": 0.31, "share_right": 0.0}
    assert [b["from"] for b in own["bins"]] == [0.3, 0.4, 0.6, 0.8, 0.9]
    distances = [0.31, 0.45, 1 - 0.62, 1 - 0.85, 1 - 0.95]
    assert own["expected_calibration_error"] == round(sum(distances) / 5, 4)


def test_scores_that_are_as_often_right_as_they_say_have_no_error():
    right = [prediction("[Anna PER]", student="[Anna PER 0.75]")] * 3
    wrong = [prediction("Anna", student="[Anna PER 0.75]")]
    own = score_quality([*right, *wrong], "student")
    assert own["expected_calibration_error"] == 0 and own["bins"][0]["share_right"] == 0.75


def test_a_score_of_1_is_in_the_last_bin_and_nothing_found_is_no_error():
    assert score_quality([prediction("[Anna PER]", student="[Anna PER 1.0]")], "student")["bins"][0]["to"] == 1.0
    own = score_quality([prediction("[Anna PER]", student="Anna")], "student")
    assert own["bins"] == [] and own["expected_calibration_error"] == 0
    assert own["thresholds"][0] == pytest.approx(
        {"threshold": 0.0, "f1": 0.0, "precision": 0.0, "recall": 0.0, "entities": 0}
    )
