from __future__ import annotations

from itertools import product

import pytest
import torch
from torchcrf import CRF

from kdner.labels.crf import marginals, viterbi

LABELS = 4


def case(seed, lengths):
    """A CRF, and emissions of sentences of falling lengths, padded as pytorch-crf wants them, with the mask."""
    torch.manual_seed(seed)
    crf = CRF(LABELS, batch_first=True).requires_grad_(False)
    for parameter in crf.parameters():
        torch.nn.init.normal_(parameter, 0, 2)
    emissions = torch.randn(len(lengths), max(lengths), LABELS) * 2
    mask = torch.arange(emissions.shape[1])[None] < torch.tensor(lengths)[:, None]
    return crf, emissions, mask


def packed(function, crf, emissions, mask):
    """Call a function with packed words; lay its result out as [B, W, ...] again."""
    by_step = mask.t()
    found = function(crf, emissions.transpose(0, 1)[by_step], by_step.sum(dim=1).tolist())
    padded = found.new_zeros(*by_step.shape, *found.shape[1:])
    padded[by_step] = found
    return padded.transpose(0, 1)


@pytest.mark.parametrize("seed", range(5))
def test_viterbi_is_the_decoder_of_pytorch_crf(seed):
    crf, emissions, mask = case(seed, [12, 12, 7, 3, 2, 1])
    paths = packed(viterbi, crf, emissions, mask)
    assert [path[own].tolist() for path, own in zip(paths, mask, strict=True)] == crf.decode(emissions, mask)


def test_one_word():
    crf, emissions, mask = case(0, [1, 1])
    assert packed(viterbi, crf, emissions, mask).tolist() == crf.decode(emissions, mask)


@pytest.mark.parametrize("seed", range(3))
def test_marginals_are_the_sums_over_all_sequences(seed):
    lengths = [4, 3, 1]
    crf, emissions, mask = case(seed, lengths)
    found = packed(marginals, crf, emissions, mask)
    for b, n in enumerate(lengths):
        expected = torch.zeros(n, LABELS)
        for path in product(range(LABELS), repeat=n):
            probability = crf(emissions[b : b + 1, :n], torch.tensor([path])).exp()
            for w, label in enumerate(path):
                expected[w, label] += probability
        torch.testing.assert_close(found[b, :n], expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("scale", [1, 10, 200])
def test_marginals_sum_to_one_in_a_long_sentence(scale):
    crf, emissions, mask = case(0, [500, 20])
    for parameter in crf.parameters():
        parameter.mul_(scale)
    sums = packed(marginals, crf, emissions * scale, mask).sum(dim=2)[mask]
    if scale == 200:  # so sure and so contradictory that all of a word's probabilities may be too small for a float
        assert ((sums == 0) | ((sums - 1).abs() < 1e-5)).all()
    else:
        torch.testing.assert_close(sums, torch.ones_like(sums))
