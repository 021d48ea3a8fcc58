"""Documents with entities, whatever found these: a student, teachers by their logits, or people.

Shapes: N words of all documents, T teachers, L labels.
"""

from __future__ import annotations

import math
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, time
from functools import cached_property, partial
from itertools import chain
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kdner.errors import InputError
from kdner.labeled.sentence import LabeledSentence
from kdner.labels.tags import entities_of, entities_of_words
from kdner.runs.schema import ENTITIES
from kdner.student.model import Student
from kdner.student.tagger import Entity
from kdner.text.given import listed_texts
from kdner.text.words import Sentence, Splitting, split


@dataclass(frozen=True)
class Annotated:
    """A document with its entities, each of which begins and ends with a word of one sentence."""

    id: str
    text: str
    entities: Sequence[Entity]
    """By start."""
    is_gold: bool = False
    """Whether people have labeled it; its scores are 1 then."""
    document: str = ""
    """Id of the document that it is a sentence of; by default it is one itself."""
    metadata: Mapping[str, Any] = field(default_factory=dict)
    """What else is known of it."""
    splitting: Splitting = split
    """Splits the text as whoever found the entities did."""

    @cached_property
    def sentences(self) -> Sequence[Sentence]:
        """Its sentences, of words with offsets."""
        return self.splitting(self.text)

    def record(self, **own: Any) -> dict[str, Any]:
        """Return its metadata as JSON has them, then these keys; metadata of the same name get an underscore.

        So does `answer`, by which annotation tools, and readers of their files, know what was accepted.
        """
        record: dict[str, Any] = {}
        for name, value in self.metadata.items():
            record[apart(name, {*own, *record, "answer"})] = as_json(value)
        return {**record, **own}


@dataclass(frozen=True, slots=True)
class TaggedSentence:
    """A sentence with one entry per word in each list."""

    words: Sentence
    tags: list[str]
    """IOB2."""
    scores: list[float | None]
    """Score of the entity that a word belongs to, None outside."""


def apart(name: str, taken: Container[str]) -> str:
    """Return a name, with underscores after it as long as it is taken."""
    while name in taken:
        name += "_"
    return name


def as_json(value: Any) -> Any:
    """Return a value as JSON has it: dates and the like as text, and null for a number that is none or infinite."""
    if isinstance(value, Mapping):
        return {str(key): as_json(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [as_json(inner) for inner in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if isinstance(value, date | time):
        return value.isoformat()
    return value if value is None or isinstance(value, str | int | float) else str(value)


def tagged_sentences(document: Annotated) -> Iterator[TaggedSentence]:
    """Yield the sentences of a document with the IOB2 tags that its entities give to the words."""
    entities = iter([*document.entities, None])
    entity = next(entities)
    for sentence in document.sentences:
        tags, scores = ["O"] * len(sentence.words), [None] * len(sentence.words)
        tagged = TaggedSentence(sentence, tags, [*scores])
        for i, start in enumerate(sentence.starts):
            while entity is not None and entity.end <= start:
                entity = next(entities)
            if entity is not None and entity.start <= start:
                tags[i] = f"{'B' if entity.start == start else 'I'}-{entity.label}"
                tagged.scores[i] = None if document.is_gold else entity.score
        yield tagged


def of_texts(student: Student, texts: Iterable[str], ids: Iterable[object] | None = None) -> list[Annotated]:
    """Tag texts; each becomes a document with the entities that the student finds in it.

    Args:
        student: who tags.
        texts: any iterable of strings, such as a column of pandas.
        ids: of the documents; by default their numbers.

    Raises:
        InputError: one of them is no string.
    """
    listed = listed_texts(texts)
    names = range(len(listed)) if ids is None else ids
    splitting = partial(split, language=student.language)
    return [
        Annotated(str(id_), text, entities, splitting=splitting)
        for id_, text, entities in zip(names, listed, student.tag(listed), strict=True)
    ]


def of_entities(documents: pa.Table, entities: pa.Table, splitting: Splitting = split) -> list[Annotated]:
    """Join documents with the entities that a student found in them, without those that ended with an error.

    Args:
        documents: of `kdner.runs.schema.CORPUS`.
        entities: of `kdner.runs.schema.ENTITIES`, with the same ids in the same order; further columns are metadata.
        splitting: how the student split them.

    Raises:
        InputError: a document has another text than the one in which the entities were found.
    """
    extra = entities.column_names[len(ENTITIES) :]
    metadata = entities.select(extra).to_pylist() if extra else [{}] * documents.num_rows
    rows = zip(
        documents["id"].to_pylist(),
        documents["text"].to_pylist(),
        entities["entities"].to_pylist(),
        entities["error"].to_pylist(),
        metadata,
        strict=True,
    )
    annotated = []
    for id_, text, found, error, more in rows:
        if error is not None:
            continue
        if any(text[entity["start"] : entity["end"]] != entity["text"] for entity in found):
            raise InputError(
                f"document {id_}: its text is not the one in which its entities were found; give the corpus as it was "
                "then, or tag it again into another --out"
            )
        entities = [Entity(**entity) for entity in found]
        annotated.append(Annotated(id_, text, entities, metadata=more, splitting=splitting))
    return annotated


def of_logits(
    documents: pa.Table, logits: pa.Table, labels: Sequence[str], teachers: int, splitting: Splitting = split
) -> list[Annotated]:
    """Join documents with the entities that their teachers would give them: pseudo-labels with confidences.

    The tags are the best that IOB2 allows by the mean of the teachers' logits, as the student learns them. An entity's
    score is the mean, over its words, of the probability of the tag that each was given.

    Args:
        documents: of `kdner.runs.schema.CORPUS`.
        logits: of `kdner.runs.schema.LOGITS`, with the same ids in the same order.
        labels: the run's label list.
        teachers: T of the run.
        splitting: how the documents were split for it.

    Raises:
        InputError: the words of the logits are not those of a text.
    """
    from kdner.labels.decoding import best_legal_ids  # here, because only the logits of teachers need PyTorch

    good = pc.is_null(logits["error"])
    logits, documents = logits.filter(good), documents.filter(good)
    if not documents.num_rows:
        return []
    flat = pc.list_flatten(logits["logits"]).to_numpy(zero_copy_only=False)
    logits_nl = flat.reshape(-1, teachers, len(labels)).astype(np.float32).mean(axis=1)
    lengths = pc.list_flatten(logits["sentence_words"]).to_numpy()
    label_ids = best_legal_ids(logits_nl, lengths, labels)
    likelihoods = np.exp(logits_nl - logits_nl.max(axis=1, keepdims=True))
    likelihoods /= likelihoods.sum(axis=1, keepdims=True)
    chosen = np.concatenate([[0.0], np.cumsum(likelihoods[np.arange(len(label_ids)), label_ids], dtype=np.float64)])
    found = entities_of_words(label_ids, lengths, labels)
    scores = (chosen[found.lasts] - chosen[found.firsts]) / (found.lasts - found.firsts)
    places = iter(zip(found.firsts.tolist(), found.lasts.tolist(), found.names, scores.tolist(), strict=True))
    place = next(places, None)
    annotated, before = [], 0
    columns = (documents["id"].to_pylist(), documents["text"].to_pylist(), logits["words"].to_pylist())
    for id_, text, words in zip(*columns, strict=True):
        sentences = scored_sentences(id_, text, words, splitting)
        starts = list(chain.from_iterable(sentence.starts for sentence in sentences))
        ends = list(chain.from_iterable(sentence.ends for sentence in sentences))
        entities = []
        while place is not None and place[0] < before + len(words):
            start, end = starts[place[0] - before], ends[place[1] - 1 - before]
            entities.append(Entity(start, end, place[2], text[start:end], place[3]))
            place = next(places, None)
        annotated.append(Annotated(id_, text, entities, splitting=splitting))
        before += len(words)
    return annotated


def scored_sentences(id_: str, text: str, words: Sequence[str], splitting: Splitting) -> Sequence[Sentence]:
    """Split a document of which these words were scored.

    Raises:
        InputError: it has other words.
    """
    sentences = splitting(text)
    if list(chain.from_iterable(sentence.words for sentence in sentences)) != words:
        raise InputError(
            f"document {id_}: its words are not those that were scored; give the corpus that the logits are of"
        )
    return sentences


def of_labeled(sentences: Iterable[LabeledSentence]) -> list[Annotated]:
    """Take the sentences of a labeled set, each as a document of its own, with their gold words."""
    annotated = []
    for sentence in sentences:
        words = [sentence.text[a:b] for a, b in zip(sentence.starts, sentence.ends, strict=True)]
        entities = []
        for first, last, name in entities_of(sentence.tags):
            start, end = sentence.starts[first], sentence.ends[last - 1]
            entities.append(Entity(start, end, name, sentence.text[start:end], 1.0))
        gold = [Sentence(words, sentence.starts, sentence.ends)]
        document = str(sentence.document)
        annotated.append(
            Annotated(sentence.id, sentence.text, entities, True, document, splitting=partial(_given, gold))
        )
    return annotated


def _given(sentences: Sequence[Sentence], text: str) -> Sequence[Sentence]:
    return sentences
