from __future__ import annotations

import numpy as np
import pytest
from transformers import AutoTokenizer

from kdner.teacher.model import Teacher
from kdner.teacher.pieces import batch_windows

SENTENCE = ["Anna", "Schmidt", "flew", ",", "to", "(", "Zürich", ")", "in", "1996", ".", "日", "🙂", "won't"]


@pytest.mark.parametrize("base", ["bert_base", "roberta_base", "deberta_base"])
def test_windows_are_what_the_tokenizer_makes_of_the_words(base, request):
    folder = request.getfixturevalue(base)
    teacher = Teacher.untrained(folder, ["O"])
    tokenizer = AutoTokenizer.from_pretrained(folder, add_prefix_space=True)
    for words in (SENTENCE[:7], SENTENCE[7:], ["Anna"], SENTENCE[::-1][:5]):
        encoding = tokenizer(words, is_split_into_words=True)
        (window,) = teacher.pieces.windows(words)
        assert window.pieces == encoding["input_ids"]
        assert window.firsts == [encoding.word_ids().index(i) for i in range(len(words))]


def test_batches_are_within_the_budget_and_hardly_padded():
    sizes = np.random.default_rng(1).integers(3, 110, 3000).tolist()
    batches = batch_windows(sizes, 2048)
    assert sorted(k for batch in batches for k in batch) == list(range(len(sizes)))
    padded = [len(batch) * max(sizes[k] for k in batch) for batch in batches]
    assert max(padded) <= 2048 and sum(sizes) / sum(padded) > 0.97
    few = batch_windows([100, 50, 20, 5, 3], 2048)
    assert sorted(k for batch in few for k in batch) == list(range(5)) and len(few) <= 3
    assert batch_windows([5000, 3], 2048) == [[0], [1]] and batch_windows([], 2048) == []
