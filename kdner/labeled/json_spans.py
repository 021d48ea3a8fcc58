"""Labeled sets of documents with character spans, of any form that `kdner.labeled.annotations` knows.

Offsets are code points, end exclusive, unless `kdner.flags.Layout` names other units. What a set says twice must agree:
where a span carries a text of its own, its offsets must give that text.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import pairwise

from kdner.errors import InputError
from kdner.flags import Layout
from kdner.labeled.annotations import RawSpan, text_and_spans
from kdner.labeled.remarks import Remarks
from kdner.labeled.sentence import LabeledSentence
from kdner.labeled.spanned_text import SpannedText
from kdner.labels.names import TypeNames

logger = logging.getLogger(__name__)

SNAPPED = "spans that cut a word, snapped (a word takes the label at its first character)"
MOST_SNAPPED = 0.05
"""Share of a set's spans that may cut a word; more say that the offsets are meant otherwise."""
FEW_SNAPPED = 5
"""So many may in any set, however small."""


class SpanReader:
    """Reads the documents of one labeled set, and judges their spans as a whole."""

    def __init__(self, source: str, layout: Layout, types: TypeNames, remarks: Remarks) -> None:
        self.source, self.layout, self.types, self.remarks = source, layout, types, remarks
        self.spans, self.snapped = 0, 0
        self.mended: Counter[str] = Counter()
        """How many of the snapped spans would cut no word if offsets were meant otherwise, by the remedy."""

    def sentences(self, record: object, where: str, id_: str, document: int) -> Iterator[LabeledSentence]:
        """Give the sentences of a document; those that a span crosses are joined.

        A sentence's id is the document's and the character it starts at.

        Raises:
            InputError: naming the place `where`, for what is no document with spans, and for spans outside the text,
                with another text than their own, that overlap, or that hold the first character of no word.
        """
        found = text_and_spans(record, where, self.remarks)
        if found is None:
            return
        text = SpannedText(found[0], self.layout, where)
        tags = ["O"] * len(text.starts)
        for (start, end), span in self._placed(text, found[1], where).items():
            first, last = text.words(start, end)
            if first == last:
                raise InputError(
                    f"{where}: span [{span.start}, {span.end}] {text.text[start:end]!r} holds the first character of "
                    "no word and would be lost. Move its start to the start of a word, or remove it."
                )
            tags[first:last] = [f"B-{span.name}"] + [f"I-{span.name}"] * (last - first - 1)
            self.spans += 1
            if text.cuts(start, end):
                self.snapped += 1
                self.mended.update(text.remedies(span))
                words = text.text[text.starts[first] : text.ends[last - 1]]
                self.remarks.add(SNAPPED, where, f"{text.text[start:end]!r} to {words!r}")
        yield from text.labeled(tags, id_, document)

    def judge(self) -> None:
        """Judge the spans that cut a word, once all documents are read.

        Raises:
            InputError: there are too many for a set whose offsets are right.
        """
        remedy, count = max(self.mended.items(), key=lambda item: item[1], default=("", 0))
        hint = f" {remedy}: {count:,} of these spans would cut no word." if 2 * count > self.snapped else ""
        if self.snapped > max(FEW_SNAPPED, MOST_SNAPPED * self.spans):
            first = next(remark for remark in self.remarks.found if remark.what == SNAPPED)
            raise InputError(
                f"{self.source}: {self.snapped:,} of {self.spans:,} spans cut a word, the first in {first.where}: "
                f"{first.detail}. At most {MOST_SNAPPED:.0%} may, or the offsets are not what they seem."
                f"{hint or ' Move the spans to the edges of words.'}"
            )
        if hint:
            logger.warning("%s: %d spans cut a word.%s", self.source, self.snapped, hint)

    def _placed(self, text: SpannedText, spans: Sequence[RawSpan], where: str) -> dict[tuple[int, int], RawSpan]:
        """Return the spans by their offsets in code points, in the order of the text, each once."""
        placed: dict[tuple[int, int], RawSpan] = {}
        for span in spans:
            shown = f"span [{span.start}, {span.end}]"
            span = replace(span, name=self.types.add(span.name, f"{where}: {shown}"))
            other = placed.setdefault(text.place(span), span)
            if other is not span and other.name == span.name:
                self.remarks.add("spans that repeat another exactly, passed over", where, shown, usual=True)
            elif other is not span:
                raise InputError(f"{where}: {shown} is {other.name} and {span.name}. Keep one of them.")
        ordered = dict(sorted(placed.items()))
        for (place, span), (following, other) in pairwise(ordered.items()):
            if following[0] < place[1]:
                raise InputError(
                    f"{where}: spans {[span.start, span.end, span.name]} and {[other.start, other.end, other.name]} "
                    "overlap. Keep one of them."
                )
        return ordered
