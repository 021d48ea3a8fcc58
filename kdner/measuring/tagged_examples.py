"""A few sentences as one or two models tag them, to look at: where two differ first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from unicodedata import category

from kdner.labeled.sentence import LabeledSentence
from kdner.labels.tags import entities_of
from kdner.text.marked import marked
from kdner.text.words import split_words

EXAMPLES = 10
CHARACTERS = range(30, 101)
"""Lengths of sentences that are shown, where there are enough of them."""
AS_LABELED = "*"
_NOT_SHOWN = frozenset(["Cc", "Cs", "Zl", "Zp"])
"""Categories of characters that would break a line, or a terminal: controls, surrogates, separators of lines."""


def tagged_examples(
    sentences: Sequence[LabeledSentence], tags: Mapping[str, Sequence[Sequence[str]]], count: int = EXAMPLES
) -> list[dict[str, Any]]:
    """Choose sentences, evenly over the labeled set, half of them tagged differently by two models.

    Args:
        sentences: a labeled set; those with characters that would break a line are left out.
        tags: those of the splitter's words of each sentence, by the names of the two models (or of one).
        count: how many sentences to choose, where there are as many.

    Returns:
        for each sentence its `text`, and under `entities` for each model, and for `gold`, its (start, end, label).
    """
    examples: list[dict[str, Any]] = []
    for number, sentence in enumerate(sentences):
        words = split_words(sentence.text)
        tags_of = {name: own[number] for name, own in tags.items()} | {"gold": sentence.words()[1]}
        entities = {
            name: [(words.starts[first], words.ends[last - 1], label) for first, last, label in entities_of(own)]
            for name, own in tags_of.items()
        }
        if any(entities.values()) and _NOT_SHOWN.isdisjoint(map(category, sentence.text)):
            examples.append({"text": sentence.text, "entities": entities})
    short = [example for example in examples if len(example["text"]) in CHARACTERS]
    candidates = short if len(short) >= count else examples
    first, *others = tags
    second = others[0] if others else first
    different = [e for e in candidates if e["entities"][first] != e["entities"][second]]
    alike = [e for e in candidates if e["entities"][first] == e["entities"][second]]
    shown = _spread(different, max(count // 2, count - len(alike)))
    return [*shown, *_spread(alike, count - len(shown))]


def examples_report(examples: Sequence[Mapping[str, Any]]) -> str:
    """Lay out examples, their entities marked; one line where two models agree, else one for each model."""
    lines = []
    for example in examples:
        text, entities = example["text"], {name: list(map(tuple, own)) for name, own in example["entities"].items()}
        gold = entities.pop("gold")
        rows = dict(entities.items())
        if len(rows) > 1 and len(set(map(tuple, rows.values()))) == 1:
            rows = {"both": next(iter(rows.values()))}
        for name, own in rows.items():
            lines.append(f"{name + (AS_LABELED if own == gold else ''):<10} {marked(text, own)}")
        if len(rows) > 1:
            lines.append("")
    return "\n".join(lines).replace("\n\n\n", "\n\n")


def _spread(items: Sequence[Any], count: int) -> list[Any]:
    count = min(count, len(items))
    return [items[number * len(items) // count] for number in range(count)]
