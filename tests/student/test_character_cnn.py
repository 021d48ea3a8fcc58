from __future__ import annotations

import torch
from torch import nn

from kdner.student.character_cnn import answers_by_place, highest_answers
from kdner.student.vocabulary import PADDING


def test_it_is_a_convolution_and_the_highest_of_each_filter():
    torch.manual_seed(1)
    vectors, filters = nn.Embedding(30, 6, padding_idx=PADDING).double(), nn.Conv1d(6, 5, 3, padding=1).double()
    lengths = torch.tensor([3, 1, 20, 7, 20, 2])
    characters = torch.randint(1, 30, (6, 20)) * (torch.arange(20) < lengths[:, None])
    answers = filters(vectors(characters).transpose(1, 2)) - filters.bias[:, None]
    expected = answers.masked_fill((characters == PADDING)[:, None], float("-inf")).amax(dim=2)
    own = highest_answers(answers_by_place(vectors.weight, filters.weight), characters, 3)
    torch.testing.assert_close(own, expected)
    upstream = torch.randn_like(expected)
    theirs = torch.autograd.grad((expected * upstream).sum(), [vectors.weight, filters.weight])
    mine = torch.autograd.grad((own * upstream).sum(), [vectors.weight, filters.weight])
    torch.testing.assert_close(mine, theirs)
    assert not mine[0][PADDING].any()
