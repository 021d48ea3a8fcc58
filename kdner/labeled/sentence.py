"""One sentence with gold labels, and the one rule that joins them to the splitter's words.

The rule: *a word takes the label at its first character*. Models see the words of `kdner.text.words.split_words`; a
labeled set keeps its own gold words, and is scored on them:

- `LabeledSentence.words` gives the splitter's words with the label at their first character. Where the
  splitter cuts the first gold word of an entity (``vs.``), its first part takes ``B-`` and the others ``I-``.
- `LabeledSentence.gold_word_tags` goes back: a gold word takes the label of the splitter's word at its first
  character (control characters, which the splitter skips, do not count).
- A character span labels the words whose first character it holds (`kdner.labeled.json_spans`).
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass

from kdner.errors import InputError
from kdner.labeled.remarks import Remarks
from kdner.labels.tags import entities_of, repair
from kdner.text.words import split_words


@dataclass(frozen=True, slots=True)
class LabeledSentence:
    """A sentence with gold labels; `starts`, `ends` and `tags` have one entry per gold word."""

    id: str
    """Unique in the set: file name and line (``eng.train:17``), for spans also the character it starts at."""
    document: int
    """Running number, from 0, of its document in the set."""
    text: str
    """The gold words joined by one blank, or the slice of the document's text."""
    starts: list[int]
    """Offsets of the gold words into `text`, in code points."""
    ends: list[int]
    """Ends of the gold words, exclusive, as the offsets in `starts`."""
    tags: list[str]
    """IOB2 tag of each gold word."""

    @classmethod
    def of_gold_words(cls, id: str, document: int, words: Sequence[str], tags: Sequence[str]) -> LabeledSentence:
        """Make a sentence of gold words, joined by one blank, and their tags of any scheme."""
        starts, position = [], 0
        for word in words:
            starts.append(position)
            position += len(word) + 1
        ends = [start + len(word) for start, word in zip(starts, words, strict=True)]
        return cls(id, document, " ".join(words), starts, ends, repair(tags))

    def words(self) -> tuple[list[str], list[str]]:
        """Return the splitter's words of `text` and their labels, by the one rule."""
        words = split_words(self.text)
        tags = ["O"] * len(words.words)
        for first, last, name in entities_of(self.tags):
            begin = bisect_left(words.starts, self.starts[first])
            for i in range(begin, bisect_left(words.starts, self.ends[last - 1])):
                tags[i] = f"{'B' if i == begin else 'I'}-{name}"
        return words.words, tags

    def gold_word_tags(self, predicted: Sequence[str]) -> list[str]:
        """Carry the labels of the splitter's words (as from `words`) over to the gold words, as legal IOB2.

        A gold word that holds none of the splitter's words (a lone control character) is ``O``, or inside the
        entity that goes on after it. Raises ValueError unless there is one label per word of the splitter.
        """
        words = split_words(self.text)
        if len(predicted) != len(words.words):
            raise ValueError(f"{self.id}: {len(predicted)} labels for {len(words.words)} words")
        tags = []
        for start, end in zip(self.starts, self.ends, strict=True):
            i = bisect_right(words.ends, start)
            labeled = i < len(predicted) and (words.starts[i] < end or predicted[i].startswith("I-"))
            tags.append(predicted[i] if labeled else "O")
        return repair(tags)


def is_empty_token(word: str, tag: str, where: str, remarks: Remarks) -> bool:
    """Tell whether a gold word is empty, and to be passed over; it is counted then.

    So is one of white space or of hidden characters that belongs to an entity: no model sees such a word.

    Raises:
        InputError: naming the place `where`, if it is empty and belongs to an entity.
    """
    if word.strip(" "):
        if tag == "O" or word.isalnum() or split_words(word).words:
            return False
        remarks.add("tokens of an entity that no model sees, passed over", where, repr(word))
        return True
    if tag != "O":
        raise InputError(f"{where}: the tag {tag!r} stands beside an empty token. Give it its token.")
    remarks.add("empty tokens, passed over", where)
    return True
