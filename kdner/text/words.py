r"""One splitter from document to sentences and words, the same at training, precomputing and tagging.

**Words.** At each place that is not white space, the first of these that fits is a word:

1. a number with its inner punctuation: ``1,000.5``, ``1996-08-22``, ``6-4``;
2. single letters joined by periods, with the closing one: ``U.S.``, ``a.m.``;
3. the English clitic ``'s``;
4. one character of a script that is written without spaces (Han, kana, Thai, Lao, Khmer, Burmese), with its marks;
   such characters are no single letters in the sense of 2;
5. letters, marks and digits that follow one another; more than ``MAX_WORD_CHARACTERS`` become several words;
6. any other single character, with its marks.

White space is what Python says it is, and ends every word: one that is hyphenated over two lines is two words. Control
characters end a word too, and belong to none. What no text holds, NUL and halves of surrogate pairs, is read as U+FFFD.

Format characters (soft hyphens, word joiners, byte order marks, directional marks) and marks that are never seen
(variation selectors) are looked through, after rule WB4 of Unicode's annex 29: inside a word they count to its offsets,
at its edges they do not, and elsewhere it is as if they were not there. A zero-width space does end a word, as in Thai
and Khmer, but beside white space it is nothing; zero-width joiners are letters between letters.

Offsets are Unicode code points, end exclusive, into the original document. A word's text, all that models see of it, is
what lies there without what is never seen, in NFC (`word_text`).

**Sentences.** A sentence ends

- after ``.``, ``!``, ``?`` or ``…`` (and closing quotes or brackets) before white space and a capital or digit (and
  opening quotes or brackets, of which one may stand alone, as in French), save after a single letter or an abbreviation
  of the language with one full stop (`kdner.text.abbreviations`);
- after ``。``, ``！``, ``？`` or ``｡``, a danda, the question mark of Arabic script, and the full stops of Ethiopic,
  Khmer and Burmese; after those of Urdu and Armenian before white space;
- at the end of a line, unless the next line starts with a lower-case letter, or the text is hard-wrapped;
- at a blank line, always, and at a paragraph separator (U+2029).

A line ends with a line feed, a carriage return, both, a vertical tab, a form feed, U+0085 or U+2028; a form feed beside
a line feed ends the same line.

A sentence of more than ``MAX_SENTENCE_WORDS`` words is cut (`kdner.text.long_sentences`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias
from unicodedata import normalize

import regex

from kdner.text.abbreviations import DEFAULT_LANGUAGE, abbreviations_of
from kdner.text.documents import NO_TEXT_CHARACTER
from kdner.text.long_sentences import MAX_SENTENCE_WORDS, cut_places, kind_of

SPLITTER_VERSION = 4
"""Part of every fingerprint: logits and students made with another splitter do not mix with these."""

MAX_WORD_CHARACTERS = 100

CLOSING = "”’»›)]"
"""What stands alone and belongs to the stop before it in the same line, as a closing quote does in French."""

_UNSPACED = (
    r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
    r"\u3006\u3031-\u3035\u303c\u30fc\uff70\uff9e\uff9f"  # signs of Han and kana that Unicode gives to no script
)
_LETTER = rf"[[\p{{L}}\p{{M}}\p{{N}}]--[{_UNSPACED}]]"
_JOINED = rf"[[\p{{L}}\p{{M}}\p{{N}}\u200c\u200d]--[{_UNSPACED}]]"
_DIGITS = rf"\p{{Nd}}{{1,{MAX_WORD_CHARACTERS}}}+"
_INITIAL = rf"[\p{{L}}--[{_UNSPACED}]]\p{{M}}*+"
_SPACE = r"\s\x1c-\x1f"
_LINE_END = r"\n\v\f\r\x85\u2028\u2029"
_HIDDEN = r"[[\p{Cf}[\p{M}&&\p{Default_Ignorable_Code_Point}]]--[\u200b-\u200d]]"
_HIDDEN_AT_EDGES = rf"[{_HIDDEN}\u200b-\u200d]"
_STOP = r"(?<! [.!?…] ) (?P<stop> [.!?…]++ ) [\"'”’»›)\]“‘«‹]*+"
_CAPITAL = r"[\p{Lu}\p{Lt}\p{Lo}\p{N}[\p{Georgian}&&\p{L}]]"  # Georgian letters have capitals, but texts do not
_OPENING = rf"[\"'“‘„‚«‹»›(\[¿¡]*+ {_CAPITAL} | [“„«‹(\[¿¡]++ (?: [{_SPACE}] | \Z )"
_CLOSING_STOP = rf"""
      [。！？｡]++ [」』｣”’）]*+
    | [।॥؟።។៕။]++ [!?؟…]*+ [\"'”’»)\]]*+
    | [۔։]++ [\"'”’»)\]]*+ (?= [{_SPACE}] | \Z )
"""


def _compile(pattern: str) -> regex.Pattern[str]:
    return regex.compile(pattern, regex.VERBOSE | regex.V1)


WORD = _compile(
    rf"""
      {_DIGITS} (?: [.,:/\-] {_DIGITS} )* (?! {_LETTER} )
    | {_INITIAL} (?: \. {_INITIAL} )+ (?! {_LETTER} ) \.?
    | ['’] [sS] (?! {_LETTER} )
    | [{_UNSPACED}] [\p{{M}}\uff9e\uff9f]*
    | {_LETTER} {_JOINED}{{0,{MAX_WORD_CHARACTERS - 1}}} (?<! [\u200c\u200d] )
    | [^\s\p{{Cc}}\p{{Cf}}\p{{Cs}}] \p{{M}}*
    """
)
"""A word of what `without_hidden` returned."""
ASCII_WORD = re.compile(
    rf"""
      [0-9]{{1,{MAX_WORD_CHARACTERS}}}+ (?: [.,:/\-] [0-9]{{1,{MAX_WORD_CHARACTERS}}}+ )* (?! [A-Za-z0-9] )
    | [A-Za-z] (?: \. [A-Za-z] )+ (?! [A-Za-z0-9] ) \.?
    | ' [sS] (?! [A-Za-z0-9] )
    | [A-Za-z0-9]{{1,{MAX_WORD_CHARACTERS}}}
    | [^\n]
    | \n
    """,
    re.VERBOSE,
)
"""A word of printable ASCII, as `WORD` has it, or the line feed after a text; a quarter of the time of that."""
# Possessive quantifiers and the look behind keep the time linear in dots or blanks in a row, however many.
_SENTENCE_END = _compile(
    rf"""
      {_STOP} (?: [{_SPACE}--[{_LINE_END}]]++ [{regex.escape(CLOSING)}]++ )? (?P<space> [{_SPACE}]++ ) (?= {_OPENING} )
    | (?: {_CLOSING_STOP} )
    | (?<! [{_SPACE}] ) (?P<space> [{_SPACE}--[{_LINE_END}]]*+ [{_LINE_END}] [{_SPACE}]*+ )
    """
)
STOPS = frozenset(".!?…")
FINAL_STOP = _compile(rf"{_STOP} \Z")
"""The stop at the end of a chunk, that is, of characters without white space."""
OPENING = _compile(_OPENING)
"""What a sentence that follows a stop begins with."""
CLOSING_STOP = _compile(_CLOSING_STOP)
"""What ends a sentence whatever follows."""
LOWER = _compile(r"[\p{Ll}--\p{Georgian}]")
_HIDDEN_PLACE = _compile(
    rf"""
      (?<! [^{_SPACE}] ) {_HIDDEN_AT_EDGES}++
    | (?<! {_HIDDEN_AT_EDGES} ) {_HIDDEN_AT_EDGES}++ (?! [^{_SPACE}] )
    | {_HIDDEN}++
    """
)
_UNJOINED = _compile(r"[\p{Latin}\p{Greek}\p{Cyrillic}]")
"""Scripts in which zero-width joiners only shape type; in others they tell words apart."""
_SINGLE_LETTER = _compile(rf"{_INITIAL} \Z")
_LAST_PART = _compile(r"(?: \p{N} [,:] )? [\p{L}\p{M}\p{N}]+ \Z")
_LONGEST_ABBREVIATION = 20
"""Characters before a full stop that are looked at."""


@dataclass(frozen=True, slots=True)
class Sentence:
    """Words that belong together, with their offsets into the document; the three lists have one entry per word."""

    words: list[str]
    starts: list[int]
    ends: list[int]


Splitting: TypeAlias = Callable[[str], Sequence[Sentence]]
"""`split`, with a language and line ends of some kind."""


def split(text: str, language: str = DEFAULT_LANGUAGE, *, hard_wrapped: bool = False) -> list[Sentence]:
    """Split a document into sentences of 1 to `MAX_SENTENCE_WORDS` words; white space alone gives none.

    Args:
        text: the document.
        language: which abbreviations end no sentence; see `kdner.text.abbreviations`.
        hard_wrapped: whether its lines end in the middle of sentences.

    Raises:
        InputError: the language is unknown.
    """
    return list(_cut_long(_sentences(text, abbreviations_of(language), hard_wrapped)))


def splitting_of(fingerprint: Mapping[str, Any]) -> Splitting:
    """Return what splits documents as it was done where this, of `splitter_fingerprint`, is in the fingerprint."""
    language, hard_wrapped = fingerprint.get("language", DEFAULT_LANGUAGE), fingerprint.get("hard_wrapped", False)
    return partial(split, language=language, hard_wrapped=hard_wrapped)


def readable(text: str) -> str:
    """Return a text with U+FFFD for each character that no text holds: halves of surrogate pairs, and NUL."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return NO_TEXT_CHARACTER.sub("\ufffd", text)
    return text.replace("\0", "\ufffd")


def split_words(text: str) -> Sentence:
    """Split text that is known to be one sentence, however long, into words."""
    return words_in(*without_hidden(readable(text)))


def word_text(word: str) -> str:
    """Return a word as models see it: in NFC, without hidden characters, and without joiners that only shape type.

    A word that has nothing else is returned as it is.
    """
    if word.isascii():
        return word
    text = _HIDDEN_PLACE.sub("", word)
    if _UNJOINED.match(text):
        text = text.replace("\u200c", "").replace("\u200d", "")
    return normalize("NFC", text) or word


def without_hidden(text: str) -> tuple[str, Sequence[int]]:
    """Return the text as it is split, without hidden characters, and the offset in `text` of each that is left."""
    hidden = [] if text.isascii() else list(_HIDDEN_PLACE.finditer(text))
    if not hidden:
        return text, range(len(text))
    places: list[int] = []
    end = 0
    for match in hidden:
        places += range(end, match.start())
        end = match.end()
    places += range(end, len(text))
    return _HIDDEN_PLACE.sub("", text), places


def words_in(clean: str, places: Sequence[int]) -> Sentence:
    """Return the words of what `without_hidden` returned."""
    matches = list(WORD.finditer(clean))
    words = [match.group() for match in matches]
    starts = [match.start() for match in matches]
    ends = [match.end() for match in matches]
    if not clean.isascii():
        words = list(map(word_text, words))
    if not isinstance(places, range):
        starts = [places[start] for start in starts]
        ends = [places[end - 1] + 1 for end in ends]
    return Sentence(words, starts, ends)


def is_abbreviation(text: str, stop: int, abbreviations: frozenset[str]) -> bool:
    """Tell whether what stands before a full stop, which is at offset `stop`, is a single letter or an abbreviation."""
    last = _LAST_PART.search(text[max(0, stop - _LONGEST_ABBREVIATION) : stop])
    return last is not None and (
        _SINGLE_LETTER.match(last.group()) is not None or normalize("NFC", last.group()) in abbreviations
    )


def count_words(text: str) -> int:
    """Count white-space separated words: the unit of every speed figure."""
    return len(text.split())


def splitter_fingerprint(language: str, *, hard_wrapped: bool = False) -> dict[str, Any]:
    """Return what of the splitter changes a result, for a fingerprint."""
    return {
        "splitter": SPLITTER_VERSION,
        "language": language,
        **({"hard_wrapped": True} if hard_wrapped else {}),
    }


def _sentences(text: str, abbreviations: frozenset[str], hard_wrapped: bool) -> Iterator[Sentence]:
    clean, places = without_hidden(readable(text))
    words = words_in(clean, places)
    first = 0
    for boundary in [*_boundaries(clean, abbreviations, hard_wrapped), len(clean)]:
        last = first
        while last < len(words.words) and words.starts[last] <= places[boundary - 1]:
            last += 1
        if last > first:
            yield Sentence(words.words[first:last], words.starts[first:last], words.ends[first:last])
        first = last


def _boundaries(clean: str, abbreviations: frozenset[str], hard_wrapped: bool) -> Iterator[int]:
    for match in _SENTENCE_END.finditer(clean):
        lines = count_lines(match["space"] or "")
        if match["stop"]:
            ends = match["stop"] != "." or not is_abbreviation(clean, match.start(), abbreviations)
        else:
            ends = match["space"] is None
        wraps = hard_wrapped or LOWER.match(clean, match.end())
        if ends or lines > 1 or (lines == 1 and not wraps):
            yield match.end()


def count_lines(space: str) -> int:
    """Count the lines that end in white space; a paragraph separator counts as two, which is a blank line."""
    feeds = sum(map(space.count, "\n\v\x85\u2028"))
    return max(feeds, space.count("\r"), space.count("\f")) + 2 * space.count("\u2029")


def _cut_long(sentences: Iterator[Sentence]) -> Iterator[Sentence]:
    for sentence in sentences:
        kinds = bytes(map(kind_of, sentence.words)) if len(sentence.words) > MAX_SENTENCE_WORDS else b""
        first = 0
        for last in [*cut_places(kinds), len(sentence.words)]:
            yield Sentence(sentence.words[first:last], sentence.starts[first:last], sentence.ends[first:last])
            first = last
