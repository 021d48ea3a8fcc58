r"""One splitter from document to sentences and words, the same at training, precomputing and tagging.

At each place that is not white space, the first of these that fits is a word:

1. a number with its inner punctuation: ``1,000.5``, ``1996-08-22``, ``6-4``;
2. single letters joined by periods, with the closing one: ``U.S.``, ``a.m.``;
3. the English clitic ``'s``;
4. one character of a script that is written without spaces (Han, kana, Thai, Lao, Khmer, Burmese), with its marks;
5. letters, marks and digits that follow one another; more than ``MAX_WORD_CHARACTERS`` become several words;
6. any other single character, with its marks.

Control characters, format characters (zero-width joiners inside a word excepted) and lone surrogates belong to no word.
A sentence ends after ``.``, ``!``, ``?`` or ``…`` (and closing quotes or brackets) before white space and a capital or
digit (and opening quotes or brackets), save after an initial or a known abbreviation; after ``。``, ``！`` or ``？``;
and at a newline, unless the next line starts with a lower-case letter (a wrapped line). A blank line always ends one.
White space is what Python says it is.

Offsets are Unicode code points, end exclusive, into the original document: nothing is normalized.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import regex

SPLITTER_VERSION = 2
"""Part of every fingerprint: logits and students made with another splitter do not mix with these."""

MAX_WORD_CHARACTERS = 100
MAX_SENTENCE_WORDS = 128
"""A longer sentence is cut after its last comma, semicolon, colon or dash before this limit, or at the limit."""

_UNSPACED = r"\p{Han}\p{Hiragana}\p{Katakana}\p{Thai}\p{Lao}\p{Khmer}\p{Myanmar}"
_LETTER = rf"[[\p{{L}}\p{{M}}\p{{N}}]--[{_UNSPACED}]]"
_JOINED = rf"[[\p{{L}}\p{{M}}\p{{N}}\u200c\u200d]--[{_UNSPACED}]]"
_DIGITS = rf"\p{{Nd}}{{1,{MAX_WORD_CHARACTERS}}}+"
_SPACE = r"\s\x1c-\x1f"
_STOP = r"(?<! [.!?…] ) (?P<stop> [.!?…]++ ) [\"'”’»)\]]*+"
_OPENING = r"[\"'“‘«(\[]* [\p{Lu}\p{Lt}\p{Lo}\p{N}]"
_CLOSING_STOP = r"[。！？]+ [」』”’）]*"


def _compile(pattern: str) -> regex.Pattern[str]:
    return regex.compile(pattern, regex.VERBOSE | regex.V1)


WORD = _compile(
    rf"""
      {_DIGITS} (?: [.,:/\-] {_DIGITS} )* (?! {_LETTER} )
    | \p{{L}} (?: \. \p{{L}} )+ (?! {_LETTER} ) \.?
    | ['’] [sS] (?! {_LETTER} )
    | [{_UNSPACED}] \p{{M}}*
    | {_LETTER} {_JOINED}{{0,{MAX_WORD_CHARACTERS - 1}}}
    | [^\s\p{{Cc}}\p{{Cf}}\p{{Cs}}] \p{{M}}*
    """
)
# Possessive quantifiers and the look behind keep the time linear in dots or blanks in a row, however many.
_SENTENCE_END = _compile(
    rf"""
      {_STOP} [{_SPACE}]++ (?= {_OPENING} )
    | {_CLOSING_STOP}
    | (?<! [{_SPACE}] ) [{_SPACE}--\n]*+ \n (?: [{_SPACE}--\n]*+ \n [{_SPACE}]*+ | [{_SPACE}]*+ (?! \p{{Ll}} ) )
    """
)
STOPS = frozenset(".!?…")
FINAL_STOP = _compile(rf"{_STOP} \Z")
"""The stop at the end of a chunk, that is, of characters without white space."""
OPENING = _compile(_OPENING)
"""What a sentence that follows a stop begins with."""
CLOSING_STOP = _compile(_CLOSING_STOP)
"""What ends a sentence whatever follows."""
LOWER = _compile(r"\p{Ll}")
ABBREVIATION = _compile(
    r"""
    (?: ^ | [^\p{L}\p{M}\p{N}] )
    (?: \p{L} | (?: \p{L} \. )+ \p{L}
      | Adm | Col | Capt | Cmdr | Co | Corp | Dr | Drs | Fr | Gen | Gov | Hon | Inc | Jr | Lt | Ltd | Messrs | Mr |
      Mrs | Ms | Mt | No | Nos | Prof | Rep | Reps | Rev | Sen | Sens | Sgt | Sr | St | Ste | v | vs
      | Jan | Feb | Mar | Apr | Jun | Jul | Aug | Sep | Sept | Oct | Nov | Dec )
    \Z"""
)
"""What ends no sentence with a single full stop after it; looked for in the last `LONGEST_ABBREVIATION` characters."""
LONGEST_ABBREVIATION = 12
PAUSES = frozenset([",", ";", ":", "-", "–", "—"])


@dataclass(frozen=True, slots=True)
class Sentence:
    """Words that belong together, with their offsets into the document; the three lists have one entry per word."""

    words: list[str]
    starts: list[int]
    ends: list[int]


def split(text: str) -> list[Sentence]:
    """Split a document into sentences of 1 to `MAX_SENTENCE_WORDS` words; white space alone gives none."""
    return list(_cut_long(_sentences(text)))


def split_words(text: str) -> Sentence:
    """Split text that is known to be one sentence, however long, into words."""
    matches = list(WORD.finditer(text))
    return Sentence([m.group() for m in matches], [m.start() for m in matches], [m.end() for m in matches])


def count_words(text: str) -> int:
    """Count white-space separated words: the unit of every speed figure."""
    return len(text.split())


def _sentences(text: str) -> Iterator[Sentence]:
    words = split_words(text)
    first = 0
    for boundary in _boundaries(text):
        last = first
        while last < len(words.words) and words.starts[last] < boundary:
            last += 1
        if last > first:
            yield Sentence(words.words[first:last], words.starts[first:last], words.ends[first:last])
        first = last


def _boundaries(text: str) -> Iterator[int]:
    for match in _SENTENCE_END.finditer(text):
        last_word = text[max(0, match.start() - LONGEST_ABBREVIATION) : match.start()]
        if match["stop"] == "." and "\n" not in match.group() and ABBREVIATION.search(last_word):
            continue
        yield match.end()
    yield len(text)


def _cut_long(sentences: Iterator[Sentence]) -> Iterator[Sentence]:
    for sentence in sentences:
        first, total = 0, len(sentence.words)
        while total - first > MAX_SENTENCE_WORDS:
            limit = first + MAX_SENTENCE_WORDS
            pause = next((i for i in range(limit, first, -1) if sentence.words[i - 1] in PAUSES), limit)
            yield _slice(sentence, first, pause)
            first = pause
        yield _slice(sentence, first, total)


def _slice(sentence: Sentence, first: int, last: int) -> Sentence:
    return Sentence(sentence.words[first:last], sentence.starts[first:last], sentence.ends[first:last])
