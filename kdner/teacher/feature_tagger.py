"""A feature-based tagger: the student's LSTM-CNN over a frozen encoder's contextual vectors, in place of word vectors.

What the encoder does not tell, capitals above all, the LSTM-CNN has from the shapes of words and from their characters.

The first system of Izsak et al. (arXiv 1910.06294) without fine-tuning, and a teacher like any other.
`kdner.distillation.teachers` trains it.

Shapes: N words of all sentences, H hidden size of the encoder, L labels.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from itertools import chain
from pathlib import Path

import numpy as np
import torch

from kdner.labels.decoding import best_legal_tags
from kdner.runs.storage import local_folder
from kdner.student.network import Network
from kdner.student.saved import MODEL_FILES, read_config, read_vocabulary, read_weights
from kdner.student.vocabulary import Vocabulary
from kdner.student.word_features import WordFeatures
from kdner.teacher.encoder import encoder_files
from kdner.teacher.model import Teacher
from kdner.teacher.vector_cache import ContextualVectors
from kdner.teacher.word_shapes import SHAPES, shapes_of
from kdner.text.given import listed_sentences

MODEL_TYPE = "kdner-feature-tagger"
ENCODER = "encoder"
BATCH_SENTENCES = 64
"""Sentences that the LSTM reads at once."""
SHAPE_SCALE = 6.0
"""What stands at the place of a word's shape, behind a vector whose numbers are some .8 in size: with 300 sentences, as
large a part of what the LSTM first learns from."""


class FeatureTagger:
    """A frozen encoder and an LSTM-CNN that reads the encoder's contextual vectors."""

    def __init__(self, encoder: Teacher, network: Network) -> None:
        self.encoder, self.network = encoder, network.to(encoder.device)
        self.labels = network.labels
        self.contextual_vectors: ContextualVectors = encoder.contextual_vectors

    @property
    def parameters(self) -> int:
        """Count the parameters of the encoder and of the LSTM-CNN."""
        return self.encoder.parameters + self.network.parameters_count

    def score_words(self, sentences: Iterable[Iterable[str]]) -> np.ndarray:
        """Return logits, float32 [N, L], of all N words of all sentences. See `Teacher.score_words`."""
        sentences, device = listed_sentences(sentences), self.encoder.device
        features = vector_features(self.network.vocabulary, sentences, self.contextual_vectors(sentences))
        logits = np.empty((len(features), len(self.labels)), np.float32)
        lengths = np.array([len(words) for words in sentences], np.int64)
        starts = np.concatenate([[0], np.cumsum(lengths)])
        order = np.argsort(-lengths, kind="stable")[: np.count_nonzero(lengths)]
        with torch.inference_mode():
            for first in range(0, len(order), BATCH_SENTENCES):
                batch = order[first : first + BATCH_SENTENCES]
                places = np.concatenate([np.arange(*starts[[s, s + 1]]) for s in batch])
                table = self.network.encode(features.take(torch.from_numpy(places)).to(device))
                logits[places] = self.network(table, torch.arange(len(places), device=device), lengths[batch]).cpu()
        return logits

    def tags(self, sentences: Iterable[Iterable[str]]) -> list[list[str]]:
        """Return the best legal labels of each sentence."""
        sentences = listed_sentences(sentences)
        return best_legal_tags(self.score_words(sentences), sentences, self.labels)

    def save(self, folder: str | Path) -> None:
        """Write the files of `model_files` into an existing folder."""
        folder = Path(folder)
        self.network.saved().save(folder, model_type=MODEL_TYPE)
        (folder / ENCODER).mkdir(exist_ok=True)
        self.encoder.save(folder / ENCODER)

    @classmethod
    def load(cls, folder: str | Path, *, dtype: torch.dtype | None = None, in_bulk: bool = False) -> FeatureTagger:
        """Read what `save` wrote; `dtype` and `in_bulk` are those of `Teacher.load` for the encoder."""
        folder = local_folder(folder)
        config, labels, language = read_config(folder, MODEL_TYPE)
        encoder = Teacher.load(folder / ENCODER, dtype=dtype, in_bulk=in_bulk)
        network = Network(
            config, read_vocabulary(folder), labels, language=language, vector_width=vector_width(encoder)
        )
        weights = read_weights(folder, {name: tuple(values.shape) for name, values in network.state_dict().items()})
        network.load_state_dict({name: torch.from_numpy(values) for name, values in weights.items()})
        return cls(encoder, network.eval())


def model_files(folder: Path) -> list[str]:
    """Return the names of the files of a feature-based tagger that decide what it computes."""
    return [*MODEL_FILES, *(f"{ENCODER}/{name}" for name in encoder_files(folder / ENCODER))]


def vector_width(encoder: Teacher) -> int:
    """Return the width of what stands in place of a word's id: H, and a place for each shape."""
    return encoder.width + len(SHAPES)


def vector_features(vocabulary: Vocabulary, sentences: Sequence[Sequence[str]], vectors_nh: np.ndarray) -> WordFeatures:
    """Return the features of all N words of sentences, a row for each, with vector and shape in place of the word's id.

    Args:
        vocabulary: gives the other features of a word.
        sentences: words of each sentence.
        vectors_nh: the contextual vectors of these words, float32 [N, H].
    """
    types: dict[str, int] = {}
    index = [types.setdefault(word, len(types)) for word in chain.from_iterable(sentences)]
    features = WordFeatures.of(vocabulary, list(types)).take(torch.tensor(index, dtype=torch.int64))
    shapes = (SHAPE_SCALE * np.eye(len(SHAPES), dtype=np.float32))[shapes_of(list(types))[index]]
    return replace(features, words=torch.from_numpy(np.concatenate([vectors_nh, shapes], axis=1)))
