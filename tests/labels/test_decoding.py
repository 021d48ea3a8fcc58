from __future__ import annotations

from itertools import product

import numpy as np
import pytest
import torch
from torchcrf import CRF

from kdner.labels.crf import viterbi
from kdner.labels.decoding import Grammar, best_legal_labels, best_legal_tags
from kdner.labels.tags import label_list

LABELS = label_list(["B-PER", "B-LOC"])


def fits(tags):
    return all(
        not tag.startswith("I-") or (before != "O" and before[2:] == tag[2:])
        for before, tag in zip(["O", *tags], tags, strict=False)
    )


@pytest.mark.parametrize("seed", range(5))
def test_of_all_sequences_that_fit_the_best_is_found(seed):
    rng = np.random.default_rng(seed)
    sentences = [["w"] * n for n in (3, 5, 0, 1, 4, 1)]
    logits = rng.normal(0, 2, (14, len(LABELS))).astype(np.float32)
    found = best_legal_tags(logits, sentences, LABELS)
    assert [len(tags) for tags in found] == [len(words) for words in sentences]
    first = 0
    for words, tags in zip(sentences, found, strict=True):
        own = logits[first : first + len(words)]
        first += len(words)
        paths = [path for path in product(range(len(LABELS)), repeat=len(words)) if fits([LABELS[k] for k in path])]
        best = max(paths, key=lambda path, own=own: sum(own[w, k] for w, k in enumerate(path)))
        assert tags == [LABELS[k] for k in best]


def test_labels_that_fit_already_stay_whatever_stands_beside_them():
    logits = torch.full((5, len(LABELS)), -3.0)
    place = {label: k for k, label in enumerate(LABELS)}
    # packed: first words of three sentences, then the second words of two
    for row, label in enumerate(["B-PER", "I-LOC", "O", "I-PER", "I-LOC"]):
        logits[row, place[label]] = 1.0
    logits[1, place["B-LOC"]] = 0.5
    found = [LABELS[k] for k in best_legal_labels(logits, [3, 2], Grammar(LABELS)).tolist()]
    assert found == ["B-PER", "B-LOC", "O", "I-PER", "I-LOC"]


@pytest.mark.parametrize("seed", range(3))
def test_a_crf_finds_the_best_by_its_own_costs_of_all_sequences_that_fit(seed):
    torch.manual_seed(seed)
    crf = CRF(len(LABELS), batch_first=True).requires_grad_(False)
    for parameter in crf.parameters():
        torch.nn.init.normal_(parameter, 0, 2)
    emissions = torch.randn(4, len(LABELS)) * 2
    paths = torch.tensor([p for p in product(range(len(LABELS)), repeat=4) if fits([LABELS[k] for k in p])])
    scores = torch.stack([crf(emissions[None], path[None]) for path in paths])
    assert viterbi(Grammar(LABELS).restrict(crf), emissions, [1] * 4).equal(paths[scores.argmax()])


def test_nothing_to_decode():
    assert best_legal_tags(np.zeros((0, len(LABELS)), np.float32), [[], []], LABELS) == [[], []]
    assert best_legal_tags(np.zeros((0, len(LABELS)), np.float32), [], LABELS) == []


def test_a_grammar_is_no_part_of_a_students_weights():
    assert not Grammar(LABELS).state_dict()
