"""The student at inference: from words to tags, and from texts to entities with offsets.

Shapes: D documents, S sentences, N words, E entities.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import chain, pairwise
from pathlib import Path
from threading import RLock
from typing import TYPE_CHECKING, Any, NamedTuple, TypeAlias, TypeVar, overload

import numpy as np

from kdner.labels.tags import entities_of_few_words, entities_of_words
from kdner.step_times import StepTimes
from kdner.student.engine import Engine, NumericType, fastest_type, make_engine
from kdner.student.saved import SavedStudent
from kdner.student.thresholds import Score, thresholds_by_label
from kdner.text.given import listed_sentences, listed_texts
from kdner.text.splitter import SHORT_TEXT, Splitter, Words

if TYPE_CHECKING:
    from kdner.student.network import Network

R = TypeVar("R")
W = TypeVar("W", "Words", "_Numbered")
_Compute: TypeAlias = Callable[[Engine, np.ndarray, np.ndarray], R]

MAX_TYPES = 80_000
"""Distinct words whose gates are kept before half of them, the rarer ones, are forgotten; 1.5 kB each, for 96 hidden
units in 16 bits."""
CHARACTERS_AT_ONCE = 250_000
"""Characters of the documents that are tagged together, of which none is cut: enough of them to sort sentences by
length, few enough to hold."""

FEW_WORDS = 1000
"""Fewer are tagged by one thread at a time: their steps are so short that threads would mostly wait for each other."""

_TURN = RLock()
"""Held while a tagger of this process learns words, of which no other thread, and no fork, sees one half learned; and
while it tags few. A signal's handler or a finalizer that tags, or forks, within that does not wait for itself."""
os.register_at_fork(before=_TURN.acquire, after_in_parent=_TURN.release, after_in_child=_TURN.release)


@dataclass(frozen=True, slots=True)
class Entity:
    """An entity in a text: `text[start:end]` is its text, in Unicode code points."""

    start: int
    end: int
    label: str
    text: str
    score: float
    """Mean, over the words of the entity, of the probability of the tag that each was given, 0 to 1. It says nothing of
    the entities that a text has and that were not found; how often such a score is right, `evaluate` measures."""


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


class _Numbered(NamedTuple):
    """The words of sentences."""

    types: np.ndarray  # int32 [N]
    lengths: np.ndarray  # int64 [S], words of each sentence, at least 1


class Tagger:
    """A student that tags words and texts, for any number of threads; make a new one when its weights have changed.

    `times` has the seconds of its steps. A copy, also one that is sent to another process, learns words anew.
    """

    splitter: Splitter
    engine: Engine
    _seen: np.ndarray  # int64, how often each word was seen, as far as that was counted; with room for more

    def __init__(self, student: Network | SavedStudent, *, dtype: NumericType | None = None) -> None:
        """Make a tagger that computes in `dtype`, as `engine` says; by default in what is fastest on its device."""
        self.student = student
        self.labels = student.labels
        self.dtype: NumericType = dtype or fastest_type(student)
        self.times = StepTimes()
        self._forget()
        self._half_learned = self._at_work = False

    def __reduce__(self) -> tuple[Any, ...]:
        return partial(type(self), dtype=self.dtype), (self.student,)

    @classmethod
    def from_pretrained(
        cls, name: str | Path, revision: str | None = None, *, dtype: NumericType | None = None, **options: Any
    ) -> Tagger:
        """Read a student to tag with, as `kdner.student.model.Student.from_pretrained` does.

        Args:
            name: a folder or its URI; `kdner/general-tiny`, which comes with this package; or a model of the Hugging
                Face hub, `OWNER/MODEL` or `OWNER/MODEL@REVISION`. A folder wins.
            revision: branch, tag or commit on the hub.
            dtype: what it computes in; by default what is fastest here.
            options: those of `kdner.runs.hub.model_folder`, such as `token`, `cache_dir`, `local_files_only`.

        Raises:
            InputError: there is no such folder or model, it is not a student's, or is one of another version's.
        """
        return cls(SavedStudent.read(name, revision, **options), dtype=dtype)

    @property
    def parameters(self) -> int:
        """Count the student's parameters."""
        return self.student.parameters_count

    @overload
    def tag(self, texts: str, *, hard_wrapped: bool = ..., score: Score = ...) -> list[Entity]: ...  # type: ignore[overload-overlap]
    @overload
    def tag(self, texts: Iterable[str], *, hard_wrapped: bool = ..., score: Score = ...) -> list[list[Entity]]: ...
    def tag(
        self, texts: str | Iterable[str], *, hard_wrapped: bool = False, score: Score = None
    ) -> list[Entity] | list[list[Entity]]:
        """Return the entities of a text, or of each of many, by start.

        Args:
            texts: a string, or any iterable of strings, as `kdner.text.given.listed_texts` says.
            hard_wrapped: whether lines end in the middle of sentences, so that only a blank line ends one.
            score: leave out entities with a lower score: one threshold, or a mapping of labels to theirs; labels that
                it does not name have none. By default none is left out.

        Raises:
            InputError: it is neither; the message names the place of what is no string. Or a threshold is not from 0
                to 1, or of a label that the student does not have.
        """
        if isinstance(texts, str):
            return self.tag([texts], hard_wrapped=hard_wrapped, score=score)[0]
        texts = listed_texts(texts)
        if len(texts) == 1 and len(texts[0]) < SHORT_TEXT:
            return [self._tag_short(texts[0], hard_wrapped, score)]
        table = self.entity_table(texts, hard_wrapped=hard_wrapped, score=score)
        columns = (table.starts.tolist(), table.ends.tolist(), table.labels, table.texts, table.scores.tolist())
        entities = [Entity(*row) for row in zip(*columns, strict=True)]
        ends = np.cumsum(table.documents).tolist()
        return [entities[first:last] for first, last in zip([0, *ends], ends, strict=False)]

    def _tag_short(self, text: str, hard_wrapped: bool, score: Score) -> list[Entity]:
        thresholds = None if score is None else thresholds_by_label(score, self.labels)
        words, (labels, probabilities) = self._computed(
            lambda splitter: splitter.split([text], hard_wrapped=hard_wrapped), _label, "split"
        )
        with self.times.step("decode"):
            found = entities_of_few_words(labels.tolist(), words.lengths.tolist(), tuple(self.labels))
        entities = []
        for first, last, name in found:
            start, end = int(words.starts[first]), int(words.ends[last - 1])
            mean = float(np.float32(sum(probabilities[first:last].tolist()) / (last - first)))
            if thresholds is None or mean >= np.float32(thresholds[name]):
                entities.append(Entity(start, end, name, text[start:end], mean))
        return entities

    def tags(self, sentences: Iterable[Iterable[str]]) -> list[list[str]]:
        """Return the tag of each word; see `decode`."""
        return [[self.labels[k] for k in labels.tolist()] for labels, _ in self.decode(sentences)]

    def decode(self, sentences: Iterable[Iterable[str]]) -> list[tuple[np.ndarray, np.ndarray]]:
        """Return label ids and their probabilities for each sentence, two arrays of its length.

        Args:
            sentences: words as the splitter gives them.

        Raises:
            InputError: they are none; the message names the place.
        """
        lengths, (labels, probabilities) = self._of_sentences(sentences, _label)
        cuts = np.cumsum(lengths)[:-1]
        return list(zip(np.split(labels, cuts), np.split(probabilities, cuts), strict=True)) if len(lengths) else []

    def score_words(self, sentences: Iterable[Iterable[str]]) -> np.ndarray:
        """Return logits, float32 [N, L], of all N words of all sentences, as a teacher does. See `decode`."""
        _, logits = self._of_sentences(sentences, _score)
        return logits

    def entity_table(self, texts: Iterable[str], *, hard_wrapped: bool = False, score: Score = None) -> EntityTable:
        """Return the entities of many texts as columns; see `tag`."""
        thresholds = None if score is None else thresholds_by_label(score, self.labels)
        portions = _in_portions(listed_texts(texts))
        tables = [self._entity_table(portion, hard_wrapped, thresholds) for portion in portions]
        return EntityTable(
            documents=np.concatenate([table.documents for table in tables]),
            words=np.concatenate([table.words for table in tables]),
            starts=np.concatenate([table.starts for table in tables]),
            ends=np.concatenate([table.ends for table in tables]),
            labels=[label for table in tables for label in table.labels],
            scores=np.concatenate([table.scores for table in tables]),
            texts=[text for table in tables for text in table.texts],
        )

    def _entity_table(
        self, texts: Sequence[str], hard_wrapped: bool, thresholds: Mapping[str, float] | None
    ) -> EntityTable:
        words, (labels, probabilities) = self._computed(
            lambda splitter: splitter.split(texts, hard_wrapped=hard_wrapped), _label, "split"
        )
        with self.times.step("decode"):
            entities = entities_of_words(labels, words.lengths, self.labels)
        edges = np.stack([entities.firsts, entities.lasts], axis=1).flatten()
        sums = np.add.reduceat(np.append(probabilities, 0.0), edges)[::2] if len(edges) else np.empty(0)
        scores = (sums / (entities.lasts - entities.firsts)).astype(np.float32)
        if thresholds is not None:
            kept = scores >= np.array([thresholds[name] for name in entities.names], np.float32)
            entities, scores = entities.those(kept), scores[kept]
        document_ends = np.concatenate([[0], np.cumsum(words.lengths)])[np.cumsum(words.documents)]
        documents = np.searchsorted(document_ends, entities.firsts, side="right")
        starts, ends = words.starts[entities.firsts], words.ends[entities.lasts - 1]
        places = zip(documents.tolist(), starts.tolist(), ends.tolist(), strict=True)
        return EntityTable(
            documents=np.bincount(documents, minlength=len(texts)),
            words=words.chunks,
            starts=starts,
            ends=ends,
            labels=entities.names,
            scores=scores,
            texts=[texts[d][start:end] for d, start, end in places],
        )

    def _of_sentences(self, sentences: Iterable[Iterable[str]], compute: _Compute[R]) -> tuple[np.ndarray, R]:
        """Return the words of each sentence, int64 [S], and what is computed of all words."""
        listed = listed_sentences(sentences)
        lengths = np.fromiter(map(len, listed), np.int64, len(listed))

        def number(splitter: Splitter) -> _Numbered:
            types = map(splitter.types.__getitem__, chain.from_iterable(listed))
            return _Numbered(np.fromiter(types, np.int32, int(lengths.sum())), lengths[lengths > 0])

        _, computed = self._computed(number, compute, "look up")
        return lengths, computed

    def _computed(self, number: Callable[[Splitter], W], compute: _Compute[R], step: str) -> tuple[W, R]:
        """Number words, and compute something of them; returns both.

        Where only half of the words could be learned, the next call forgets everything. Once they are, other threads do
        no harm: who learns more adds rows to the engine, and who forgets some makes another one.

        Args:
            number: gives the types of words, and the lengths of their sentences.
            compute: calls a method of the engine.
            step: what numbering is called in `times`.
        """
        with _TURN:
            if self._at_work:  # this thread, further out: a signal's handler or a finalizer has come between
                return Tagger(self.student, dtype=self.dtype)._computed(number, compute, step)
            self._at_work = True
            try:
                words, engine = self._learned(number, step)
                if len(words.types) < FEW_WORDS:
                    return words, compute(engine, words.types, words.lengths)
            finally:
                self._at_work = False
        return words, compute(engine, words.types, words.lengths)

    def _learned(self, number: Callable[[Splitter], W], step: str) -> tuple[W, Engine]:
        """Number words, and learn the new ones; returns both the words and the engine that knows them."""
        half_learned, self._half_learned = self._half_learned, True  # and so it stays, if what follows fails
        if half_learned or self.splitter.full:
            self._forget()
        elif len(self.splitter.types) > MAX_TYPES:
            self._forget_rare_words()
        with self.times.step(step):
            words = number(self.splitter)
        with self.times.step("look up"):
            self.engine.extend(self.splitter.types.words[self.engine.types :])
        self._half_learned = False
        if len(words.types) >= FEW_WORDS or len(self.splitter.types) > MAX_TYPES // 2:
            self._count(words.types)
        return words, self.engine

    def _count(self, types: np.ndarray) -> None:
        seen = self._counts()
        if len(types) < FEW_WORDS:
            seen[types] += 1  # one that such a text has twice counts once
        else:
            seen += np.bincount(types, minlength=len(seen))

    def _counts(self) -> np.ndarray:
        """Return the counts of all words, a view."""
        missing = len(self.splitter.types) - len(self._seen)
        if missing > 0:
            self._seen = np.pad(self._seen, (0, missing + len(self._seen)))
        return self._seen[: len(self.splitter.types)]

    def _forget_rare_words(self) -> None:
        """Forget half of the words, those that were seen least often; those of long ago count half, and so on."""
        seen = self._counts()
        kept = np.ones(len(seen), bool)
        kept[np.argsort(seen, kind="stable")[: len(seen) - MAX_TYPES // 2]] = False
        self.splitter.keep(kept)
        self.engine = self.engine.keeping(kept)
        self._seen = seen[kept] // 2

    def _forget(self) -> None:
        self._seen = np.zeros(0, np.int64)
        self.splitter = Splitter(self.student.language)
        self.engine = make_engine(self.student, self.dtype, room=MAX_TYPES, times=self.times)


def _label(engine: Engine, types: np.ndarray, lengths: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return engine.label(types, lengths)


def _score(engine: Engine, types: np.ndarray, lengths: np.ndarray) -> np.ndarray:
    return engine.score(types, lengths)


def _in_portions(texts: Sequence[str]) -> list[Sequence[str]]:
    """Cut texts into portions of about `CHARACTERS_AT_ONCE` characters; at least one portion, which may be empty."""
    starts = np.cumsum([0, *(len(text) for text in texts)])[:-1]
    cuts = np.flatnonzero(np.diff(starts // CHARACTERS_AT_ONCE)) + 1
    return [texts[first:last] for first, last in pairwise([0, *cuts.tolist(), len(texts)])]
