"""The first values of the student's word vectors: from the teacher's piece embeddings, from a text file, or random."""

from __future__ import annotations

import io
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TypeAlias

import numpy as np

from kdner.data.text_files import UNREADABLE, decompressed
from kdner.errors import InputError
from kdner.student.vocabulary import UNKNOWN, Vocabulary, frequent_characters, most_frequent, normalize
from kdner.teacher.model import Teacher

_Piece: TypeAlias = tuple[bool, str]
"""Whether a piece goes on within a word, and its text as the student reads it."""
MIN_TIMES = 20
"""How often a piece occurs at least, unless it is a character: a rarer one would learn nothing."""
MAX_PIECE_SHARE = 0.7
"""Share of the rows of the word table that pieces may take; words of several pieces have the others."""
SCALE = 0.5
"""Root mean square of an initial vector's entries."""


def vectors_from_teacher(teacher: Teacher, counts: Counter[str], rows: int, dim: int) -> tuple[Vocabulary, np.ndarray]:
    """Make a vocabulary of a teacher's pieces and of frequent words of several pieces, with their first vectors.

    A piece starts with the mean of the embeddings that the teacher has for it where it occurs in the corpus, and a word
    with the mean of those of the teacher's pieces, all reduced to their `dim` strongest directions (XtremeDistil,
    section 3.2). What a word's own vector adds to those of its pieces here is what is left of it.

    Args:
        teacher: has the pieces, and their embeddings.
        counts: how often each word occurs.
        rows: pieces, and words with a vector of their own, that there is room for.
        dim: width of the vectors.

    Returns:
        the vocabulary, and float32 [words + pieces, dim].
    """
    seen = _Seen(teacher, counts)
    names = seen.frequent_pieces(round(MAX_PIECE_SHARE * rows))
    beginnings, continuations = (tuple(text for within, text in names if within is kind) for kind in (False, True))
    parts = Vocabulary((), (), beginnings, continuations)
    made_of = {word: made for word in seen.words if len(made := parts.pieces(word)) > 1}
    own = most_frequent(Counter({word: seen.words[word] for word in made_of}), rows - len(names))
    reduced = _reduce(np.stack([*seen.vectors_of_words(own), *seen.vectors_of_pieces(names)]), dim)
    first_piece = np.concatenate([np.zeros((UNKNOWN + 1, dim), np.float32), reduced[len(own) :]])
    for row, word in enumerate(own):
        reduced[row] -= first_piece[made_of[word]].mean(axis=0)
    return Vocabulary(own, frequent_characters(counts), beginnings, continuations), reduced


class _Seen:
    """The pieces and the words that the student will see, and what the teacher has for them.

    Args:
        teacher: has the pieces, and their embeddings [pieces of the teacher, H].
        counts: how often each word occurs.
    """

    def __init__(self, teacher: Teacher, counts: Counter[str]) -> None:
        self.teacher, self.embeddings = teacher, teacher.piece_embeddings
        self.words: Counter[str] = Counter()
        """How often each normalized word occurs."""
        self._spelling: dict[str, str] = {}
        self._sums: dict[_Piece, np.ndarray] = {}
        self._times: Counter[_Piece] = Counter()
        for (word, count), pieces in zip(counts.items(), teacher.pieces.spans(counts), strict=True):
            for piece, begin, end in pieces:
                name = begin > 0, normalize(word[begin:end])
                self._sums[name] = self._sums.get(name, 0) + count * self.embeddings[piece]
                self._times[name] += count
            normalized = normalize(word)
            self.words[normalized] += count
            usual = self._spelling.get(normalized, word)
            self._spelling[normalized] = max(usual, word, key=lambda w: (counts[w], w))
        self._mean = sum(self._sums.values(), np.zeros_like(self.embeddings[0])) / max(1, self._times.total())

    def frequent_pieces(self, limit: int) -> list[_Piece]:
        """Return the most frequent pieces, in their own order: those of the teacher, and each single character."""
        characters: Counter[_Piece] = Counter()
        for word, count in self.words.items():
            for character in word:
                characters[False, character] += count
                characters[True, character] += count
        frequent = Counter({name: count for name, count in self._times.items() if count >= MIN_TIMES})
        return sorted(most_frequent(frequent | characters, limit))

    def vectors_of_pieces(self, names: Iterable[_Piece]) -> list[np.ndarray]:
        """Return for each piece the mean of its embeddings [H]; the mean of all where the teacher never has it."""
        return [self._sums[name] / self._times[name] if name in self._sums else self._mean for name in names]

    def vectors_of_words(self, words: Iterable[str]) -> list[np.ndarray]:
        """Return for each word, as it is mostly spelled, the mean of the embeddings of the teacher's pieces [H]."""
        spans = self.teacher.pieces.spans(self._spelling[word] for word in words)
        return [self.embeddings[[piece for piece, *_ in s]].mean(axis=0) if s else self._mean for s in spans]


def vectors_from_file(path: Path, words: Sequence[str], dim: int, seed: int) -> np.ndarray:
    """Read vectors from a GloVe or word2vec text file, packed or not; words that it lacks start at random.

    Vectors wider than `dim` are reduced to their strongest directions over the words that the file has.

    Returns:
        float32 [words, dim].
    """
    rows = {word: row for row, word in enumerate(words)}
    vectors_read: dict[int, np.ndarray] = {}
    width = 0
    with _open(path) as lines:
        for number, line in enumerate(lines, start=1):
            word, *values = line.rstrip().split(" ")
            if number == 1 and len(values) == 1:
                continue
            row = rows.get(normalize(word))
            if row is None or row in vectors_read:
                continue
            try:
                vector = np.array(values, dtype=np.float32)
            except ValueError:
                raise InputError(f"{path}:{number}: expected a word and its numbers, got {line[:60]!r}") from None
            width = width or len(vector)
            if len(vector) != width:
                raise InputError(f"{path}:{number}: {len(vector)} numbers, but {width} on the lines before")
            vectors_read[row] = vector
    if not vectors_read:
        raise InputError(
            f"{path}: holds none of the {len(words)} words of the vocabulary. Is it a text file of vectors?"
        )
    if width < dim:
        raise InputError(
            f"{path}: vectors of width {width}, narrower than the student's. Set --student.word-dim {width}"
        )
    vectors = random_vectors(len(words), dim, seed)
    vectors[np.array(list(vectors_read))] = _reduce(np.stack(list(vectors_read.values())), dim)
    return vectors


def random_vectors(count: int, dim: int, seed: int) -> np.ndarray:
    """Return float32 [count, dim] of normal noise."""
    return np.random.default_rng(seed).normal(0, SCALE, (count, dim)).astype(np.float32)


def _reduce(vectors: np.ndarray, dim: int) -> np.ndarray:
    """Return the centred vectors along their `dim` strongest directions, scaled to a root mean square of `SCALE`."""
    centred = vectors - vectors.mean(axis=0)
    _, directions = np.linalg.eigh(centred.T @ centred)
    reduced = centred @ directions[:, ::-1][:, :dim]
    if reduced.shape[1] < dim:
        reduced = np.pad(reduced, ((0, 0), (0, dim - reduced.shape[1])))
    spread = np.sqrt(np.mean(reduced**2))
    return (reduced * (SCALE / spread if spread > 0 else 1.0)).astype(np.float32)


@contextmanager
def _open(path: Path) -> Iterator[Iterable[str]]:
    """Open a text file, packed or not, for reading by lines."""
    if not path.is_file():
        raise InputError(f"{path}: no such file of word vectors")
    try:
        with path.open("rb") as raw, decompressed(raw) as stream:
            yield io.TextIOWrapper(stream, encoding="utf-8", errors="replace", newline="\n")
    except UNREADABLE as error:
        raise InputError(f"{path}: cannot be read ({error}); is the file whole?") from error
