from __future__ import annotations

import time
import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kdner.text.words import MAX_SENTENCE_WORDS, MAX_WORD_CHARACTERS, count_words, split, split_words

PARTS = [
    "Dr. Smith", "U.S.", "'s", "O'Brien", "1,000.5", "1996-08-22", ". ", "! ", "...",
    "\n", "\n\n", "\r\n", " ", "  ", ", ", "東京", "。", "नमस्ते", "e\u0301", "👩\u200d🚀", "שלום", "\u200b", "\u00ad",
    "\x00", "\ud800", "a" * 150, "word ", "Word ",
]  # fmt: skip
TEXT = st.one_of(st.text(), st.lists(st.sampled_from(PARTS), max_size=60).map("".join))


def words_of(text):
    return [sentence.words for sentence in split(text)]


def skipped(text):
    """Whether the splitter may leave a character out of every word."""
    return all(c.isspace() or unicodedata.category(c) in ("Cc", "Cf", "Cs") for c in text)


@settings(max_examples=300)
@given(TEXT)
def test_words_are_slices_in_order_and_nothing_visible_is_lost(text):
    end = 0
    for sentence in split(text):
        assert 1 <= len(sentence.words) <= MAX_SENTENCE_WORDS
        assert len(sentence.words) == len(sentence.starts) == len(sentence.ends)
        for word, first, last in zip(sentence.words, sentence.starts, sentence.ends, strict=True):
            assert word and text[first:last] == word
            assert first >= end and skipped(text[end:first])
            end = last
    assert skipped(text[end:])


@settings(max_examples=200)
@given(TEXT)
def test_sentences_never_change_the_words(text):
    whole = split_words(text)
    parts = split(text)
    for field in ("words", "starts", "ends"):
        assert [value for part in parts for value in getattr(part, field)] == getattr(whole, field)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("the U.S. bank", "the|U.S.|bank"),
        ("at 9 a.m. today", "at|9|a.m.|today"),
        ("O'Brien's", "O|'|Brien|'s"),
        ("Peter’s dogs'", "Peter|’s|dogs|'"),
        ("$1,000.5 (1996-08-22)", "$|1,000.5|(|1996-08-22|)"),
        ("won 6-4, 7:30", "won|6-4|,|7:30"),
        ("1990s 3rd B2B", "1990s|3rd|B2B"),
        ("东京2020 ok", "东|京|2020|ok"),
        ("नमस्ते दुनिया", "नमस्ते|दुनिया"),
        ("Zu\u0308rich cafe\u0301", "Zu\u0308rich|cafe\u0301"),
        ("hi 👩\u200d🚀", "hi|👩|🚀"),
        ("שלום, עולם", "שלום|,|עולם"),
        ("مي\u200cخواهم", "مي\u200cخواهم"),
        ("a\u200bb\u00adc", "a|b|c"),
        ("x\x00y\ud800z", "x|y|z"),
        ("AT&T #1", "AT|&|T|#|1"),
    ],
)
def test_words(text, words):
    assert split_words(text).words == words.split("|")


def test_a_very_long_word_becomes_several():
    lengths = [len(word) for word in split_words("b" * (2 * MAX_WORD_CHARACTERS + 5)).words]
    assert lengths == [MAX_WORD_CHARACTERS, MAX_WORD_CHARACTERS, 5]
    assert max(map(len, split_words("7" * 1000).words)) == MAX_WORD_CHARACTERS


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("He left. She stayed.", ["He left .", "She stayed ."]),
        ('He said "no." She left.', ['He said " no . "', "She left ."]),
        ("What?! Yes… No.", ["What ? !", "Yes …", "No ."]),
        ("J. Smith met Mr. Brown and Dr. No.", None),
        ("Sales of the U.S. Army rose.", None),
        ("It rose 3.5 percent. 20 firms fell.", ["It rose 3.5 percent .", "20 firms fell ."]),
        ("see e.g. this one", None),
        ("it was wrapped\nat this place", None),
        ("it was wrapped\n   with an indent", None),
        ("it was wrapped\r\nat this place", None),
        ("STOCKS RISE\nShares rose on Monday.", ["STOCKS RISE", "Shares rose on Monday ."]),
        ("one paragraph\n\nanother one", ["one paragraph", "another one"]),
        ("one paragraph \r\n \t\r\n another one", ["one paragraph", "another one"]),
        ("他来了。她走了！", ["他 来 了 。", "她 走 了 ！"]),
        ("वह आया. यह गया.", ["वह आया .", "यह गया ."]),
    ],
)
def test_sentences(text, sentences):
    expected = [" ".join(split_words(text).words)] if sentences is None else sentences
    assert [" ".join(words) for words in words_of(text)] == expected


@pytest.mark.parametrize("text", ["", " ", "\n\t\r\n", "\u200b\x00\ufeff", "\ud800"])
def test_text_without_words_gives_no_sentences(text):
    assert split(text) == []


@pytest.mark.parametrize(
    "text",
    [
        "a" * 5_000_000, "1" * 500_000 + "x", "." * 500_000, " " * 500_000 + "x",
        "\n " * 250_000, "a." * 250_000, '."' * 100_000,
    ],
    ids=["one letter", "digits", "dots", "blanks", "empty lines", "initials", "quotes"],
)  # fmt: skip
def test_time_is_linear_in_characters_that_follow_one_another(text):
    started = time.process_time()
    split(text)
    assert time.process_time() - started < 10


def test_long_sentences_are_cut_at_pauses():
    words = [f"w{i}" if i % 50 else "," for i in range(1, 10_001)]
    sentences = words_of(" ".join(words))
    assert [word for sentence in sentences for word in sentence] == words
    assert {len(sentence) for sentence in sentences[:-1]} == {100}
    assert all(sentence[-1] == "," for sentence in sentences)


def test_a_long_sentence_without_a_pause_is_cut_at_the_limit():
    lengths = [len(sentence) for sentence in words_of("word " * (2 * MAX_SENTENCE_WORDS + 7))]
    assert lengths == [MAX_SENTENCE_WORDS, MAX_SENTENCE_WORDS, 7]


def test_count_words_counts_white_space_separated_words():
    assert count_words(" The U.S. won,\n2-1. ") == 4
