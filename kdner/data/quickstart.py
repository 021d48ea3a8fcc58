"""The embedded default corpus: news-like sentences from hand-written patterns and names, seeded.

Three parts come out: a labeled set, a corpus without labels and a test set. What makes them hard:

- every name has one tier: the labeled set uses tier 0, the corpus tiers 0 and 1, the test set all three, so
  that over half of the entities in the test set have a name that occurs nowhere else;
- a third of the patterns never occurs in the labeled set, and the rest has a long tail;
- `SHARED_NAMES` have several kinds (Washington is a person, a place or a team): only the context decides;
- sentences in lower case, in capitals and in headline case, and a few misspelled words.

`kdner.data.quickstart_words` holds the names, the phrases and the patterns. Persons, companies and works are put
together at random; nothing said about them is true.
"""

from __future__ import annotations

import io
import random
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import regex

from kdner.data.quickstart_words import (
    KIND_LABELS,
    NUMBERS,
    PATTERNS,
    PHRASES,
    deal_tiers,
    shared_names,
    single_names,
)
from kdner.errors import InputError
from kdner.runs.storage import commit
from kdner.text.words import split_words

LABELED_SENTENCES = 300
TEST_SENTENCES = 600
CORPUS_DOCUMENTS = 1000
MAX_DOCUMENT_SENTENCES = 5
HELD_OUT_PATTERNS = 3
"""Every third pattern stays out of the labeled set."""
SHARED_NAME_SHARE = 0.25
"""How often a slot takes a name that also has another kind, where there is one."""
LOWER_CASE_SHARE = 0.08
HEADLINE_SHARE = 0.08
MISSPELLED_SHARE = 0.06
DOCUMENT_HEADLINE_SHARE = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class QuickstartFiles:
    """Paths of the default corpus."""

    labeled: Path
    """CoNLL columns, token TAB IOB2 tag, 300 sentences."""
    test: Path
    """As `labeled`, 600 sentences."""
    corpus: Path
    """Parquet with the string columns ``id`` and ``text``, 2,000 documents."""


@dataclass(frozen=True, slots=True)
class Example:
    """A sentence with its entities as (start, end, label); code points, end exclusive, in order."""

    text: str
    entities: list[tuple[int, int, str]]


def write_quickstart(folder: Path, seed: int = 1) -> QuickstartFiles:
    """Write the default corpus into `folder`, the same bytes for the same seed.

    Each file appears whole or not at all; a file that already has the right bytes is not touched.

    Raises:
        InputError: if the files cannot be written there.
    """
    rng = random.Random(seed)
    tiers = deal_tiers(rng)
    patterns = [line.strip() for line in PATTERNS.splitlines() if line.strip()]
    rng.shuffle(patterns)
    seen_patterns = [pattern for i, pattern in enumerate(patterns) if i % HELD_OUT_PATTERNS]

    labeled = _Writer(rng, seen_patterns, tiers, tier_weights=(1, 0, 0))
    examples = [labeled.write() for _ in range(LABELED_SENTENCES)]
    known = {example.text for example in examples}
    corpus = _corpus(_Writer(rng, patterns, tiers, tier_weights=(1, 1, 0)), rng)
    test = _Writer(rng, patterns, tiers, tier_weights=(1, 1, 2))
    test_examples: list[Example] = []
    while len(test_examples) < TEST_SENTENCES:
        example = test.write()
        if example.text not in known:
            known.add(example.text)
            test_examples.append(example)

    files = QuickstartFiles(
        labeled=folder / "train.conll", test=folder / "test.conll", corpus=folder / "corpus.parquet"
    )
    try:
        folder.mkdir(parents=True, exist_ok=True)
        _write_file(files.labeled, _conll(examples))
        _write_file(files.test, _conll(test_examples))
        _write_file(files.corpus, corpus)
    except OSError as error:
        raise InputError(
            f"{folder}: the default corpus cannot be written here ({error}); expected a folder with room for "
            "2 MB that may be written; name another folder"
        ) from error
    return files


_SLOT = regex.compile(r"\{(\w+)\}")
_CHOICES = regex.compile(r"\(([^()]*\|[^()]*)\)")
_PLAIN_WORD = regex.compile(r"(?<![\p{L}\p{N}'-])\p{Ll}{5,}(?![\p{L}\p{N}'-])")
_WORD_START = regex.compile(r"(?<![\p{L}\p{N}'])\p{Ll}")


class _Writer:
    """Writes the sentences of one part: some patterns, and names of some tiers."""

    def __init__(
        self,
        rng: random.Random,
        patterns: list[str],
        tiers: dict[str, int],
        tier_weights: tuple[int, int, int],
    ) -> None:
        self._rng = rng
        self._patterns = patterns
        self._pattern_weights = [(rank + 4) ** -0.5 for rank in range(len(patterns))]
        self._tier_weights = tier_weights
        self._names = _by_tier(single_names(), tiers)
        self._shared_names = _by_tier(shared_names(), tiers)

    def write(self) -> Example:
        """Write one sentence, now and then misspelled, in lower case or as a headline."""
        rng = self._rng
        text, entities = self._fill(rng.choices(self._patterns, self._pattern_weights)[0])
        if rng.random() < MISSPELLED_SHARE:
            text = _misspell(text, entities, rng)
        casing = rng.random()
        if casing < LOWER_CASE_SHARE:
            text = text.lower()
        elif casing < LOWER_CASE_SHARE + HEADLINE_SHARE:
            text = _headline(text, rng)
        return Example(text, entities)

    def _fill(self, pattern: str) -> tuple[str, list[tuple[int, int, str]]]:
        pattern = _CHOICES.sub(lambda choices: self._rng.choice(choices[1].split("|")), pattern)
        text, done = "", 0
        entities = []
        for slot in _SLOT.finditer(pattern):
            text += pattern[done : slot.start()]
            done = slot.end()
            kind = slot[1].lower()
            phrase = self._phrase(kind)
            if phrase[0] in "AEIOaeio" and f" {text}".endswith((" a ", " A ")):
                text = text[:-1] + "n "
            if kind in KIND_LABELS:
                entities.append((len(text), len(text) + len(phrase), KIND_LABELS[kind]))
            text += phrase.upper() if slot[1].isupper() else phrase
        text += pattern[done:]
        return text[0].upper() + text[1:], entities

    def _phrase(self, kind: str) -> str:
        if kind in NUMBERS:
            return str(self._rng.randint(*NUMBERS[kind]))
        if kind in PHRASES:
            choice = self._rng.choice(PHRASES[kind].split("|"))
            return _SLOT.sub(lambda slot: self._phrase(slot[1]), choice)
        tier = self._rng.choices((0, 1, 2), self._tier_weights)[0]
        shared = self._shared_names.get((kind, tier))
        if shared and self._rng.random() < SHARED_NAME_SHARE:
            return self._rng.choice(shared)
        return self._rng.choice(self._names[kind, tier])


def _misspell(text: str, entities: list[tuple[int, int, str]], rng: random.Random) -> str:
    """Swap two letters of one lower-case word outside the entities; the length stays."""
    starts = [
        word.start()
        for word in _PLAIN_WORD.finditer(text)
        if not any(start <= word.start() < end for start, end, _ in entities)
    ]
    if not starts:
        return text
    i = rng.choice(starts) + rng.randint(1, 2)
    return text[:i] + text[i + 1] + text[i] + text[i + 2 :]


def _headline(text: str, rng: random.Random) -> str:
    """Put a sentence in capitals or headline case, without its period; offsets stay."""
    text = text.removesuffix(".")
    return text.upper() if rng.random() < 0.5 else _WORD_START.sub(lambda letter: letter[0].upper(), text)


def _by_tier(names: dict[str, list[str]], tiers: dict[str, int]) -> dict[tuple[str, int], list[str]]:
    """Group the names of each kind by their tier."""
    by_tier: dict[tuple[str, int], list[str]] = {}
    for kind, of_kind in names.items():
        for name in of_kind:
            by_tier.setdefault((kind, tiers[name]), []).append(name)
    return by_tier


def _conll(examples: list[Example]) -> bytes:
    return "\n".join(_sentence_lines(example) for example in examples).encode()


def _sentence_lines(example: Example) -> str:
    words = split_words(example.text)
    lines = []
    for word, word_start in zip(words.words, words.starts, strict=True):
        tag = "O"
        for start, end, label in example.entities:
            if start <= word_start < end:
                tag = f"B-{label}" if word_start == start else f"I-{label}"
        lines.append(f"{word}\t{tag}\n")
    return "".join(lines)


def _corpus(writer: _Writer, rng: random.Random) -> bytes:
    texts = [_document(writer, rng) for _ in range(CORPUS_DOCUMENTS)]
    ids = [f"quickstart-{i:05d}" for i in range(CORPUS_DOCUMENTS)]
    table = pa.table({"id": ids, "text": texts}, schema=pa.schema([("id", pa.string()), ("text", pa.string())]))
    sink = io.BytesIO()
    pq.write_table(table, sink)
    return sink.getvalue()


def _document(writer: _Writer, rng: random.Random) -> str:
    sentences = [writer.write().text for _ in range(rng.randint(1, MAX_DOCUMENT_SENTENCES))]
    if rng.random() < DOCUMENT_HEADLINE_SHARE:
        sentences.insert(0, _headline(writer.write().text, rng))
    text = sentences[0]
    for sentence in sentences[1:]:
        # To the splitter, only a blank line ends a sentence before a lower-case letter.
        gap = "\n\n" if sentence[0].islower() else " " if text.rstrip('"')[-1] in ".?!" else "\n"
        text += gap + sentence
    return text


def _write_file(path: Path, content: bytes) -> None:
    if path.is_file() and path.read_bytes() == content:
        return
    with commit(str(path)) as file:
        file.write(content)
