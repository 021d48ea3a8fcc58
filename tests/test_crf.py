from __future__ import annotations

from itertools import product

import pytest
import torch
from torchcrf import CRF

from kdner.crf import marginals, viterbi

LABELS = 4


def case(seed, lengths):
    torch.manual_seed(seed)
    crf = CRF(LABELS, batch_first=True)
    for parameter in crf.parameters():
        torch.nn.init.normal_(parameter, 0, 2)
    emissions = torch.randn(len(lengths), max(lengths), LABELS) * 2
    lengths = torch.tensor(lengths)
    mask = torch.arange(emissions.shape[1])[None] < lengths[:, None]
    return crf, emissions, lengths, mask


@pytest.mark.parametrize("seed", range(5))
def test_viterbi_is_the_decoder_of_pytorch_crf(seed):
    crf, emissions, lengths, mask = case(seed, [7, 1, 12, 3, 12, 2])
    with torch.no_grad():
        paths = viterbi(crf, emissions, lengths)
        expected = crf.decode(emissions, mask)
    assert [path[:n].tolist() for path, n in zip(paths, lengths, strict=True)] == expected
    assert not paths[~mask].any()


@pytest.mark.parametrize("seed", range(3))
def test_marginals_are_the_sums_over_all_sequences(seed):
    crf, emissions, lengths, _ = case(seed, [4, 1, 3])
    with torch.no_grad():
        found = marginals(crf, emissions, lengths)
        for b, n in enumerate(lengths.tolist()):
            expected = torch.zeros(n, LABELS)
            for path in product(range(LABELS), repeat=n):
                tags = torch.tensor([path])
                probability = crf(emissions[b : b + 1, :n], tags).exp()
                for w, label in enumerate(path):
                    expected[w, label] += probability
            torch.testing.assert_close(found[b, :n], expected, rtol=1e-4, atol=1e-5)


def test_marginals_sum_to_one_in_a_long_sentence():
    crf, emissions, lengths, mask = case(0, [500, 20])
    with torch.no_grad():
        sums = marginals(crf, emissions * 10, lengths).sum(dim=2)[mask]
    torch.testing.assert_close(sums, torch.ones_like(sums))


def test_padding_does_not_matter():
    crf, emissions, lengths, mask = case(1, [5, 2, 9])
    other = torch.where(mask[:, :, None], emissions, torch.full_like(emissions, 99.0))
    wider = torch.cat([other, torch.randn(3, 4, LABELS) * 50], dim=1)
    with torch.no_grad():
        assert torch.equal(viterbi(crf, emissions, lengths), viterbi(crf, wider, lengths)[:, :9])
        a, b = marginals(crf, emissions, lengths), marginals(crf, wider, lengths)[:, :9]
    torch.testing.assert_close(a[mask], b[mask])
