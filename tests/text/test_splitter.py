from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import kdner.text.splitter
from kdner.text.abbreviations import ABBREVIATIONS
from kdner.text.splitter import Splitter
from kdner.text.words import count_words, split

PARTS = [
    *("Anna", "Mr.", "U.S.", "St.", "x", "1,000.5", "don't", "-", ",", "(", ")", '"', "”", "’", "«"),
    *(".", "...", "!", "?!", "…", "。", "！」", "東京", "ไทย", "שלום", "٣", "é", "\u0301", "🙂", "👩\u200d🚀"),
    *(" ", "  ", "\n", "\n\n", "\r\n", "\t", "\x1c", "\x85", "\u2028", "\xa0", "\x00", "\u200b", "\ud800"),
    *("\r", "\v", "\f", "\u2029", "\u00ad", "\u2060", "\ufeff", "\u200f", "\u2066", "\ufe0f", "\u200c", "\u200d"),
    *("।", "۔", "؟", "։", "ー", "ﾞ", "ან", "京.", "ST.", "DR"),
    *("3", "XIV", "Prof", "Mme", "e\u0301", "«", "»", "¿", "„", "“", "anna", "Jose\u0301"),
]
TEXT = st.one_of(
    st.text(), st.text(st.characters(exclude_categories=())), st.lists(st.sampled_from(PARTS), max_size=40).map("".join)
)


def sentences_of(splitter, texts, hard_wrapped=False):
    """The sentences of each text, as `kdner.text.words.split` gives them."""
    words = splitter.split(texts, hard_wrapped=hard_wrapped)
    cuts = np.cumsum(words.lengths)[:-1]
    columns = (words.types.tolist(), words.starts.tolist(), words.ends.tolist())
    types, starts, ends = (np.split(np.array(column, dtype=np.int64), cuts) for column in columns)
    sentences = [
        ([splitter.types.words[k] for k in t], s.tolist(), e.tolist())
        for t, s, e in zip(types, starts, ends, strict=True)
        if len(t)
    ]
    assert len(sentences) == words.documents.sum() == len(words.lengths)
    last = np.cumsum(words.documents).tolist()
    return [sentences[a:b] for a, b in zip([0, *last], last, strict=False)]


def as_plain(text, language="en", hard_wrapped=False):
    return [(s.words, s.starts, s.ends) for s in split(text, language, hard_wrapped=hard_wrapped)]


@pytest.fixture(params=["short", "long"])
def length(request, monkeypatch):
    """Have texts of any length split as short ones, or as long ones, are."""
    monkeypatch.setattr(kdner.text.splitter, "SHORT_TEXT", 0 if request.param == "long" else 1 << 40)


@settings(max_examples=300, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(TEXT, max_size=5), st.sampled_from(list(ABBREVIATIONS)), st.booleans())
def test_it_splits_as_the_plain_one(length, texts, language, hard_wrapped):
    splitter = Splitter(language)
    expected = [as_plain(text, language, hard_wrapped) for text in texts]
    assert sentences_of(splitter, texts, hard_wrapped) == expected
    assert sentences_of(splitter, texts[::-1], hard_wrapped) == expected[::-1]
    assert splitter.split(texts).chunks.tolist() == [count_words(text) for text in texts]


@settings(max_examples=200, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(TEXT, min_size=1, max_size=5), st.randoms())
def test_it_splits_alike_when_it_has_forgotten_some_words(length, texts, random):
    splitter = Splitter("en")
    expected = sentences_of(splitter, texts)
    known = list(splitter.types.words)
    kept = np.array([random.random() < 0.5 for _ in known], bool)
    splitter.keep(kept)
    assert splitter.types.words == [word for word, stays in zip(known, kept, strict=True) if stays]
    assert sentences_of(splitter, texts[::-1]) == expected[::-1]
    assert sentences_of(splitter, texts) == expected


@pytest.mark.parametrize(
    "text",
    [
        "word " * 1000,
        "a, b " * 300,
        "x" * 5000,
        "." * 3000,
        "東" * 700,
        "(" * 500 + "\n" + "w " * 129,
        "no end , " * 43,
        "Anna of the East met 7 5 " * 60,
        "東，" * 300,
    ],
)
def test_long_sentences_and_long_chunks(text):
    assert sentences_of(Splitter(), [text, "A. B", text]) == [as_plain(text), as_plain("A. B"), as_plain(text)]


def test_it_knows_all_white_space():
    assert (kdner.text.splitter._SPACES > 0).tolist() == [chr(code).isspace() for code in range(0x110000)]


def test_nothing(length):
    assert sentences_of(Splitter(), []) == []
    assert sentences_of(Splitter(), ["", " ", "\n\n", "\x01"]) == [[], [], [], []]


def test_it_is_full_after_many_chunks_or_long_ones(monkeypatch):
    monkeypatch.setattr(kdner.text.splitter, "MAX_CHUNKS", 3)
    monkeypatch.setattr(kdner.text.splitter, "MAX_CHUNK_CHARACTERS", 100)
    many, long = Splitter(), Splitter()
    many.split(["a b c a b c"])
    long.split(["x" * 100])
    assert not many.full and not long.full
    many.split(["d"])
    long.split(["y"])
    assert many.full and long.full


@pytest.mark.data
def test_real_text(data_folder):
    import pyarrow.parquet as pq

    for name, count in (("reuters_c50", 300), ("wikipedia/wikipedia-00", 100)):
        (path,) = data_folder.glob(f"unlabeled/{name}*.parquet")
        texts = pq.read_table(path, columns=["text"]).slice(0, count)["text"].to_pylist()
        assert sentences_of(Splitter(), texts) == [as_plain(text) for text in texts]
