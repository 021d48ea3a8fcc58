"""The student at inference: from words to tags, and from texts to entities with offsets.

Shapes: B sentences, W words of a sentence, T distinct words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from kdner.labels import entities_of
from kdner.student import Student
from kdner.text import split

TYPES_AT_ONCE = 8192


@dataclass(frozen=True, slots=True)
class Entity:
    """An entity in a text: `text[start:end]` is its text, in Unicode code points."""

    start: int
    end: int
    label: str
    text: str
    score: float
    """Mean over its words of the probability of the tag that each was given, 0 to 1."""


class Tagger:
    """A student that tags words and texts."""

    def __init__(self, student: Student) -> None:
        self.student = student
        self.labels = student.labels

    @classmethod
    def load(cls, folder: str | Path) -> Tagger:
        """Load a student directory."""
        return cls(Student.load(folder))

    @property
    def parameters(self) -> int:
        """Count the student's parameters."""
        return self.student.parameters_count

    def tags(self, sentences: Sequence[Sequence[str]]) -> list[list[str]]:
        """Return the tag of each word."""
        return [[self.labels[k] for k in labels] for labels, _ in self.decode(sentences)]

    def tag(self, texts: Sequence[str], *, batch_words: int = 4096) -> list[list[Entity]]:
        """Return the entities of each text, by start."""
        split_texts = [split(text) for text in texts]
        decoded = iter(self.decode([s.words for sentences in split_texts for s in sentences], batch_words=batch_words))
        outside = self.labels.index("O")
        found: list[list[Entity]] = []
        for text, sentences in zip(texts, split_texts, strict=True):
            entities: list[Entity] = []
            for sentence in sentences:
                labels, probabilities = next(decoded)
                if (labels == outside).all():
                    continue
                for first, last, label in entities_of([self.labels[k] for k in labels]):
                    start, end = sentence.starts[first], sentence.ends[last - 1]
                    score = float(probabilities[first:last].mean())
                    entities.append(Entity(start, end, label, text[start:end], score))
            found.append(entities)
        return found

    def decode(
        self, sentences: Sequence[Sequence[str]], *, batch_words: int = 4096
    ) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return label ids and their probabilities for each sentence, two arrays [W].

        Args:
            sentences: words as the splitter gives them.
            batch_words: words in one pass, padding included. Does not change the result beyond rounding.
        """
        types = list(dict.fromkeys(word for words in sentences for word in words))
        rows = {word: row for row, word in enumerate(types)}
        index = [np.fromiter((rows[word] for word in words), np.int64, len(words)) for words in sentences]
        order = sorted((i for i, words in enumerate(sentences) if len(words)), key=lambda i: -len(index[i]))
        nothing = (np.zeros(0, np.int64), np.zeros(0, np.float32))
        decoded = [nothing] * len(sentences)
        was_training = self.student.training
        self.student.eval()
        with torch.inference_mode():
            table = self._table(types)
            first = 0
            while first < len(order):
                count = max(1, batch_words // len(index[order[first]]))
                batch = order[first : first + count]
                first += count
                for i, result in zip(batch, self._decode([index[i] for i in batch], table), strict=True):
                    decoded[i] = result
        self.student.train(was_training)
        return decoded

    def _table(self, types: list[str]) -> torch.Tensor:
        device = self.student.output.weight.device
        parts = [
            self.student.encode(self.student.vocabulary.features(types[i : i + TYPES_AT_ONCE]).to(device))
            for i in range(0, len(types), TYPES_AT_ONCE)
        ]
        return torch.cat(parts) if parts else torch.zeros(0, self.student.word_features, device=device)

    def _decode(self, index: list[np.ndarray], table: torch.Tensor) -> list[tuple[np.ndarray, np.ndarray]]:
        lengths = np.array([len(row) for row in index])
        padded = np.zeros((len(index), lengths.max()), dtype=np.int64)
        for b, row in enumerate(index):
            padded[b, : len(row)] = row
        on_device = torch.from_numpy(lengths).to(table.device)
        emissions = self.student(table, torch.from_numpy(padded).to(table.device), on_device)
        labels, probabilities = self.student.decode(emissions, on_device)
        labels_bw, probabilities_bw = labels.cpu().numpy(), probabilities.float().cpu().numpy()
        return [(labels_bw[b, :n], probabilities_bw[b, :n]) for b, n in enumerate(lengths)]
