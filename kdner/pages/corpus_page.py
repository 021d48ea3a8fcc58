"""The page of a tagged corpus: entities by label, the most frequent ones, their scores, and documents to read."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kdner.pages.charts import bar, histogram
from kdner.pages.marked_text import Mark, label_tag, marked
from kdner.pages.page import Html, element, facts, joined, page, section, table
from kdner.pages.tagged_corpus import BINS, TaggedCorpus


def corpus_page(name: str, summary: Mapping[str, Any], tagged: TaggedCorpus) -> str:
    """Return the page of a run of tag_corpus.

    Args:
        name: of the run.
        summary: of the run.
        tagged: what it found.
    """
    lead = f"{summary['entities']:,} entities in {summary['documents']:,} documents."
    return page(f"What was tagged: {name}", lead, corpus_sections(summary, tagged))


def corpus_sections(summary: Mapping[str, Any], tagged: TaggedCorpus) -> list[tuple[str, str, Html]]:
    """Return the sections of a tagged corpus; see `corpus_page`."""
    labels = list(tagged.labels)
    return [
        ("tagged", "What was tagged", _counts(summary, tagged, labels)),
        ("frequent", "Frequent entities", _frequent(tagged, labels)),
        ("documents", "Documents", _documents(tagged, labels)),
    ]


def _counts(summary: Mapping[str, Any], tagged: TaggedCorpus, labels: list[str]) -> Html:
    figures = [(name, f"{summary[name]:,}") for name in ("documents", "words", "entities", "errors")]
    if summary["words_per_second"]:
        figures.append(("words per second", f"{summary['words_per_second']:,}"))
    most = max(1, *(own.entities for own in tagged.labels.values()), 1)
    rows = [
        [
            label_tag(label, labels),
            joined([bar(own.entities / most), element("span", f"{own.entities:,}", class_="f")]),
            f"{own.distinct:,}",
            f"{own.mean_score:.3f}" if own.entities else "–",
        ]
        for label, own in tagged.labels.items()
    ]
    part = f"Counted in {tagged.parts_read:,} of the run's {tagged.parts:,} files, evenly over it."
    counted = table(
        "Entities by label",
        ["label", "entities", "different texts", "mean score"],
        rows,
        note=part if tagged.parts_read < tagged.parts else None,
    )
    low = sum(tagged.scores[: BINS // 2]) / max(1, sum(tagged.scores))
    chart = histogram(
        tagged.scores, x="score", label=f"Entities by score, 0 to 1: {low:.1%} of them have a score below 0.5"
    )
    return section("tagged", "What was tagged", facts(figures), counted, element("h3", "Scores"), chart)


def _frequent(tagged: TaggedCorpus, labels: list[str]) -> Html:
    tables = []
    for label, own in tagged.labels.items():
        if own.frequent:
            rows = [[element("bdi", text), f"{count:,}"] for text, count in own.frequent]
            tables.append(table(label_tag(label, labels), ["text", "times"], rows))
    return section("frequent", "Most frequent entities", element("div", *tables, class_="frequent"))


def _documents(tagged: TaggedCorpus, labels: list[str]) -> Html:
    shown = []
    for document in tagged.sample:
        marks = [Mark(entity["start"], entity["end"], entity["label"]) for entity in document.entities]
        content = element("p", marked(document.text, marks, labels), dir="auto")
        shown.append(element("article", element("h3", document.id, class_="where"), content, class_="document"))
    lead = tagged.no_sample or f"{len(shown)} documents with entities, evenly over the corpus."
    return section("documents", "Documents", element("p", lead), *shown)
