"""What models predict for the sentences of a labeled set, beside what is labeled: one line of JSON a sentence.

All that `evaluate` says of errors, intervals, confusion and scores, and its page, is computed of these.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from kdner.labeled.sentence import LabeledSentence
from kdner.labels.tags import entities_of
from kdner.text.words import split_words


class Span(NamedTuple):
    """An entity of a sentence, in code points of its text; end exclusive."""

    start: int
    end: int
    label: str
    score: float | None = None
    """Of a student's entity, as `kdner.student.tagger.Entity` says; None of others and of what is labeled."""

    def json(self) -> list[Any]:
        """Return start, end and label, and the score where there is one."""
        return [*self[:3]] if self.score is None else [*self]


@dataclass(frozen=True, slots=True)
class Prediction:
    """A sentence with its gold entities and those that each model predicts, all by start."""

    sentence: str
    """The sentence's id."""
    document: int
    """Running number, from 0, of its document in the labeled set."""
    text: str
    gold: list[Span]
    models: dict[str, list[Span]]
    """By the model's name."""

    def json(self) -> dict[str, Any]:
        """Return the values of a line of JSON, which `of_json` reads."""
        return {
            "sentence": self.sentence,
            "document": self.document,
            "text": self.text,
            "gold": [span.json() for span in self.gold],
            "models": {name: [span.json() for span in spans] for name, spans in self.models.items()},
        }

    @classmethod
    def of_json(cls, line: Mapping[str, Any]) -> Prediction:
        """Make one of what `json` returned."""
        models = {name: [Span(*span) for span in spans] for name, spans in line["models"].items()}
        return cls(line["sentence"], line["document"], line["text"], [Span(*span) for span in line["gold"]], models)


class Tagged(NamedTuple):
    """What a model gave to the splitter's words of each sentence of a labeled set."""

    tags: Sequence[Sequence[str]]
    probabilities: Sequence[Sequence[float]] | None = None
    """Of each tag, 0 to 1; None where the model was not asked for them."""


def predictions(sentences: Sequence[LabeledSentence], models: Mapping[str, Tagged]) -> list[Prediction]:
    """Put what models predict beside what is labeled, on the gold words, by the one rule of labels.

    Args:
        sentences: the labeled set.
        models: what each gave, by its name.
    """
    return [
        Prediction(
            sentence.id,
            sentence.document,
            sentence.text,
            _spans(sentence, sentence.tags),
            {
                name: _predicted(sentence, own.tags[row], own.probabilities[row] if own.probabilities else None)
                for name, own in models.items()
            },
        )
        for row, sentence in enumerate(sentences)
    ]


def _predicted(sentence: LabeledSentence, tags: Sequence[str], probabilities: Sequence[float] | None) -> list[Span]:
    spans = _spans(sentence, sentence.gold_word_tags(tags))
    if probabilities is None or not spans:
        return spans
    words, entities = split_words(sentence.text), entities_of(tags)
    starts = [words.starts[first] for first, _, _ in entities]
    scores = [sum(probabilities[first:last]) / (last - first) for first, last, _ in entities]
    # A gold word has its tag of the splitter's word at its first character, and so of the entity that this is in.
    return [span._replace(score=round(scores[max(0, bisect_right(starts, span.start) - 1)], 4)) for span in spans]


def _spans(sentence: LabeledSentence, tags: Sequence[str]) -> list[Span]:
    return [Span(sentence.starts[first], sentence.ends[last - 1], name) for first, last, name in entities_of(tags)]
