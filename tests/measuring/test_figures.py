from __future__ import annotations

import importlib.util

import pytest

from kdner.errors import InputError
from kdner.measuring.figures import check_figures, throughput_figure


def test_a_figure_is_a_png_and_changes_with_the_numbers():
    batches = [
        {"batch": batch, "model": model, "words_per_second": rate * batch}
        for batch in (1, 32)
        for model, rate in (("student", 1e4), ("bert-base, float32", 300.0))
    ]
    found = {"cores": 2, "batches": batches, "actors": [{"actors": 1, "words_per_second": 1e5}], "peers": []}
    png = throughput_figure(found)
    assert png.startswith(b"\x89PNG") and len(png) > 5_000
    assert throughput_figure({**found, "peers": [{"peer": "spaCy", "words_per_second": 2e4}]}) != png


def test_without_matplotlib_the_extra_is_named(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"kdner\[measure\]"):
        check_figures()
