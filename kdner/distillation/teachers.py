"""Training a teacher of either kind by its name: fine-tuned as a whole, or an LSTM-CNN over a frozen encoder."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from kdner.device import one_thread
from kdner.distillation.examples import labeled_examples
from kdner.distillation.recipe import Distillation
from kdner.distillation.trainer import Trainer
from kdner.labeled.sentence import LabeledSentence
from kdner.progress import Progress
from kdner.student.config import StudentConfig
from kdner.student.network import Network
from kdner.student.vocabulary import Vocabulary
from kdner.teacher.by_name import encoder_of, is_feature_based
from kdner.teacher.feature_tagger import FeatureTagger, vector_features, vector_width
from kdner.teacher.fine_tuning import FineTuning, fine_tune
from kdner.teacher.model import Teacher

FEATURE_RECIPE = Distillation(epochs=30, min_steps=700, word_dropout=0.0)
"""How the LSTM-CNN learns from the labeled set; words are never dropped, since none has a vector of its own."""


def train_teacher(
    name: str,
    sentences: Sequence[LabeledSentence],
    labels: Sequence[str],
    recipe: FineTuning,
    *,
    seed: int,
    progress: Progress,
    checkpoints: Path | None = None,
) -> Teacher | FeatureTagger:
    """Train a teacher of either kind on a labeled set.

    Args:
        name: an encoder to fine-tune: `minilm`, a model directory, or a name on the Hugging Face hub; or
            `features:ENCODER` for a feature-based tagger over it.
        sentences: the labeled set.
        labels: the label list.
        recipe: how an encoder is fine-tuned.
        seed: decides the first weights, the order of sentences, and dropout.
        progress: counts steps.
        checkpoints: folder of what the fine-tuning of an encoder goes on from, if it was cut off.
    """
    encoder = encoder_of(name)
    if is_feature_based(name):
        return train_feature_tagger(encoder, sentences, labels, StudentConfig(), seed=seed, progress=progress)
    words = [sentence.words() for sentence in sentences]
    return fine_tune(encoder, words, labels, recipe, seed=seed, progress=progress, checkpoints=checkpoints)


def train_feature_tagger(
    base: str,
    sentences: Sequence[LabeledSentence],
    labels: Sequence[str],
    config: StudentConfig,
    *,
    seed: int,
    progress: Progress,
    recipe: Distillation | None = None,
) -> FeatureTagger:
    """Train an LSTM-CNN over an encoder that stays as it is.

    Args:
        base: `minilm`, a model directory, or a name on the Hugging Face hub.
        sentences: the labeled set.
        labels: the label list.
        config: shape of the LSTM-CNN; `word_dim` is the width that the contextual vectors are brought to.
        seed: decides the first weights, the order of sentences, and dropout.
        progress: counts steps.
        recipe: how it learns; by default `FEATURE_RECIPE`.
    """
    torch.manual_seed(seed)
    encoder = Teacher.untrained(base, labels)
    encoder.model.eval()
    words = [words for words, _ in (sentence.words() for sentence in sentences) if words]
    characters = sorted({character for sentence in words for word in sentence for character in word})
    vocabulary = Vocabulary((), tuple(characters))
    network = Network(replace(config, head="softmax"), vocabulary, list(labels), vector_width=vector_width(encoder))
    examples = labeled_examples(sentences, vocabulary, network.labels)
    features = vector_features(vocabulary, words, encoder.contextual_vectors(words))
    examples = replace(examples, features=features, index=np.arange(examples.words))
    trainer = Trainer(network, recipe or FEATURE_RECIPE, seed=seed, labeled=examples, device=encoder.device)
    with one_thread():
        trainer.train(lambda _: None, progress)
    return FeatureTagger(encoder, network.eval())
