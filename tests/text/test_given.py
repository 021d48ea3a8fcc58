from __future__ import annotations

from collections import deque

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from kdner.errors import InputError
from kdner.text.given import listed_sentences, listed_texts

TEXTS = ["Anna flew.", "", "東京", "Tom won."]


@pytest.mark.parametrize(
    "given",
    [
        TEXTS,
        tuple(TEXTS),
        deque(TEXTS),
        (text for text in TEXTS),
        dict.fromkeys(TEXTS).keys(),
        np.array(TEXTS),
        np.array(TEXTS, dtype=object),
        pd.Series(TEXTS, index=[3, 1, 0, 2]),
        pd.Series(TEXTS, index=["a", "columns", "to_pylist", "b"]),
        pd.Series(TEXTS, dtype="category"),
        pd.Index(TEXTS),
        pa.array(TEXTS),
        pa.array(TEXTS, pa.large_string()),
        pa.array(TEXTS).dictionary_encode(),
        pa.chunked_array([TEXTS[:1], TEXTS[1:]]),
    ],
    ids=lambda given: type(given).__name__,
)
def test_any_iterable_of_strings_is_listed_in_its_order(given):
    listed = listed_texts(given)
    assert list(listed) == TEXTS and all(isinstance(text, str) for text in listed)
    assert listed[0] == TEXTS[0] and listed[1:3] == type(listed)(TEXTS[1:3])


@pytest.mark.parametrize(
    "given, message",
    [
        (["Anna", "Tom", "Mary", float("nan")], r"texts\[3\] is a float \(nan\); give strings"),
        (["Anna", None], r"texts\[1\] is None; give strings"),
        ([b"Anna"], r"texts\[0\] is a bytes \(b'Anna'\); give strings"),
        ([["Anna"]], r"texts\[0\] is a list; give strings"),
        ((17 for _ in range(2)), r"texts\[0\] is an int \(17\); give strings"),
        (pd.Series(["Anna", None], index=[1, 0]), r"texts\[1\] is (None|a float \(nan\)); give strings"),
        (pd.Series(["Anna", pd.NA], dtype="string"), r"texts\[1\] is a NAType; give strings"),
        (pa.array(["Anna", None]), r"texts\[1\] is None; give strings"),
        (pa.array([b"Anna"]), r"texts\[0\] is a bytes"),
        (np.array([["Anna"]]), r"texts\[0\] is a ndarray; give strings"),
        ([pa.scalar("Anna")], r"texts\[0\] is a StringScalar; give strings"),
        (None, r"^texts is None; give strings"),
        (float("nan"), r"^texts is a float \(nan\); give strings"),
        (np.array("Anna"), r"^texts is a ndarray; give strings"),
        (b"Anna", r"^texts is a bytes \(b'Anna'\); give strings"),
        ({"text": "Anna"}, r"^texts is a dict; give strings"),
        (pd.DataFrame({"text": ["Anna"]}), r"^texts is a DataFrame; give one of its columns"),
        (pa.table({"text": ["Anna"]}), r"^texts is a Table; give one of its columns"),
    ],
)
def test_what_is_no_string_is_named_with_its_place(given, message):
    with pytest.raises(InputError, match=message):
        listed_texts(given)


def test_an_error_of_the_iterable_itself_is_its_own():
    def broken():
        yield "Anna"
        raise TypeError("of the user's")

    with pytest.raises(TypeError, match="of the user's"):
        listed_texts(broken())


SENTENCES = [["Anna", "flew"], [], ["Tom"]]


@pytest.mark.parametrize(
    "given",
    [
        SENTENCES,
        (tuple(words) for words in SENTENCES),
        ((word for word in words) for words in SENTENCES),
        [np.array(words, dtype=object) for words in SENTENCES],
        [np.array(words, dtype=str) for words in SENTENCES],
        pd.Series(SENTENCES, index=[2, 0, 1]),
        pa.array(SENTENCES),
    ],
    ids=lambda given: type(given).__name__,
)
def test_any_iterable_of_iterables_of_words_is_listed(given):
    assert [list(words) for words in listed_sentences(given)] == SENTENCES


def test_words_are_listed_as_the_splitter_has_them():
    assert listed_sentences([["Jose\u0301", "Mer\u00adkel"], ["flew", "\u00ad"]]) == [
        ["Jos\xe9", "Merkel"],
        ["flew", "\u00ad"],
    ]


@pytest.mark.parametrize(
    "given, message",
    [
        ("Anna flew", r"^sentences is a str \('Anna flew'\); give lists of words, such as \[\["),
        (["Anna flew"], r"^sentences\[0\] is a str \('Anna flew'\); give a list of words"),
        ([["Anna"], "Tom won"], r"^sentences\[1\] is a str"),
        ([["Anna"], None], r"^sentences\[1\] is None; give a list of words"),
        ([["Anna", None]], r"^sentences\[0\]\[1\] is None; give strings"),
        ([["Anna"], ["Tom", 1996]], r"^sentences\[1\]\[1\] is an int \(1996\); give strings"),
        ([["Anna"], [b"Tom"]], r"^sentences\[1\]\[0\] is a bytes"),
        ([["Anna"], ["Tom", ""]], r"^sentences\[1\]\[1\] is an empty word; leave it out"),
        (None, r"^sentences is None"),
        (17, r"^sentences is an int \(17\)"),
    ],
)
def test_what_is_no_sentence_of_words_is_named_with_its_place(given, message):
    with pytest.raises(InputError, match=message):
        listed_sentences(given)
