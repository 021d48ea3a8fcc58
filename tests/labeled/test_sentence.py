from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from kdner.labeled.sets import read_labeled
from kdner.labels.tags import entities_of, repair
from kdner.text.words import split_words


def test_words_takes_the_label_at_the_first_character_and_gold_word_tags_goes_back(write):
    (sentence,) = read_labeled(write("set.conll", "Roe B-CASE\nvs. I-CASE\nWade I-CASE\nO'Neil B-PER\nwon O\n"))
    words, tags = sentence.words()
    assert words == ["Roe", "vs", ".", "Wade", "O", "'", "Neil", "won"]
    assert tags == ["B-CASE", "I-CASE", "I-CASE", "I-CASE", "B-PER", "I-PER", "I-PER", "O"]
    assert sentence.gold_word_tags(tags) == sentence.tags
    assert sentence.gold_word_tags(["O", "O", "B-X", "I-X", "O", "O", "B-PER", "O"]) == [
        "O",
        "O",
        "B-X",
        "O",
        "O",
    ]
    with pytest.raises(ValueError, match="1 labels for 8 words"):
        sentence.gold_word_tags(["O"])


def test_gold_words_without_any_word_are_o_or_inside_their_entity(write):
    rows = "_ B-LOC\nNew I-LOC\n_ I-LOC\nYork I-LOC\n_ O\n_is O\n_Bo B-PER\n_ I-PER\n".replace("_", "\u200b")
    (sentence,) = read_labeled(write("set.conll", rows))
    words, tags = sentence.words()
    assert words == ["New", "York", "is", "Bo"]
    assert tags == ["B-LOC", "I-LOC", "O", "B-PER"]
    assert sentence.tags == sentence.gold_word_tags(tags) == ["B-LOC", "I-LOC", "O", "O", "B-PER"]  # all can be found


def test_gold_words_with_what_is_never_seen_are_whole_words(write):
    rows = "An\u00adgela B-PER\n\ufeffMer\u2060kel I-PER\nJose\u0301\u200e B-PER\n\u2060 I-PER\nwon O\n"
    (sentence,) = read_labeled(write("set.conll", rows))
    words, tags = sentence.words()
    assert words == ["Angela", "Merkel", "Jos\xe9", "won"] and tags == ["B-PER", "I-PER", "B-PER", "O"]
    assert sentence.tags == sentence.gold_word_tags(tags) == ["B-PER", "I-PER", "B-PER", "O"]


TOKEN = st.text(st.characters(codec="utf-8", exclude_characters="\t\n\r\0\ufeff"), min_size=1, max_size=6).filter(
    lambda token: token == token.strip(" ") and bool(split_words(token).words)
)


ROW = st.tuples(
    st.one_of(st.sampled_from(["vs.", "U.S.", "Anna", "'s", "1,000.5", "AT&T"]), TOKEN),
    st.sampled_from(["O", "B-A", "I-A", "B-B", "I-B"]),
)


@given(st.lists(ROW, min_size=1, max_size=12))
@example([(",", "O"), (",", "O")])  # most rows end with a comma and what is a tag
def test_gold_tags_survive_the_way_to_words_and_back(tmp_path_factory, rows):
    rows = [("Anna", "B-A"), *rows]
    path = tmp_path_factory.mktemp("rows") / "set.tsv"
    path.write_text("".join(f"{token}\t{tag}\n" for token, tag in rows), "utf-8")
    (sentence,) = read_labeled(str(path))
    assert [sentence.text[s:e] for s, e in zip(sentence.starts, sentence.ends, strict=True)] == [
        token for token, _ in rows
    ]
    assert sentence.tags == repair([tag for _, tag in rows])
    words, tags = sentence.words()
    assert words == split_words(sentence.text).words
    assert len(entities_of(tags)) == len(entities_of(sentence.tags))
    assert sentence.gold_word_tags(tags) == sentence.tags
