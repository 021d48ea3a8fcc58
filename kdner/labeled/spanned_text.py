"""The text of one document, its words, and where spans lie in it."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator, Sequence
from unicodedata import normalize

from kdner.errors import InputError
from kdner.flags import Layout
from kdner.labeled.annotations import RawSpan
from kdner.labeled.offsets import UNITS, in_code_points, otherwise
from kdner.labeled.sentence import LabeledSentence
from kdner.text.words import split


class SpannedText:
    """A text with its words: `starts` and `ends` have one entry per word, code points."""

    def __init__(self, text: str, layout: Layout, where: str) -> None:
        """Split a text.

        Args:
            text: that of a document.
            layout: the units of the offsets of its spans, and its language.
            where: its place, for messages.
        """
        self.text, self.unit, self.where = text, layout.offsets, where
        self._sentences = split(text, layout.language)
        self.starts = [start for sentence in self._sentences for start in sentence.starts]
        self.ends = [end for sentence in self._sentences for end in sentence.ends]

    def words(self, start: int, end: int) -> tuple[int, int]:
        """Return the first word whose first character a span holds, and one past the last."""
        return bisect_left(self.starts, start), bisect_left(self.starts, end)

    def cuts(self, start: int, end: int) -> bool:
        """Tell whether a span holds a part of a word, or no word at all."""
        first, last = self.words(start, end)
        return first == last or (first > 0 and self.ends[first - 1] > start) or self.ends[last - 1] > end

    def place(self, span: RawSpan) -> tuple[int, int]:
        """Return start and end of a span in code points.

        Raises:
            InputError: it does not lie in the text, or its own text is another.
        """
        place = in_code_points(self.text, span.start, span.end, self.unit)
        if place is not None and _same(self.text[slice(*place)], span.own_text):
            return place
        shown = f"{self.where}: span [{span.start}, {span.end}] {span.name}"
        remedies = "".join(f" {remedy}." for remedy in self.remedies(span))
        if place is None:
            raise InputError(
                f"{shown} does not lie in the text of {len(self.text)} characters; expected 0 <= start < end <= "
                f"length, in {UNITS[self.unit]}, end exclusive.{remedies or ' Correct the offsets.'}"
            )
        raise InputError(
            f"{shown} covers {self.text[slice(*place)]!r}, but carries the text {span.own_text!r}."
            f"{remedies or ' Correct the offsets, or the text of the span.'}"
        )

    def remedies(self, span: RawSpan) -> list[str]:
        """Return in which other ways its offsets can be meant, so that it has its own text or else cuts no word."""
        return [
            remedy
            for remedy, place in otherwise(self.text, span.start, span.end, self.unit).items()
            if (not self.cuts(*place) if span.own_text is None else _same(self.text[slice(*place)], span.own_text))
        ]

    def labeled(self, tags: Sequence[str], id_: str, document: int) -> Iterator[LabeledSentence]:
        """Give the sentences with the tags of all words; those that an entity crosses are joined."""
        first = last = 0
        for sentence in self._sentences:
            last += len(sentence.starts)
            if last < len(tags) and tags[last].startswith("I-"):
                continue  # an entity goes on in the next sentence
            origin, end = self.starts[first], self.ends[last - 1]
            yield LabeledSentence(
                id=f"{id_}:{origin}",
                document=document,
                text=self.text[origin:end],
                starts=[start - origin for start in self.starts[first:last]],
                ends=[end - origin for end in self.ends[first:last]],
                tags=list(tags[first:last]),
            )
            first = last


def _same(text: str, own: str | None) -> bool:
    """Tell whether a span's own text is the one it covers; tools write line ends, blanks and accents as they like."""
    if own is None:
        return True
    ours, theirs = (normalize("NFC", each).replace("\\n", " ").split() for each in (text, own))
    return ours == theirs
