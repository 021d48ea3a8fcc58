"""More labeled sentences from few: mentions replaced by others of the same name (Dai and Adel 2020)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from kdner.gold import LabeledSentence
from kdner.labels import entities_of


def replace_mentions(
    sentences: Sequence[LabeledSentence], share: float, rng: np.random.Generator
) -> list[LabeledSentence]:
    """Return the sentences with a share (0 to 1) of their mentions replaced by mentions of the same name.

    Those are drawn from all sentences, a frequent one more often.
    """
    mentions: dict[str, list[list[str]]] = {}
    for sentence in sentences:
        words = _words(sentence)
        for first, last, name in entities_of(sentence.tags):
            mentions.setdefault(name, []).append(words[first:last])
    return [_replaced(sentence, mentions, share, rng) for sentence in sentences]


def _replaced(
    sentence: LabeledSentence, mentions: dict[str, list[list[str]]], share: float, rng: np.random.Generator
) -> LabeledSentence:
    old, words, tags, done = _words(sentence), [], [], 0
    for first, last, name in entities_of(sentence.tags):
        chosen = mentions[name][rng.integers(len(mentions[name]))] if rng.random() < share else old[first:last]
        words += [*old[done:first], *chosen]
        tags += [*sentence.tags[done:first], f"B-{name}", *[f"I-{name}"] * (len(chosen) - 1)]
        done = last
    words += old[done:]
    tags += sentence.tags[done:]
    return LabeledSentence.of_gold_words(sentence.id, sentence.document, words, tags)


def _words(sentence: LabeledSentence) -> list[str]:
    return [sentence.text[start:end] for start, end in zip(sentence.starts, sentence.ends, strict=True)]
