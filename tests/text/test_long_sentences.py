from __future__ import annotations

import pytest

from kdner.text.long_sentences import MAX_SENTENCE_WORDS, cut_places, kind_of
from kdner.text.words import split


def parts_of(text):
    parts = [sentence.words for sentence in split(text)]
    assert [word for part in parts for word in part] == text.split()
    return parts


def test_they_are_cut_at_pauses():
    sentences = parts_of(" ".join(f"w{i}" if i % 50 else "," for i in range(1, 10_001)))
    assert {len(sentence) for sentence in sentences[:-1]} == {100}
    assert all(sentence[-1] == "," for sentence in sentences)


def test_one_without_a_better_place_is_cut_at_the_limit():
    for word in ("word ", "Word ", "7 "):
        assert [len(part) for part in parts_of(word * (2 * MAX_SENTENCE_WORDS + 7))] == [MAX_SENTENCE_WORDS] * 2 + [7]


@pytest.mark.parametrize(
    ("around", "before"),
    [
        ("Angela Merkel", "w"),
        ("University of the Arts", "w"),
        ("Jean - Luc", "w"),
        ("10 000 000", "w"),
        ("a ) Angela Merkel", "a )"),
        ("a ; b Angela Merkel", "a ;"),
        ("a ; b ) Angela Merkel", "a ;"),
    ],
)
def test_none_is_cut_inside_a_name_or_a_number_where_a_better_place_is_near(around, before):
    words = around.split()
    for last in range(1, len(words)):  # the limit falls after each word of it but the last
        lead = ["w"] * (MAX_SENTENCE_WORDS - last)
        first, second = parts_of(" ".join([*lead, *words, *["w"] * 40]))
        assert first[-1] == before.split()[-1] or last <= words.index(before.split()[-1]) if before != "w" else True
        name = [word for word in words if word not in (";", ")", "a", "b")]
        assert not set(name) & set(first) - {"w"} or set(name) <= set(first)
        assert MAX_SENTENCE_WORDS // 2 <= len(first) <= MAX_SENTENCE_WORDS and second


def test_among_capitalized_words_one_is_cut_beside_another():
    assert cut_places(b"Nw" * 65) == [128]
    assert cut_places(b"N" * 100 + b"w" + b"N" * 100) == [101]


def test_a_pause_in_the_first_half_is_too_far_off():
    assert cut_places(b"w" * 62 + b"," + b"w" * 100) == [128]
    assert cut_places(b"w" * 63 + b"," + b"w" * 100) == [64]


def test_kinds_of_words():
    words = ["Anna", "\u01c5", "7", "1,000", ",", "\uff0c", ")", "\xbb", "anna", "-", "\u6771", "\xe9"]
    assert bytes(map(kind_of, words)) == b"NNNN,,))wwww"
