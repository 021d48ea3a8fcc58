from __future__ import annotations

import numpy as np
import pytest
from predicted import prediction

from kdner.measuring.intervals import SAMPLES, bootstrap


def sentences(count, *, by_document=1, **wrong):
    """Sentences with one person each; a model misses it in every n-th of them."""
    return [
        prediction(
            "[Anna PER]",
            sentence=f"set:{number}",
            document=number // by_document,
            **{name: "Anna" if number % every == 0 else "[Anna PER]" for name, every in wrong.items()},
        )
        for number in range(count)
    ]


def test_the_interval_is_that_of_the_theory():
    # One gold entity a sentence, missed in a quarter of 400: recall has a standard error of sqrt(.75 * .25 / 400).
    own = bootstrap(sentences(400, model=4), ["PER"])
    low, high = own.interval("model")
    error = np.sqrt(0.75 * 0.25 / 400)
    f1 = [2 * r / (1 + r) for r in (0.75 - 1.96 * error, 0.75 + 1.96 * error)]
    assert [low, high] == pytest.approx(f1, abs=0.006)
    assert own.interval("model", "PER") == own.interval("model")
    assert (own.unit, own.units, len(own.micro["model"])) == ("documents", 400, SAMPLES)


def test_equal_predictions_give_an_interval_of_no_width_and_equal_seeds_equal_samples():
    perfect = sentences(50, model=99_999)[1:]
    assert bootstrap(perfect, ["PER"]).interval("model") == [1.0, 1.0]
    once, again = (bootstrap(sentences(60, model=3), ["PER"]) for _ in range(2))
    assert np.array_equal(once.micro["model"], again.micro["model"])


def test_few_documents_are_not_drawn_but_their_sentences():
    few = bootstrap(sentences(120, by_document=60, model=4), ["PER"])
    many = bootstrap(sentences(120, by_document=4, model=4), ["PER"])
    assert (few.unit, few.units) == ("sentences", 120) and (many.unit, many.units) == ("documents", 30)


def test_models_are_compared_on_the_same_samples():
    own = bootstrap(sentences(200, good=10, bad=5, alike=10), ["PER"])
    better = own.difference("good", "bad")
    assert better["positive_share"] == 1.0 and 0 < better["interval"][0] < 0.053 < better["interval"][1]
    assert own.difference("bad", "good")["interval"] == pytest.approx([-end for end in better["interval"][::-1]])
    assert own.difference("alike", "good") == {"interval": [0.0, 0.0], "positive_share": 0.0}


def test_a_label_that_a_sample_does_not_have_is_left_out_of_it():
    rare = [*sentences(60, model=99_999)[1:], prediction("[Rome LOC]", document=60, model="[Rome LOC]")]
    own = bootstrap(rare, ["LOC", "MISC", "PER"])
    assert np.isnan(own.of_labels["model"][:, 0]).any() and own.interval("model", "LOC") == [1.0, 1.0]
    assert own.interval("model", "MISC") is None
