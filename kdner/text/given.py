"""What users give to be read: any iterable of texts, or of sentences as words, checked and listed."""

from __future__ import annotations

import reprlib
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

from kdner.errors import InputError
from kdner.text.splitter import Sentences
from kdner.text.words import word_text


def listed_texts(texts: Iterable[str], name: str = "texts") -> Sequence[str]:
    """Return texts as a list, or as the list or tuple that they are.

    Args:
        texts: any iterable of strings, also used up as it is read: a list, a generator, a column of pandas whatever its
            index, an array of numpy or pyarrow.
        name: what messages call it.

    Raises:
        InputError: it is none, or one of them is no string, whose place the message names.
    """
    listed = _listed(texts, name, "strings")
    if not set(map(type, listed)) <= {str}:
        _check_strings(listed, name)
    return listed


def listed_sentences(sentences: Iterable[Iterable[str]]) -> Sequence[Sequence[str]]:
    """Return sentences as lists of words, each as `kdner.text.words.word_text` gives it, or the `Sentences` they are.

    Args:
        sentences: any iterable of iterables of words, of which none is empty; a sentence may have no words.

    Raises:
        InputError: it is none, such as a text that is not cut into words; the message names the place.
    """
    if isinstance(sentences, Sentences):
        return sentences
    example = "lists of words, such as [['Ada', 'Lovelace', 'wrote'], ['Paris']]"
    listed = [
        words if type(words) in (list, tuple) else _listed(words, f"sentences[{number}]", "a list of words")
        for number, words in enumerate(_listed(sentences, "sentences", example))
    ]
    if not (set(map(type, chain.from_iterable(listed))) <= {str} and all(map(all, listed))):
        for number, words in enumerate(listed):
            _check_strings(words, f"sentences[{number}]")
            if "" in words:
                raise InputError(f"sentences[{number}][{list(words).index('')}] is an empty word; leave it out")
    if not all(map(str.isascii, chain.from_iterable(listed))):
        return [list(map(word_text, words)) for words in listed]
    return listed


def _listed(values: Any, name: str, wanted: str) -> Sequence[Any]:
    if isinstance(values, list | tuple):
        return values
    kind = type(values)
    if hasattr(kind, "columns"):
        raise InputError(f"{name} is {_described(values)}; give one of its columns")
    if isinstance(values, str | bytes | bytearray | Mapping):
        raise InputError(f"{name} is {_described(values)}; give {wanted}")
    try:
        iterator = iter(values.to_pylist() if hasattr(kind, "to_pylist") else values)
    except TypeError:
        raise InputError(f"{name} is {_described(values)}; give {wanted}") from None
    return list(iterator)


def _check_strings(values: Sequence[Any], name: str) -> None:
    for number, value in enumerate(values):
        if not isinstance(value, str):
            raise InputError(f"{name}[{number}] is {_described(value)}; give strings")


def _described(value: object) -> str:
    if value is None:
        return "None"
    kind = type(value).__name__
    shown = isinstance(value, str | bytes | bool | int | float)
    content = reprlib.repr(value) if isinstance(value, str | bytes) else str(value)
    return f"{'an' if kind[0] in 'aeiouAEIOU' else 'a'} {kind}" + (f" ({content})" if shown else "")
