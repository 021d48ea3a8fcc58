"""What a network makes of a few words, before its head."""

from __future__ import annotations

import numpy as np
import torch

from kdner.student.word_features import WordFeatures

WORDS = ["Anna", "flew", "to", "Paris", ",", "said", "Zürich", "1996", ".", "U.S."]


def emissions_of(network, sentences):
    """Return emissions, [words, L] of each of the sentences, which are given as rows of WORDS."""
    lengths = [len(rows) for rows in sentences]
    index = torch.tensor([row for rows in sentences for row in rows])
    with torch.no_grad():
        table = network.encode(WordFeatures.of(network.vocabulary, WORDS))
        return network(table, index, np.array(lengths)).split(lengths)
