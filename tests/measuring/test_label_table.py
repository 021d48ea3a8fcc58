from __future__ import annotations

from kdner.measuring.label_table import better_first, label_table


def sure(f1, low, high):
    return {"f1": f1, "support": 1234, "f1_interval": [low, high]}


def test_the_table_of_labels_says_how_sure_each_f1_is_and_how_far_models_are_apart():
    what = {"samples": 1000, "unit": "documents", "units": 231}
    apart = {"f1": -0.02, "interval": [-0.03, -0.01], "positive_share": 0.004}
    other = {"f1": 0.02, "interval": [0.01, 0.03], "positive_share": 0.996}
    models = {
        "teacher": {
            **sure(0.5, 0.4, 0.6),
            "per_label": {"PER": sure(0.7, 0.6, 0.8)},
            "bootstrap": what,
            "against": {"student": apart},
        },
        "student": {
            **sure(0.52, 0.42, 0.62),
            "per_label": {"PER": sure(0.6, 0.5, 0.7), "LOC": {**sure(0, 0, 0), "f1_interval": None}},
            "bootstrap": what,
            "against": {"teacher": other},
        },
    }
    head, every, person, place, note, difference = label_table(models).splitlines()
    assert head.split() == ["F1", "entities", "teacher", "student"]
    assert every.split() == ["all", "labels", "1,234", "0.5000", "[0.4000,", "0.6000]", "0.5200", "[0.4200,", "0.6200]"]
    assert person.split()[:3] == ["PER", "1,234", "0.7000"] and place.split()[2:] == ["0.0000", "[nan,", "nan]"]
    assert len({len(line) for line in (head, every, person, place)}) == 1
    assert "1,000 bootstrap samples of the 231 documents" in note
    assert difference == "student over teacher: +0.0200 [+0.0100, +0.0300], better in 99.6% of the samples"


def test_of_each_pair_the_better_model_comes_first():
    models = {"a": {"f1": 0.5}, "b": {"f1": 0.7}, "c": {"f1": 0.5}}
    assert better_first(models) == [("b", "a"), ("a", "c"), ("b", "c")]
