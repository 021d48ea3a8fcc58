"""A finished student without the words and pieces that a corpus does not use.

Shapes: R rows of the word table.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from itertools import compress

import numpy as np

from kdner.errors import InputError
from kdner.student.saved import WORDS, SavedStudent
from kdner.student.vocabulary import UNKNOWN, Vocabulary, normalize


def pruned(
    student: SavedStudent, counts: Counter[str], *, min_count: int = 1, max_parameters: int | None = None
) -> SavedStudent:
    """Return a student that has only what the words of a corpus are made of, and what any other word needs.

    Where `min_count` is 1 and there is no limit, it tags these words as before, digit by digit. A word that loses its
    own vector is made of its pieces alone; one that loses a piece is made of shorter ones. The characters that are
    pieces stay, so that a word of such characters can always be spelled, and so do pieces with any other character.

    Args:
        student: the student; it stays as it is.
        counts: how often each word occurs.
        min_count: how often a word or a piece is used at least, to stay.
        max_parameters: limit for the whole student; the most used stay.

    Raises:
        InputError: the limit is under what the rest of the student takes.
    """
    vocabulary = student.vocabulary
    used = _times_used(vocabulary, counts)
    needed = _needed(vocabulary)
    kept = needed | (used >= min_count)
    if max_parameters is not None:
        width = student.weights[WORDS].shape[1]
        bare = student.parameters_count - len(kept) * width
        room = (max_parameters - bare) // width - int(needed.sum())
        if room < 0:
            raise InputError(
                f"--max-parameters {max_parameters}: the student without words, with the pieces that spell any word, "
                f"takes {bare + int(needed.sum()) * width}. Raise the limit"
            )
        optional = np.flatnonzero(kept & ~needed)
        kept[optional[np.argsort(-used[optional], kind="stable")[room:]]] = False
    weights = {**student.weights, WORDS: student.weights[WORDS][kept]}
    return replace(student, vocabulary=_only(vocabulary, kept), weights=weights)


def _times_used(vocabulary: Vocabulary, counts: Counter[str]) -> np.ndarray:
    """Return how often words read each row, int64 [R]."""
    words: Counter[str] = Counter()
    for word, count in counts.items():
        words[normalize(word)] += count
    used = np.zeros(vocabulary.word_rows, np.int64)
    used[vocabulary.own_rows(list(words))] = list(words.values())
    for word, count in words.items():
        for row in vocabulary.all_pieces(word):
            used[row] += count
    return used


def _needed(vocabulary: Vocabulary) -> np.ndarray:
    """Return which rows stay whatever the corpus, bool [R]."""
    needed = np.zeros(vocabulary.word_rows, bool)
    needed[: UNKNOWN + 1] = True
    first, later = ({piece for piece in part if len(piece) == 1} for part in _pieces(vocabulary))
    needed[UNKNOWN + 1 + len(vocabulary.words) :] = [
        len(piece) == 1 or piece[0] not in begins or not later.issuperset(piece[1:])
        for part, begins in zip(_pieces(vocabulary), (first, later), strict=True)
        for piece in part
    ]
    return needed


def _pieces(vocabulary: Vocabulary) -> tuple[tuple[str, ...], tuple[str, ...]]:
    return vocabulary.beginnings, vocabulary.continuations


def _only(vocabulary: Vocabulary, kept: np.ndarray) -> Vocabulary:
    """Return the vocabulary of some rows."""
    parts = (vocabulary.words, *_pieces(vocabulary))
    ends = np.cumsum([UNKNOWN + 1, *map(len, parts)])[:-1]
    words, beginnings, continuations = (
        tuple(compress(part, stays)) for part, stays in zip(parts, np.split(kept, ends)[1:], strict=True)
    )
    return replace(vocabulary, words=words, beginnings=beginnings, continuations=continuations)
