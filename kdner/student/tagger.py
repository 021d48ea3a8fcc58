"""The student at inference: from words to tags, and from texts to entities with offsets.

Shapes: D documents, S sentences, N words, E entities.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain, pairwise
from typing import overload

import numpy as np
import torch

from kdner.device import best_dtype
from kdner.labels.tags import entities_of_words
from kdner.student.inference import Inference
from kdner.student.network import Network
from kdner.student.step_times import StepTimes
from kdner.text.splitter import Splitter

MAX_TYPES = 60_000
"""Distinct words whose gates are kept before all are forgotten; 1.5 kB each, for 96 hidden units in bfloat16."""
CHARACTERS_AT_ONCE = 250_000
"""Characters of the documents that are tagged together, of which none is cut: enough of them to sort sentences by
length, few enough to hold."""


@dataclass(frozen=True, slots=True)
class Entity:
    """An entity in a text: `text[start:end]` is its text, in Unicode code points."""

    start: int
    end: int
    label: str
    text: str
    score: float
    """Mean, over the words of the entity, of the probability of the tag that each was given, 0 to 1."""


@dataclass(frozen=True, slots=True)
class EntityTable:
    """The entities of D documents as columns: document by document, each by start."""

    documents: np.ndarray  # int64 [D], entities of each document
    words: np.ndarray  # int64 [D], white-space separated words of each document
    starts: np.ndarray  # int64 [E], offsets into the entity's own document
    ends: np.ndarray  # int64 [E]
    labels: list[str]  # [E]
    scores: np.ndarray  # float32 [E]
    texts: list[str]  # [E]


class Tagger:
    """A student that tags words and texts; make a new one when its weights have changed.

    `times` has the seconds of its steps.
    """

    def __init__(self, network: Network, *, dtype: torch.dtype | None = None) -> None:
        """Make a tagger that computes in `dtype`; by default in what the network's device is fastest at."""
        self.network = network
        self.labels = network.labels
        self.dtype = dtype or best_dtype(network.output.weight.device)
        self.times = StepTimes()
        self._forget()

    @property
    def parameters(self) -> int:
        """Count the student's parameters."""
        return self.network.parameters_count

    @overload
    def tag(self, texts: str) -> list[Entity]: ...  # type: ignore[overload-overlap]
    @overload
    def tag(self, texts: Sequence[str]) -> list[list[Entity]]: ...
    def tag(self, texts: str | Sequence[str]) -> list[Entity] | list[list[Entity]]:
        """Return the entities of a text, or of each of many, by start."""
        if isinstance(texts, str):
            return self.tag([texts])[0]
        table = self.entity_table(texts)
        columns = (table.starts.tolist(), table.ends.tolist(), table.labels, table.texts, table.scores.tolist())
        entities = [Entity(*row) for row in zip(*columns, strict=True)]
        ends = np.cumsum(table.documents).tolist()
        return [entities[first:last] for first, last in zip([0, *ends], ends, strict=False)]

    def tags(self, sentences: Sequence[Sequence[str]]) -> list[list[str]]:
        """Return the tag of each word."""
        return [[self.labels[k] for k in labels.tolist()] for labels, _ in self.decode(sentences)]

    def decode(self, sentences: Sequence[Sequence[str]]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return label ids and their probabilities for each sentence, two arrays of its length.

        Args:
            sentences: words as the splitter gives them.
        """
        with self._remembering():
            types, lengths = self._numbered(sentences)
            labels, probabilities = self._extended().label(types, lengths[lengths > 0])
        cuts = np.cumsum(lengths)[:-1]
        return list(zip(np.split(labels, cuts), np.split(probabilities, cuts), strict=True)) if len(sentences) else []

    def score_words(self, sentences: Sequence[Sequence[str]]) -> np.ndarray:
        """Return logits, float32 [N, L], of all N words of all sentences, as a teacher does."""
        with self._remembering():
            types, lengths = self._numbered(sentences)
            return self._extended().score(types, lengths[lengths > 0])

    def entity_table(self, texts: Sequence[str]) -> EntityTable:
        """Return the entities of many texts as columns."""
        tables = [self._entity_table(portion) for portion in _in_portions(texts)]
        return EntityTable(
            documents=np.concatenate([table.documents for table in tables]),
            words=np.concatenate([table.words for table in tables]),
            starts=np.concatenate([table.starts for table in tables]),
            ends=np.concatenate([table.ends for table in tables]),
            labels=[label for table in tables for label in table.labels],
            scores=np.concatenate([table.scores for table in tables]),
            texts=[text for table in tables for text in table.texts],
        )

    def _entity_table(self, texts: Sequence[str]) -> EntityTable:
        with self._remembering():
            with self.times.step("split"):
                words = self.splitter.split(texts)
            labels, probabilities = self._extended().label(words.types, words.lengths)
        with self.times.step("decode"):
            entities = entities_of_words(labels, words.lengths, self.labels)
        document_ends = np.concatenate([[0], np.cumsum(words.lengths)])[np.cumsum(words.documents)]
        documents = np.searchsorted(document_ends, entities.firsts, side="right")
        starts, ends = words.starts[entities.firsts], words.ends[entities.lasts - 1]
        total = np.concatenate([[0.0], np.cumsum(probabilities, dtype=np.float64)])
        scores = (total[entities.lasts] - total[entities.firsts]) / (entities.lasts - entities.firsts)
        places = zip(documents.tolist(), starts.tolist(), ends.tolist(), strict=True)
        return EntityTable(
            documents=np.bincount(documents, minlength=len(texts)),
            words=words.chunks,
            starts=starts,
            ends=ends,
            labels=entities.names,
            scores=scores.astype(np.float32),
            texts=[texts[d][start:end] for d, start, end in places],
        )

    def _numbered(self, sentences: Sequence[Sequence[str]]) -> tuple[np.ndarray, np.ndarray]:
        """Return the types of all words, int32 [N], and the words of each sentence, int64 [S]."""
        lengths = np.fromiter(map(len, sentences), np.int64, len(sentences))
        words = map(self.splitter.types.__getitem__, chain.from_iterable(sentences))
        return np.fromiter(words, np.int32, int(lengths.sum())), lengths

    def _extended(self) -> Inference:
        """Return the engine, after it has learned the types that the splitter saw since."""
        new_types = self.splitter.types.words[self.inference.types :]
        with self.times.step("look up"):
            self.inference.extend(new_types)
        return self.inference

    @contextmanager
    def _remembering(self) -> Iterator[None]:
        """Keep what the block learns of words, unless it is too much, or half of it because the block fails."""
        if self.splitter.full or len(self.splitter.types) > MAX_TYPES:
            self._forget()
        try:
            yield
        except Exception:
            self._forget()
            raise

    def _forget(self) -> None:
        self.splitter = Splitter()
        self.inference = Inference(self.network, self.dtype, room=MAX_TYPES, times=self.times)


def _in_portions(texts: Sequence[str]) -> list[Sequence[str]]:
    """Cut texts into portions of about `CHARACTERS_AT_ONCE` characters; at least one portion, which may be empty."""
    starts = np.cumsum([0, *(len(text) for text in texts)])[:-1]
    cuts = np.flatnonzero(np.diff(starts // CHARACTERS_AT_ONCE)) + 1
    return [texts[first:last] for first, last in pairwise([0, *cuts.tolist(), len(texts)])]
