"""Sentences with entities, gold and predicted, written in brackets."""

from __future__ import annotations

import re

from kdner.measuring.predictions import Prediction, Span

BRACKETS = re.compile(r"\[([^\]]*?) (\w+)(?: ([\d.]+))?\]")


def spans(marked):
    """Return the text of `[Anna PER] left [Rome LOC 0.8]`, and its entities."""
    text, found, position = "", [], 0
    for match in BRACKETS.finditer(marked):
        text += marked[position : match.start()]
        found.append(Span(len(text), len(text) + len(match[1]), match[2], float(match[3]) if match[3] else None))
        text, position = text + match[1], match.end()
    return text + marked[position:], found


def prediction(gold, *, sentence="set:1", document=0, **models):
    text, labeled = spans(gold)
    found = {name: spans(marked) for name, marked in models.items()}
    assert all(own == text for own, _ in found.values())
    return Prediction(sentence, document, text, labeled, {name: own for name, (_, own) in found.items()})
