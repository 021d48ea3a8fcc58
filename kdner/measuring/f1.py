"""Quality: strict IOB2 precision, recall and F1 by seqeval, on the words that the labeled set came with."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from kdner.labeled.sentence import LabeledSentence
from kdner.labels.tags import entities_of
from kdner.text.words import split_words

Tag = Callable[[Sequence[Sequence[str]]], list[list[str]]]
"""What a teacher or a student does: words of sentences to the tag of each word."""


@dataclass(frozen=True, kw_only=True)
class Quality:
    """Precision, recall and F1 from 0 to 1; an entity counts if label, first and last word are all right."""

    precision: float
    recall: float
    f1: float
    support: int
    """Gold entities."""
    per_label: Mapping[str, Quality] = field(default_factory=dict)
    """That of each type of entity, such as `PER`, where this is the quality over all of them."""

    def rounded(self) -> dict[str, float | int]:
        """Return its own four numbers with four decimals, by name, for a summary."""
        return {
            "f1": round(self.f1, 4),
            "precision": round(self.precision, 4),
            "recall": round(self.recall, 4),
            "support": self.support,
        }


def measure_f1(tag: Tag, sentences: Sequence[LabeledSentence]) -> Quality:
    """Tag a labeled set and compare with its gold tags: the micro average over all entities, and each type alone.

    The tagger sees the splitter's words; its tags are brought back to the gold words by the one rule of
    `kdner.labeled.sentence`.
    """
    from seqeval.metrics.v1 import (
        precision_recall_fscore_support,
    )  # here: it imports scikit-learn, which takes a second
    from seqeval.scheme import IOB2, Entities

    predicted = tag([sentence.words()[0] for sentence in sentences])
    gold_tags = [sentence.tags for sentence in sentences]
    predicted_tags = [s.gold_word_tags(tags) for s, tags in zip(sentences, predicted, strict=True)]
    both = {"entities_true": Entities(gold_tags, IOB2), "entities_pred": Entities(predicted_tags, IOB2)}
    labels = sorted(both["entities_true"].unique_tags | both["entities_pred"].unique_tags)

    def scores(average: str | None) -> Any:
        """Return precision, recall, F1 and support: numbers, or where nothing is averaged a number for each label."""
        return precision_recall_fscore_support(
            gold_tags, predicted_tags, average=average, scheme=IOB2, zero_division=0, **both
        )

    def quality(precision: float, recall: float, f1: float, support: int, **more: Any) -> Quality:
        return Quality(precision=float(precision), recall=float(recall), f1=float(f1), support=int(support), **more)

    rows = zip(*scores(None), strict=True)
    per_label = {label: quality(*row) for label, row in zip(labels, rows, strict=True)}
    return quality(*scores("micro"), per_label=per_label)


def entities_found(tags: Sequence[Sequence[str]], sentences: Sequence[LabeledSentence]) -> list[bool]:
    """Tell of each gold entity, in order, whether it was found.

    Args:
        tags: of the splitter's words of each sentence.
        sentences: the labeled set.
    """
    found = []
    for sentence, predicted in zip(sentences, tags, strict=True):
        entities = set(entities_of(sentence.gold_word_tags(predicted)))
        found += [entity in entities for entity in entities_of(sentence.tags)]
    return found


def recall_by_words(
    found: Iterable[bool], sentences: Sequence[LabeledSentence], knows: Callable[[str], bool]
) -> dict[str, Any]:
    """Return the recall of entities of which all words are known, and of those with an unknown word.

    Args:
        found: of each gold entity; see `entities_found`.
        sentences: the labeled set.
        knows: whether a word is known.

    Returns:
        `recall`, None where there is no such entity, and `support`, the number of entities, under `known_words` and
        `unknown_words`.
    """
    by_kind: dict[bool, list[bool]] = {True: [], False: []}
    entities = ((sentence, entity) for sentence in sentences for entity in entities_of(sentence.tags))
    for (sentence, (first, last, _)), is_found in zip(entities, found, strict=True):
        words = split_words(sentence.text[sentence.starts[first] : sentence.ends[last - 1]]).words
        by_kind[all(map(knows, words))].append(is_found)
    return {
        f"{name}_words": {"recall": round(sum(kind) / len(kind), 4) if kind else None, "support": len(kind)}
        for name, kind in (("known", by_kind[True]), ("unknown", by_kind[False]))
    }
