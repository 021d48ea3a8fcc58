"""What is odd about the annotation of labeled sets that can be read: what their owner would like to know."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from kdner.labeled.remarks import Remarks
from kdner.labeled.sentence import LabeledSentence
from kdner.labels.tags import entities_of
from kdner.text.long_sentences import MAX_SENTENCE_WORDS

FEW_ENTITIES = 10
"""A type with fewer entities in the labeled set is hardly learned."""
LONG_ENTITY_WORDS = 15
RARE_SHARE = 0.1
"""A name has another type than usual where no more than this share of its mentions has that type."""
MENTIONS_TO_JUDGE = 10
"""Mentions of a name, at least, before the usual type of it is known."""


@dataclass(frozen=True, slots=True)
class LabelCounts:
    """What a labeled set holds."""

    sentences: int
    words: int
    entities: dict[str, int]
    """Entities of each type, by falling number."""


def count_labels(sentences: Sequence[LabeledSentence]) -> LabelCounts:
    """Count the sentences, gold words and entities of a labeled set."""
    entities = Counter(name for sentence in sentences for _, _, name in entities_of(sentence.tags))
    return LabelCounts(len(sentences), sum(len(sentence.tags) for sentence in sentences), dict(entities.most_common()))


def review(sentences: Sequence[LabeledSentence], remarks: Remarks) -> None:
    """Add what is odd about one labeled set."""
    for sentence in sentences:
        if len(sentence.tags) > MAX_SENTENCE_WORDS:
            what = f"sentences of more than {MAX_SENTENCE_WORDS} words (are empty lines missing between sentences?)"
            remarks.add(what, sentence.id, f"{len(sentence.tags):,} words")
    lone = [sentence for sentence in sentences if len(sentence.tags) == 1]
    for sentence in lone if len(lone) > len(sentences) / 2 else ():
        what = "sentences of one word, more than half of all (does an empty line stand after each word?)"
        remarks.add(what, sentence.id, sentence.text)
    for sentence in sentences:
        for first, last, name in entities_of(sentence.tags):
            if last - first > LONG_ENTITY_WORDS:
                detail = f"{name} of {last - first} words"
                remarks.add(f"entities of more than {LONG_ENTITY_WORDS} words", sentence.id, detail)
    _review_equal_sentences(sentences, remarks)
    _review_names(sentences, remarks)


def review_for_training(sentences: Sequence[LabeledSentence], remarks: Remarks) -> None:
    """Add what is odd about a labeled set that is to be learned from."""
    for name, count in count_labels(sentences).entities.items():
        if count < FEW_ENTITIES:
            example = next(sentence.id for sentence in sentences if f"B-{name}" in sentence.tags)
            what = f"types with fewer than {FEW_ENTITIES} entities, which are hardly learned"
            remarks.add(what, example, f"{name}: {count}")


def review_test(sentences: Sequence[LabeledSentence], test: Sequence[LabeledSentence], remarks: Remarks) -> None:
    """Add what is odd about a test set beside the labeled set that is learned from."""
    learned = {_gold_text(sentence): sentence.id for sentence in sentences}
    for sentence in test:
        if len(sentence.tags) > 1 and (key := _gold_text(sentence)) in learned:
            remarks.add("sentences that are learned from, too: their F1 flatters", sentence.id, f"as {learned[key]}")
    tested = count_labels(test).entities
    for name, count in count_labels(sentences).entities.items():
        if name not in tested:
            remarks.add("types of the labeled set without an entity here", name, f"{count} there")


def _review_equal_sentences(sentences: Sequence[LabeledSentence], remarks: Remarks) -> None:
    alike: defaultdict[str, dict[tuple[str, ...], str]] = defaultdict(dict)
    for sentence in sentences:
        known = alike[_gold_text(sentence)]
        other = next((id_ for tags, id_ in known.items() if tags != tuple(sentence.tags)), None)
        if other is not None and tuple(sentence.tags) not in known:
            remarks.add("sentences of the same words as another, with other tags", sentence.id, f"as {other}")
        known.setdefault(tuple(sentence.tags), sentence.id)


def _review_names(sentences: Sequence[LabeledSentence], remarks: Remarks) -> None:
    mentions = [
        (sentence.id, _gold_text(sentence, first, last), name)
        for sentence in sentences
        for first, last, name in entities_of(sentence.tags)
    ]
    types: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for _, text, name in mentions:
        types[text][name] += 1
    for id_, text, name in mentions:
        count, total = types[text][name], types[text].total()
        if total >= MENTIONS_TO_JUDGE and count <= RARE_SHARE * total:
            usual = types[text].most_common(1)[0][0]
            remarks.add("names that nearly always have another type", id_, f"{text!r} is {name}, else {usual}")


def _gold_text(sentence: LabeledSentence, first: int = 0, last: int | None = None) -> str:
    places = zip(sentence.starts[first:last], sentence.ends[first:last], strict=True)
    return " ".join(sentence.text[start:end] for start, end in places)
