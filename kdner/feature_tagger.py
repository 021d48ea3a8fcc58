"""A feature-based tagger: the student's LSTM-CNN over the vectors of a frozen encoder, in place of word vectors.

The first system of Izsak et al. (arXiv 1910.06294) without fine-tuning, and a teacher like any other.

Shapes: N words, S sentences, H width of the encoder, L labels.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import torch
from torch import nn

from kdner.decoding import most_likely_tags
from kdner.device import one_thread
from kdner.distill import Distillation, Trainer
from kdner.kept_vectors import Vectors
from kdner.labeled import LabeledSentence
from kdner.progress import Progress
from kdner.storage import local_folder
from kdner.student import Student, StudentConfig
from kdner.teacher import MODEL_FILES as ENCODER_FILES
from kdner.teacher import Teacher
from kdner.transfer import Examples, labeled_examples
from kdner.vocabulary import Vocabulary, WordFeatures

MODEL_TYPE = "kdner-feature-tagger"
ENCODER = "encoder"
MODEL_FILES = (
    "config.json",
    "model.safetensors",
    "vocabulary.json",
    *(f"{ENCODER}/{name}" for name in ENCODER_FILES),
)
BATCH_SENTENCES = 64
"""Sentences that the LSTM reads at once."""
RECIPE = Distillation(epochs=30, min_steps=700, word_dropout=0.0)
"""How the LSTM-CNN learns from the labeled set; words are never dropped, since none has a vector of its own."""


class FeatureTagger:
    """A frozen encoder and an LSTM-CNN that reads its vectors."""

    def __init__(self, encoder: Teacher, student: Student) -> None:
        self.encoder, self.student = encoder, student
        self.labels = student.labels
        self.vectors: Vectors = encoder.vectors

    @property
    def parameters(self) -> int:
        """Count the parameters of both."""
        return self.encoder.parameters + self.student.parameters_count

    def score_words(self, sentences: Sequence[Sequence[str]]) -> np.ndarray:
        """Return logits, float32 [N, L], of all N words of all sentences."""
        examples = _unlabeled(self.vectors, sentences, self.student.vocabulary)
        logits = np.empty((examples.words, len(self.labels)), np.float32)
        lengths = np.diff(examples.starts)
        order = np.argsort(-lengths, kind="stable")[: np.count_nonzero(lengths)]
        with torch.inference_mode():
            for first in range(0, len(order), BATCH_SENTENCES):
                chosen = order[first : first + BATCH_SENTENCES]
                places = np.concatenate([np.arange(*examples.starts[[s, s + 1]]) for s in chosen])
                table = self.student.encode(examples.features.take(torch.from_numpy(places)))
                logits[places] = self.student(table, torch.arange(len(places)), lengths[chosen]).numpy()
        return logits

    def tags(self, sentences: Sequence[Sequence[str]]) -> list[list[str]]:
        """Return the labels of each sentence: the best that fit together."""
        return most_likely_tags(self.score_words(sentences), sentences, self.labels)

    def save(self, folder: str | Path) -> None:
        """Write `MODEL_FILES` into an existing folder."""
        folder = Path(folder)
        self.student.save(folder, model_type=MODEL_TYPE)
        (folder / ENCODER).mkdir(exist_ok=True)
        self.encoder.save(folder / ENCODER)

    @classmethod
    def load(cls, folder: str | Path, *, dtype: torch.dtype | None = None) -> FeatureTagger:
        """Read what `save` wrote; `dtype` is the encoder's."""
        folder = local_folder(folder)
        config = json.loads((folder / "config.json").read_text("utf-8"))
        del config["model_type"]
        labels = config.pop("labels")
        encoder = Teacher.load(folder / ENCODER, dtype=dtype)
        vocabulary = Vocabulary.load(folder / "vocabulary.json")
        student = _student(StudentConfig(**config), vocabulary, labels, encoder.width)
        student.load_weights(folder)
        return cls(encoder, student.eval())


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
        config: shape of the LSTM-CNN; `word_dim` is the width that the encoder's vectors are brought to.
        seed: of the weights, the order of sentences, and dropout.
        progress: counts steps.
        recipe: how it learns; by default `RECIPE`.
    """
    torch.manual_seed(seed)
    encoder = Teacher.untrained(base, labels)
    encoder.model.eval()
    characters = sorted({character for sentence in sentences for word in sentence.words()[0] for character in word})
    student = _student(replace(config, head="softmax"), Vocabulary((), tuple(characters)), list(labels), encoder.width)
    examples = labeled_examples(sentences, student.vocabulary, student.labels)
    split = [words for words, _ in (sentence.words() for sentence in sentences) if words]
    trainer = Trainer(student, recipe or RECIPE, seed=seed, labeled=_with_vectors(examples, encoder.vectors(split)))
    with one_thread():
        trainer.train(lambda _: None, progress)
    return FeatureTagger(encoder, student.eval())


def _student(config: StudentConfig, vocabulary: Vocabulary, labels: list[str], width: int) -> Student:
    student = Student(config, vocabulary, labels)
    student.words = nn.Linear(width, config.word_dim)  # type: ignore[assignment]  # reads vectors in place of ids
    return student


def _unlabeled(vectors: Vectors, sentences: Sequence[Sequence[str]], vocabulary: Vocabulary) -> Examples:
    types: dict[str, int] = {}
    index = [types.setdefault(word, len(types)) for word in chain.from_iterable(sentences)]
    starts = np.concatenate([[0], np.cumsum([len(words) for words in sentences], dtype=np.int64)])
    tags = np.zeros(len(index), np.int64)
    examples = Examples(vocabulary.features(list(types)), np.array(index, np.int64), starts, tags, None)
    return _with_vectors(examples, vectors(sentences))


def _with_vectors(examples: Examples, vectors_nh: np.ndarray) -> Examples:
    """Give each word of a text a row of its own, with a vector in place of the id of its type."""
    rows = examples.features.take(torch.from_numpy(examples.index))
    features = WordFeatures(torch.from_numpy(vectors_nh), rows.shapes, rows.characters)
    return replace(examples, features=features, index=np.arange(examples.words))
