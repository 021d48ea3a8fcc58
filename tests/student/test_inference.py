from __future__ import annotations

import random

import numpy as np
import pytest
import torch

from kdner.student.inference import Inference
from kdner.student.model import Student

WORDS = ["Anna", "Paris", "flew", "to", ".", "1996", "Schmidt", "東京", "x" * 60, "unknown-word", "of", "Rome"]


@pytest.fixture(scope="module", params=[("softmax", 1), ("crf", 1), ("softmax", 3), ("crf", 2)])
def student(request, make_student) -> Student:
    head, layers = request.param
    student = make_student(head, seed=3, layers=layers)
    with torch.no_grad():  # far from its first weights, where all probabilities are alike
        for parameter in student.parameters():
            parameter.mul_(3)
        student.output.weight.mul_(5)
    return student


def sentences(count, seed=0):
    draw = random.Random(seed)
    return [draw.choices(range(len(WORDS)), k=min(128, int(draw.paretovariate(0.7)))) for _ in range(count)]


def forward(student, sentence):
    """Labels and probabilities of one sentence by the model that is trained."""
    with torch.inference_mode():
        table = student.encode(student.vocabulary.features(WORDS))
        emissions = student(table, torch.tensor(sentence), np.array([len(sentence)]))
        labels, probabilities = student.decode(emissions, [1] * len(sentence))
    return labels.numpy(), probabilities.numpy()


def infer(student, batch, dtype=torch.float32, types=WORDS):
    with torch.inference_mode():
        inference = Inference(student, dtype)
        inference.extend(types)
        place = [types.index(word) for word in WORDS]
        return inference.label(
            np.array([place[word] for sentence in batch for word in sentence], np.int32),
            np.array([len(sentence) for sentence in batch], np.int64),
        )


def test_it_labels_as_the_model_that_was_trained(student):
    batch = sentences(600)
    labels, probabilities = infer(student, batch)
    expected = [forward(student, sentence) for sentence in batch]
    assert len(set(labels.tolist())) > 2
    assert (labels == np.concatenate([one for one, _ in expected])).mean() > 0.9999
    np.testing.assert_allclose(probabilities, np.concatenate([one for _, one in expected]), atol=1e-4)


def test_bfloat16_is_near(student):
    batch = sentences(600)
    exact, fast = infer(student, batch), infer(student, batch, torch.bfloat16)
    clear = exact[1] > 0.6
    assert clear.mean() > 0.2 and (exact[0] == fast[0])[clear].mean() > 0.999
    assert np.abs(exact[1] - fast[1]).mean() < 0.02


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_a_word_is_the_same_whatever_was_seen_before(student, dtype):
    other = [str(k) for k in range(700)]
    batch = sentences(40)
    labels, probabilities = infer(student, batch, dtype)
    for types in (WORDS[::-1], [*other, *WORDS], [*WORDS[:5], *other, *WORDS[5:]]):
        again = infer(student, batch, dtype, types)
        assert (again[0] == labels).all() and (again[1] == probabilities).all()


def test_rows_appended_one_by_one_are_the_same(student):
    one, many = Inference(student, torch.float32), Inference(student, torch.float32)
    with torch.inference_mode():
        many.extend(WORDS)
        for word in WORDS:
            one.extend([word])
    assert one.types == many.types == len(WORDS)
    assert torch.equal(one.gates[:, : len(WORDS)], many.gates[:, : len(WORDS)])


def test_no_sentences(student):
    labels, probabilities = infer(student, [])
    assert labels.shape == probabilities.shape == (0,)
