from __future__ import annotations

import random
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch

from kdner.errors import InputError
from kdner.kernels import kernels
from kdner.labels.tags import label_list
from kdner.step_times import StepTimes
from kdner.student import compiled_inference, engine
from kdner.student.engine import fastest_type, make_engine
from kdner.student.network import Network
from kdner.student.saved import WORDS as WORD_TABLE
from kdner.student.tagger import Tagger
from kdner.student.word_features import WordFeatures

WORDS = ["Anna", "Paris", "flew", "to", ".", "1996", "Schmidt", "東京", "x" * 60, "unknown-word", "of", "Rome"]


@pytest.fixture(scope="module", params=[("softmax", 1), ("crf", 1), ("softmax", 3), ("crf", 2)])
def network(request, make_network) -> Network:
    head, layers = request.param
    network = make_network(head, seed=3, layers=layers)
    with torch.no_grad():  # far from its first weights, where all probabilities are alike
        for parameter in network.parameters():
            parameter.mul_(3)
        network.output.weight.mul_(5)
    return network


def sentences(count, seed=0):
    draw = random.Random(seed)
    return [draw.choices(range(len(WORDS)), k=min(128, int(draw.paretovariate(0.7)))) for _ in range(count)]


def forward(network, sentence):
    """Labels and probabilities of one sentence by the model that is trained."""
    with torch.inference_mode():
        table = network.encode(WordFeatures.of(network.vocabulary, WORDS))
        emissions = network(table, torch.tensor(sentence), np.array([len(sentence)]))
        labels, probabilities = network.decode(emissions, [1] * len(sentence))
    return labels.numpy(), probabilities.numpy()


def infer(network, batch, dtype="float32", types=WORDS):
    with torch.inference_mode():
        made = make_engine(network, dtype, room=0, times=StepTimes())
        made.extend(types)
        place = [types.index(word) for word in WORDS]
        return made.label(
            np.array([place[word] for sentence in batch for word in sentence], np.int32),
            np.array([len(sentence) for sentence in batch], np.int64),
        )


def test_it_labels_as_the_model_that_was_trained(network):
    batch = sentences(600)
    labels, probabilities = infer(network, batch)
    expected = [forward(network, sentence) for sentence in batch]
    assert len(set(labels.tolist())) > 2
    assert (labels == np.concatenate([one for one, _ in expected])).mean() > 0.9999
    np.testing.assert_allclose(probabilities, np.concatenate([one for _, one in expected]), atol=1e-4)


def test_whole_numbers_label_as_float32_does(network):
    batch = sentences(600)
    exact, whole = infer(network, batch), infer(network, batch, "int16")
    same = exact[0] == whole[0]
    assert same.mean() > 0.999
    np.testing.assert_allclose(exact[1][same], whole[1][same], atol=0.01)
    assert np.abs(exact[1] - whole[1]).mean() < 0.001


def test_whole_numbers_score_as_float32_does(network):
    types, lengths = np.arange(len(WORDS), dtype=np.int32), np.array([len(WORDS) - 1, 1])
    scores = []
    for dtype in ("float32", "int16"):
        made = make_engine(network, dtype, room=0, times=StepTimes())
        made.extend(WORDS)
        scores.append(made.score(types, lengths))
    np.testing.assert_allclose(*scores, atol=0.02 * np.abs(scores[0]).max())


@pytest.mark.parametrize("types", [2, 4, 9])
@pytest.mark.parametrize("head", ["softmax", "crf"])
def test_every_processor_gives_the_same_digits_in_any_company(make_network, head, types, monkeypatch):
    labels = label_list([f"B-T{number}" for number in range(types)])
    network = make_network(head, seed=3, labels=labels, layers=2)
    with torch.no_grad():
        network.output.weight.mul_(15)
    batch = sentences(200)
    labels, probabilities = infer(network, batch, "int16")
    ends = np.cumsum([len(sentence) for sentence in batch])
    alone = [infer(network, [sentence], "int16") for sentence in batch[:20]]
    assert np.array_equal(np.concatenate([one for _, one in alone]), probabilities[: ends[19]])
    for lanes in (8, 16):
        monkeypatch.setattr(compiled_inference, "kernels", lambda given=lanes: kernels(given))
        again = infer(network, batch, "int16")
        assert np.array_equal(again[0], labels) and np.array_equal(again[1], probabilities)


def test_word_vectors_may_lie_in_memory_in_any_order(make_network):
    student = make_network(seed=3).saved()
    expected = infer(student, sentences(50), "int16")
    other = replace(student, weights={**student.weights, WORD_TABLE: np.asfortranarray(student.weights[WORD_TABLE])})
    for values, again in zip(expected, infer(other, sentences(50), "int16"), strict=True):
        assert np.array_equal(values, again)


def test_weights_that_are_large_leave_no_sum_out_of_range(make_network):
    network = make_network(seed=3)
    with torch.no_grad():
        network.encoder[0].bias.fill_(20)  # all states soon are 1, and a sum of them would be 2**31 and more
        network.encoder[0].recurrent.fill_(100)
    batch = sentences(50)
    exact, whole = infer(network, batch), infer(network, batch, "int16")
    assert (exact[0] == whole[0]).all()
    np.testing.assert_allclose(exact[1], whole[1], atol=0.001)


def test_without_llvmlite_a_student_tags_in_pytorch(monkeypatch, caplog):
    monkeypatch.setitem(sys.modules, "kdner.kernels.machine_code", None)
    engine._machine_code.cache_clear()
    assert fastest_type() != "int16"
    assert "pip install llvmlite" in caplog.text and len(caplog.records) == 1
    engine._machine_code.cache_clear()


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_types_that_need_pytorch_say_so_where_it_is_missing(make_student, monkeypatch, dtype):
    student = make_student(seed=3)
    for module in ("torch", "kdner.student.inference"):
        monkeypatch.setitem(sys.modules, module, None)
    assert student.tag("Anna flew to Paris.")
    with pytest.raises(InputError, match=rf"{dtype} needs PyTorch: pip install 'kdner\[torch\]'"):
        Tagger(student, dtype=dtype)
    monkeypatch.setattr(engine, "_machine_code", lambda: False)
    with pytest.raises(InputError, match=r"on this processor, or without llvmlite, needs PyTorch"):
        Tagger(student)


def test_a_crf_in_pytorch_says_what_it_needs(make_student, monkeypatch):
    student = make_student("crf", seed=3)
    monkeypatch.setitem(sys.modules, "torchcrf", None)
    with pytest.raises(InputError, match=r"float32 needs PyTorch: .*torchcrf"):
        Tagger(student, dtype="float32")


def test_bfloat16_is_near(network):
    batch = sentences(600)
    exact, fast = infer(network, batch), infer(network, batch, "bfloat16")
    clear = exact[1] > 0.6
    assert clear.mean() > 0.2 and (exact[0] == fast[0])[clear].mean() > 0.999
    assert np.abs(exact[1] - fast[1]).mean() < 0.02


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "int16"])
def test_a_word_is_the_same_whatever_was_seen_before(network, dtype):
    other = [str(k) for k in range(700)]
    batch = sentences(40)
    labels, probabilities = infer(network, batch, dtype)
    for types in (WORDS[::-1], [*other, *WORDS], [*WORDS[:5], *other, *WORDS[5:]]):
        again = infer(network, batch, dtype, types)
        assert (again[0] == labels).all() and (again[1] == probabilities).all()


@pytest.mark.parametrize("dtype", ["float32", "int16"])
def test_rows_appended_one_by_one_are_the_same(network, dtype):
    one, many = (make_engine(network, dtype, room=0, times=StepTimes()) for _ in range(2))
    with torch.inference_mode():
        many.extend(WORDS)
        for word in WORDS:
            one.extend([word])
    assert one.types == many.types == len(WORDS)
    rows = (slice(None), slice(len(WORDS))) if dtype == "float32" else slice(len(WORDS))
    assert np.array_equal(one.gates[rows], many.gates[rows])


@pytest.mark.parametrize("dtype", ["float32", "int16"])
def test_no_sentences(network, dtype):
    labels, probabilities = infer(network, [], dtype)
    assert labels.shape == probabilities.shape == (0,)
