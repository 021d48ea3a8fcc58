"""More sentences from few.

Gold ones with other mentions (Dai and Adel 2020), and new texts for the teacher to label (Tang et al., arXiv
1903.12136).
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pyarrow as pa

from kdner.gold import LabeledSentence
from kdner.labels import entities_of
from kdner.schema import CORPUS

MASK = "\u2603"
"""Stands for a masked word: one word to the splitter, unknown to a teacher."""
MASK_SHARE, OTHER_SHARE, RUN_SHARE = 0.1, 0.1, 0.25
"""Of words masked, of words replaced by others of the same part of speech, of texts of which a run of 1 to 5 words is
kept; all as Tang et al. have them."""


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


def parts_of_speech(path: Path) -> dict[str, str]:
    """Return the most frequent part of speech of each word, the second column of a file of CoNLL-2003's columns."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for line in path.read_text("utf-8").splitlines():
        columns = line.split()
        if len(columns) == 4:
            counts[columns[0]][columns[1]] += 1
    return {word: own.most_common(1)[0][0] for word, own in counts.items()}


def augmented(
    sentences: Sequence[LabeledSentence], parts: dict[str, str], each: int, rng: np.random.Generator
) -> pa.Table:
    """Return a table of `schema.CORPUS` with `each` new texts for each sentence, each text once."""
    frequent: dict[str, list[str]] = defaultdict(list)
    for sentence in sentences:
        for word in _words(sentence):
            frequent[parts.get(word, "")].append(word)
    texts: dict[str, None] = {}
    for sentence in sentences:
        for _ in range(each):
            words = []
            for word in _words(sentence):
                chance = rng.random()
                others = frequent[parts.get(word, "")]
                if chance < MASK_SHARE:
                    words.append(MASK)
                elif chance < MASK_SHARE + OTHER_SHARE:
                    words.append(others[rng.integers(len(others))])
                else:
                    words.append(word)
            if rng.random() < RUN_SHARE:
                length = min(len(words), int(rng.integers(1, 5, endpoint=True)))
                first = int(rng.integers(0, len(words) - length, endpoint=True))
                words = words[first : first + length]
            texts[" ".join(words)] = None
    columns = [[f"augmented:{k}" for k in range(len(texts))], list(texts)]
    return pa.Table.from_arrays([pa.array(column, pa.string()) for column in columns], schema=CORPUS)
