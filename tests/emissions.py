"""What a student makes of a few words, before its head."""

from __future__ import annotations

import numpy as np
import torch

from kdner.student.word_features import WordFeatures

WORDS = ["Anna", "flew", "to", "Paris", ",", "said", "Zürich", "1996", ".", "U.S."]


def emissions_of(student, sentences):
    """Return emissions, [words, L] of each of the sentences, which are given as rows of WORDS."""
    lengths = [len(rows) for rows in sentences]
    index = torch.tensor([row for rows in sentences for row in rows])
    with torch.no_grad():
        table = student.encode(WordFeatures.of(student.vocabulary, WORDS))
        return student(table, index, np.array(lengths)).split(lengths)
