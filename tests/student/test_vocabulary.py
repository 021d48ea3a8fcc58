from __future__ import annotations

from collections import Counter

from hypothesis import given
from hypothesis import strategies as st

from kdner.student.vocabulary import (
    MAX_CHARACTERS,
    MAX_KNOWN_CHARACTERS,
    PADDING,
    UNKNOWN,
    Vocabulary,
    normalize,
)
from kdner.student.word_features import WordFeatures


def test_words_differ_neither_by_case_nor_by_digits():
    vocabulary = Vocabulary.build(Counter({"Paris": 2, "PARIS": 1, "1996": 1, "1997": 1, "the": 1}), max_words=10)
    assert vocabulary.words == ("paris", "0000", "the")
    words = WordFeatures.of(vocabulary, ["paris", "PaRiS", "2024", "London"]).words.tolist()
    assert words == [2, 2, 3, PADDING]
    assert vocabulary.word_rows == 5


def test_only_the_most_frequent_words_are_known():
    vocabulary = Vocabulary.build(Counter({"rare": 1, "often": 9, "more": 3}), max_words=2)
    assert vocabulary.words == ("often", "more")


@given(st.dictionaries(st.text(min_size=1, max_size=4), st.integers(1, 3), max_size=20), st.randoms())
def test_the_order_of_counting_is_no_matter(counts, random):
    items = list(counts.items())
    random.shuffle(items)
    assert Vocabulary.build(Counter(counts), max_words=5) == Vocabulary.build(Counter(dict(items)), max_words=5)


OF_PIECES = Vocabulary(("paris",), tuple("parisx"), ("par", "p", "a", "parish"), ("is", "i", "s", "ar", "x"))


def test_a_word_is_made_of_the_longest_pieces():
    rows = {
        piece: row for row, piece in enumerate([*OF_PIECES.words, *OF_PIECES.beginnings, *OF_PIECES.continuations], 2)
    }

    def pieces(word):
        return [next((piece for piece, row in rows.items() if row == place), None) for place in OF_PIECES.pieces(word)]

    assert (
        pieces("paris") == ["par", "is"] and pieces("parish") == ["parish"] and pieces("parisi") == ["par", "is", "i"]
    )
    assert pieces("pax") == ["p", None, "x"] and pieces("x") == [None] and pieces("axi") == ["a", "x", "i"]
    features = WordFeatures.of(OF_PIECES, ["Paris", "Parish"])
    assert features.words.tolist() == [2, PADDING] and features.pieces[:, :3].tolist() == [[3, 7, 0], [6, 0, 0]]


def test_a_word_is_known_by_a_vector_that_stands_for_it_alone():
    own = OF_PIECES.words[0]
    assert OF_PIECES.knows(own.upper()) and OF_PIECES.knows("Parish")
    assert not OF_PIECES.knows("parisi") and not OF_PIECES.knows("x") and not OF_PIECES.knows("p" + "i" * 30)
    assert not Vocabulary(("rome",), ()).knows("Paris") and Vocabulary(("rome",), ()).knows("Rome")


def test_a_word_of_many_pieces_is_seen_by_both_ends():
    word = "p" + "i" * 30 + "s"
    assert OF_PIECES.pieces(word) == [4, 8, 8, 8, 8, 8, 8, 7] and len(OF_PIECES.all_pieces(word)) == 31


def test_without_pieces_words_are_made_of_the_unknown_one():
    assert WordFeatures.of(Vocabulary(("a",), ("a",)), ["a", "b"]).pieces[:, :2].tolist() == [[UNKNOWN, PADDING]] * 2


def test_a_long_word_is_seen_by_both_ends():
    vocabulary = Vocabulary((), tuple("abx"))
    long = WordFeatures.of(vocabulary, ["a" * 10 + "x" * 30 + "b" * 10]).characters
    assert long.tolist() == WordFeatures.of(vocabulary, ["a" * 10 + "b" * 10]).characters.tolist()
    short = WordFeatures.of(vocabulary, ["a?"]).characters[0].tolist()
    assert short == [2, UNKNOWN] + [PADDING] * (MAX_CHARACTERS - 2)


def test_the_characters_table_is_bounded():
    counts = Counter({chr(0x4E00 + i): 1 for i in range(2 * MAX_KNOWN_CHARACTERS)})
    vocabulary = Vocabulary.build(counts, max_words=1)
    assert vocabulary.character_rows == MAX_KNOWN_CHARACTERS + 2


@given(st.lists(st.text(min_size=1), min_size=1, unique=True))
def test_features_are_in_range_for_any_word(types):
    vocabulary = Vocabulary.build(Counter(types[::2]), max_words=3)
    features = WordFeatures.of(vocabulary, types)
    assert len(features) == len(types)
    assert features.words.min() >= 0 and features.words.max() < vocabulary.word_rows
    assert features.characters.min() >= 0 and features.characters.max() < vocabulary.character_rows
    assert (features.characters[:, 0] != PADDING).all() and (features.pieces[:, 0] != PADDING).all()
    made = Vocabulary(
        (), (), tuple({t[:1] for t in map(normalize, types)}), tuple({t[1:3] for t in map(normalize, types) if t[1:]})
    )
    pieces = WordFeatures.of(made, types).pieces
    assert (pieces[:, 0] != PADDING).all() and pieces.max() < made.word_rows


@given(st.lists(st.text(), max_size=5, unique=True))
def test_a_saved_vocabulary_comes_back(tmp_path_factory, words):
    vocabulary = Vocabulary(tuple(words), ("a", "é", "\ud800", "👩"), tuple(words[:2]), tuple(words[2:]))
    path = tmp_path_factory.mktemp("vocabulary") / "vocabulary.json"
    vocabulary.save(path)
    assert Vocabulary.load(path) == vocabulary


def test_no_words_have_features_too():
    assert WordFeatures.of(Vocabulary(("a",), ("a",)), []).characters.shape == (0, MAX_CHARACTERS)
    assert normalize("Ⅻ٣") == "ⅻ0"
    assert normalize("Jos\xc9") == normalize("JOSE\u0301") == "jos\xe9"
