"""Quality: strict IOB2 precision, recall and F1 by seqeval, on the words that the labeled set came with."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from kdner.data.labeled_sentence import LabeledSentence

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

    def rounded(self) -> dict[str, float | int]:
        """Return the numbers with four decimals, by name, for a summary."""
        return {
            "f1": round(self.f1, 4),
            "precision": round(self.precision, 4),
            "recall": round(self.recall, 4),
            "support": self.support,
        }


def measure_f1(tag: Tag, sentences: Sequence[LabeledSentence]) -> dict[str, Quality]:
    """Tag a labeled set and compare with its gold tags.

    The tagger sees the splitter's words; its tags are brought back to the gold words by the one rule of
    `kdner.data.labeled_sentence`.

    Returns:
        the quality over all entities under `micro`, and that of each type of entity under its name, such as `PER`.
    """
    from seqeval.metrics import classification_report  # here because it imports scikit-learn, a second for every worker
    from seqeval.scheme import IOB2

    predicted = tag([sentence.words()[0] for sentence in sentences])
    gold_tags = [sentence.tags for sentence in sentences]
    predicted_tags = [s.gold_word_tags(tags) for s, tags in zip(sentences, predicted, strict=True)]
    report = classification_report(
        gold_tags, predicted_tags, mode="strict", scheme=IOB2, output_dict=True, zero_division=0
    )
    rows = {"micro": report["micro avg"]}
    rows |= {name: row for name, row in report.items() if not name.endswith(" avg")}
    return {
        name: Quality(
            precision=float(row["precision"]),
            recall=float(row["recall"]),
            f1=float(row["f1-score"]),
            support=int(row["support"]),
        )
        for name, row in rows.items()
    }
