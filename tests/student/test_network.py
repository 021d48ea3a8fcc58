from __future__ import annotations

from collections import Counter

import pytest
import torch
from emissions import WORDS, emissions_of

from kdner.errors import InputError
from kdner.student.config import BERT_BASE_PARAMETERS, StudentConfig
from kdner.student.network import Network, vocabulary_budget
from kdner.student.vocabulary import Vocabulary
from kdner.student.word_features import WordFeatures

heads = pytest.mark.parametrize("head", ["softmax", "crf"])


@heads
@pytest.mark.parametrize("layers", [1, 2])
def test_other_sentences_do_not_change_a_sentence(make_network, head, layers):
    network = make_network(head, layers=layers)
    sentences = [[0, 1, 2, 3], [4], [5, 6, 7, 8, 9, 0, 1], [3, 3]]
    for together, rows in zip(emissions_of(network, sentences), sentences, strict=True):
        (alone,) = emissions_of(network, [rows])
        torch.testing.assert_close(together, alone, rtol=1e-5, atol=1e-6)


def test_what_it_knows_of_a_word_does_not_depend_on_other_words(make_network):
    network = make_network()
    with torch.no_grad():
        table = network.encode(WordFeatures.of(network.vocabulary, WORDS))
        alone = torch.cat([network.encode(WordFeatures.of(network.vocabulary, [word])) for word in WORDS])
    assert table.shape == (len(WORDS), network.word_features)
    torch.testing.assert_close(table, alone, rtol=1e-5, atol=1e-6)


def test_it_reads_both_directions(make_network):
    network = make_network()
    (base,) = emissions_of(network, [[0, 1, 2, 3, 4]])
    (last,) = emissions_of(network, [[0, 1, 2, 3, 9]])
    (first,) = emissions_of(network, [[9, 1, 2, 3, 4]])
    assert not torch.allclose(base[0], last[0], atol=1e-7)
    assert not torch.allclose(base[4], first[4], atol=1e-7)


@heads
def test_probabilities_are_those_of_the_labels(make_network, head):
    network = make_network(head)
    (emissions,) = emissions_of(network, [[0, 1, 2]])
    emissions[:, [label.startswith("I-") for label in network.labels]] -= 10  # the likeliest labels fit together
    with torch.no_grad():
        labels, probabilities = network.decode(emissions, [1, 1, 1])
    assert labels.shape == probabilities.shape == (3,)
    assert ((probabilities > 0) & (probabilities <= 1)).all()
    if head == "softmax":
        torch.testing.assert_close((probabilities, labels), tuple(emissions.softmax(dim=1).max(dim=1)))


@heads
def test_labels_that_do_not_fit_together_are_not_given(make_network, head):
    network = make_network(head)
    inside = network.labels.index("I-PER")
    emissions = torch.zeros(2, len(network.labels))
    emissions[:, inside] = 3.0
    emissions[0, network.labels.index("B-PER")] = 2.0
    with torch.no_grad():
        labels, probabilities = network.decode(emissions, [1, 1])
    assert [network.labels[k] for k in labels.tolist()] == ["B-PER", "I-PER"]
    if head == "softmax":
        torch.testing.assert_close(probabilities, emissions.softmax(dim=1).gather(1, labels[:, None])[:, 0])


@heads
def test_the_vocabulary_takes_what_the_limit_leaves(head, labels):
    config = StudentConfig(head=head)
    counts = Counter("".join(chr(97 + (i // 26**p) % 26) for p in range(4)) for i in range(100_000))
    characters = len({character for word in counts for character in word})
    budget = vocabulary_budget(config, labels, characters)
    network = Network(config, Vocabulary.build(counts, max_words=budget), labels)
    assert config.max_parameters - config.word_dim < network.parameters_count <= config.max_parameters
    assert network.parameters_count == sum(p.numel() for p in network.parameters())
    assert BERT_BASE_PARAMETERS / network.parameters_count >= 36


def test_no_room_for_words(labels):
    with pytest.raises(InputError, match=r"--student.max-parameters 1000: no room"):
        vocabulary_budget(StudentConfig(max_parameters=1000), labels, 100)


@pytest.mark.parametrize(
    "options",
    [
        {"character_width": 4},
        {"character_width": -1},
        {"dropout": 1.0},
        {"dropout": -0.1},
        {"hidden": 0},
        {"layers": 0},
        {"word_dim": 0},
        {"character_dim": -4},
        {"character_filters": 0},
        {"max_parameters": 0},
    ],
)
def test_impossible_shapes_name_the_flag(options):
    name = next(iter(options)).replace("_", "-")
    with pytest.raises(InputError, match=f"--student.{name}"):
        StudentConfig(**options)
