from __future__ import annotations

import pytest

from kdner.teacher.word_shapes import SHAPES, shapes_of


@pytest.mark.parametrize(
    ("words", "shape"),
    [
        (["house", "é", "ß"], "lower"),
        (["Anna", "Éva", "Ǆungla"], "Title"),
        (["NATO", "AT&T", "U.S.", "ÉS"], "UPPER"),
        (["A", "É"], "one capital"),
        (["iPhone", "McDonald", "NASAs"], "miXed"),
        (["1996", "3.5", "٣"], "digits"),
        (["B2B", "1990s"], "digits and letters"),
        ([".", "&", "🙂"], "no letters"),
        (["東", "नमस्ते", "שלום"], "letters without case"),
    ],
)
def test_how_a_word_is_written(words, shape):
    assert [SHAPES[place] for place in shapes_of(words)] == [shape] * len(words)
