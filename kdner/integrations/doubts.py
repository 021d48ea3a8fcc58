"""Sentences that are worth labeling: those that a student is least sure of, or that its teachers would tag otherwise.

Shapes: N words of all sentences, L labels.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kdner.integrations.annotated import Annotated, scored_sentences
from kdner.labels.tags import entities_of
from kdner.runs.schema import DOUBTS
from kdner.student.tagger import Entity, Tagger
from kdner.text.words import Sentence, Splitting, split, split_words


@dataclass(frozen=True, slots=True)
class Doubt:
    """A sentence of a document, tagged, with how much its tags are in doubt."""

    id: str
    """The document's id and the character that the sentence starts at."""
    text: str
    entities: list[Entity]
    """Offsets into the sentence."""
    doubt: float
    """0 to 1."""

    def annotated(self) -> Annotated:
        """Return it as a document of its own."""
        metadata = {"doubt": round(self.doubt, 4)}
        document = self.id.rpartition(":")[0]
        return Annotated(self.id, self.text, self.entities, False, document, metadata, _as_one_sentence)


def unsure(documents: pa.Table, tagger: Tagger, *, min_words: int, splitting: Splitting = split) -> Iterator[Doubt]:
    """Yield the sentences of documents, as a student tags them.

    The doubt is 1 less the probability of the tag of the word that the student is least sure of.

    Args:
        documents: of `kdner.runs.schema.CORPUS`.
        tagger: the student.
        min_words: words of the shortest sentence.
        splitting: how documents are split.
    """
    sentences = _sentences(documents, min_words, splitting)
    for (id_, text, sentence), (label_ids, likely) in zip(
        sentences, tagger.decode(sentence.words for *_, sentence in sentences), strict=True
    ):
        yield _doubt(id_, text, sentence, label_ids, likely, tagger.labels, 1 - float(likely.min()))


def differing(
    documents: pa.Table,
    logits: pa.Table,
    labels: Sequence[str],
    teachers: int,
    tagger: Tagger,
    *,
    min_words: int,
    splitting: Splitting = split,
) -> Iterator[Doubt]:
    """Yield the sentences of documents that the teachers tag otherwise than the student, as the teachers do.

    The doubt is how much likelier the teachers find their own tag than the student's, at the word where this is most.

    Args:
        documents: of `kdner.runs.schema.CORPUS`.
        logits: of `kdner.runs.schema.LOGITS`, with the same ids in the same order.
        labels: the label list, of the student too.
        teachers: how many have logits there.
        tagger: the student.
        min_words: words of the shortest sentence.
        splitting: how the documents were split for the logits.

    Raises:
        InputError: the words of the logits are not those of a document.
    """
    from kdner.labels.decoding import best_legal_ids  # here, because only the logits of teachers need PyTorch

    good = pc.is_null(logits["error"])
    documents, logits = documents.filter(good), logits.filter(good)
    columns = (documents["id"].to_pylist(), documents["text"].to_pylist(), logits["words"].to_pylist())
    sentences = [
        (id_, text, sentence)
        for id_, text, words in zip(*columns, strict=True)
        for sentence in scored_sentences(id_, text, words, splitting)
    ]
    lengths = np.array([len(sentence.words) for *_, sentence in sentences], np.int64)
    flat = pc.list_flatten(logits["logits"]).to_numpy(zero_copy_only=False).astype(np.float32)
    logits_nl = flat.reshape(-1, teachers, len(labels)).mean(axis=1)
    taught = best_legal_ids(logits_nl, lengths, labels)
    likely_nl = np.exp(logits_nl - logits_nl.max(axis=1, keepdims=True))
    likely_nl /= likely_nl.sum(axis=1, keepdims=True)
    last = 0
    decoded = tagger.decode(sentence.words for *_, sentence in sentences)
    for (id_, text, sentence), (label_ids, _) in zip(sentences, decoded, strict=True):
        first, last = last, last + len(label_ids)
        if len(label_ids) < min_words or (taught[first:last] == label_ids).all():
            continue
        words = np.arange(first, last)
        likely = likely_nl[words, taught[first:last]]
        most = float((likely - likely_nl[words, label_ids]).max())
        yield _doubt(id_, text, sentence, taught[first:last], likely, labels, max(most, 0.0))


def choose(doubts: Iterable[Doubt], count: int) -> list[Doubt]:
    """Choose the sentences that are most in doubt: no text twice, and no two with the same entities."""
    chosen: list[Doubt] = []
    seen: set[object] = set()
    for doubt in sorted(doubts, key=lambda doubt: (-doubt.doubt, doubt.id)):
        entities = frozenset((entity.text.lower(), entity.label) for entity in doubt.entities)
        keys = {" ".join(doubt.text.lower().split()), *([entities] if entities else [])}
        if seen.isdisjoint(keys):
            seen |= keys
            chosen.append(doubt)
            if len(chosen) == count:
                break
    return chosen


def as_table(doubts: Sequence[Doubt]) -> pa.Table:
    """Return them as a table of `kdner.runs.schema.DOUBTS`."""
    return pa.Table.from_pylist([asdict(doubt) for doubt in doubts], schema=DOUBTS)


def of_table(table: pa.Table) -> list[Doubt]:
    """Read what `as_table` made."""
    return [Doubt(**{**row, "entities": [Entity(**entity) for entity in row["entities"]]}) for row in table.to_pylist()]


def _as_one_sentence(text: str) -> list[Sentence]:
    return [split_words(text)]


def _sentences(documents: pa.Table, min_words: int, splitting: Splitting) -> list[tuple[str, str, Sentence]]:
    """Return each sentence of documents with its document's id and text."""
    rows = zip(documents["id"].to_pylist(), documents["text"].to_pylist(), strict=True)
    return [
        (id_, text, sentence)
        for id_, text in rows
        if text
        for sentence in splitting(text)
        if len(sentence.words) >= min_words
    ]


def _doubt(
    id_: str,
    text: str,
    sentence: Sentence,
    label_ids: np.ndarray,
    likely: np.ndarray,
    labels: Sequence[str],
    doubt: float,
) -> Doubt:
    origin = sentence.starts[0]
    entities = []
    for first, last, name in entities_of([labels[k] for k in label_ids.tolist()]):
        start, end = sentence.starts[first], sentence.ends[last - 1]
        score = float(likely[first:last].mean())
        entities.append(Entity(start - origin, end - origin, name, text[start:end], score))
    return Doubt(f"{id_}:{origin}", text[origin : sentence.ends[-1]], entities, doubt)
