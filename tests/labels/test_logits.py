from __future__ import annotations

import numpy as np
import pytest

from kdner.labels.logits import fit_float16, fits_float16


def softmax(logits):
    likely = np.exp(logits.astype(np.float64) - logits.max(axis=1, keepdims=True))
    return likely / likely.sum(axis=1, keepdims=True)


@pytest.mark.parametrize(
    "row",
    [
        [np.log(0.9), np.log(0.1), -1e9],
        [70_000.0, 69_999.0, 69_000.0],
        [-1e300, -1e300 + 1e290, -1e305],
        [2000.4, 2001.0, 1999.0],
        [-np.inf, 3.0, 2.5],
    ],
)
def test_logits_of_any_size_have_the_same_softmax_in_float16(row):
    logits = np.array([row, [1.0, 2.0, 3.0]])
    fitted = fit_float16(logits, "their model").astype(np.float16)
    assert np.isfinite(fitted).all() and fitted[1].tolist() == [1, 2, 3]
    np.testing.assert_allclose(softmax(fitted), softmax(logits), atol=2e-3)


def test_usual_logits_stay_as_they_are():
    for dtype in (np.float16, np.float32):
        logits = np.array([[-63.5, 12.25, 0.5], [0, -1, 64]], dtype)
        assert fits_float16(logits) and fit_float16(logits, "a teacher") is logits
        for large in (np.nan, np.inf, -np.inf, 65, -65):
            assert not fits_float16(np.array([[0, large]], dtype))
    assert fit_float16(np.zeros((0, 3)), "a teacher").shape == (0, 3)


@pytest.mark.parametrize("row", [[0, np.nan], [np.nan, np.nan], [0, np.inf], [-np.inf, -np.inf]])
def test_a_word_without_probabilities_is_an_error_that_names_the_model(row):
    with pytest.raises(ValueError, match="their model: the logits of word 1 are not finite numbers"):
        fit_float16(np.array([[1.0, 2.0], row]), "their model")
