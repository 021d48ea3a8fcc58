from __future__ import annotations

import numpy as np

from kdner.teacher.padded_batches import batch_windows


def test_batches_are_within_the_budget_and_hardly_padded():
    sizes = np.random.default_rng(1).integers(3, 110, 3000)
    batches = batch_windows(sizes, 2048)
    assert sorted(np.concatenate(batches).tolist()) == list(range(len(sizes)))
    padded = [len(batch) * sizes[batch].max() for batch in batches]
    assert max(padded) <= 2048 and sizes.sum() / sum(padded) > 0.97
    few = batch_windows(np.array([100, 50, 20, 5, 3]), 2048)
    assert sorted(np.concatenate(few).tolist()) == list(range(5)) and len(few) <= 3
    assert [batch.tolist() for batch in batch_windows(np.array([5000, 3]), 2048)] == [[0], [1]]
    assert batch_windows(np.zeros(0, np.int64), 2048) == []
