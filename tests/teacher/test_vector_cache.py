from __future__ import annotations

import numpy as np

from kdner.teacher.vector_cache import cached_vectors

SENTENCES = [["Anna", "flew"], ["to"], []]


def test_vectors_are_computed_once_for_each_text_and_encoder(tmp_path):
    asked = []

    def vectors(sentences):
        asked.append(sentences)
        return np.random.default_rng(1).normal(size=(sum(map(len, sentences)), 4)).astype(np.float32)

    first = cached_vectors(vectors, tmp_path / "kept", "minilm")
    found = first(SENTENCES)
    assert found.dtype == np.float32 and np.array_equal(found, found.astype(np.float16))
    np.testing.assert_allclose(found, vectors(SENTENCES), rtol=1e-3)
    asked.clear()
    again = cached_vectors(vectors, tmp_path / "kept", "minilm")
    assert np.array_equal(first(SENTENCES), found) and np.array_equal(again(tuple(SENTENCES)), found)
    assert asked == []
    again([["Anna", "flew", "to"]])
    cached_vectors(vectors, tmp_path / "kept", "bert")(SENTENCES)
    assert len(asked) == 2
    assert {path.suffix for path in (tmp_path / "kept").iterdir()} == {".npy"}
