from __future__ import annotations

import numpy as np

from kdner.augmentation import MASK, augmented, parts_of_speech, replace_mentions
from kdner.labeled import read_labeled
from kdner.text import split

COLUMNS = "Anna NNP I-NP B-PER\nflew VBD I-VP O\nto TO I-PP O\nParis NNP I-NP B-LOC\n. . O O\n\n"
OTHER = "Otto NNP I-NP B-PER\nleft VBD I-VP O\nOslo NNP I-NP B-LOC\n. . O O\n\n"


def drawn(tmp_path):
    path = tmp_path / "train.conll"
    path.write_text(COLUMNS + OTHER)
    return path, read_labeled(str(path))


def test_words_are_replaced_by_others_of_the_same_part_of_speech_or_masked(tmp_path):
    path, sentences = drawn(tmp_path)
    parts = parts_of_speech(path)
    assert parts["Anna"] == parts["Oslo"] == "NNP" and parts["to"] == "TO"
    texts = augmented(sentences, parts, 200, np.random.default_rng(0))["text"].to_pylist()
    assert len(set(texts)) == len(texts) > 50
    whole = [text.split() for text in texts if len(text.split()) == 5]
    classes = [{"Anna", "Paris", "Otto", "Oslo", MASK}, {"flew", "left", MASK}, {"to", MASK}]
    assert all(word in own for words in whole for word, own in zip(words, classes, strict=False))
    assert any(MASK in words for words in whole) and any("left" in words for words in whole)
    assert min(len(text.split()) for text in texts) == 1
    assert [s.words for s in split(f"a {MASK} b")] == [["a", MASK, "b"]]


def test_mentions_are_replaced_by_mentions_of_the_same_name(tmp_path):
    _, sentences = drawn(tmp_path)
    replaced = replace_mentions(sentences, 1.0, np.random.default_rng(1))
    assert all(before.tags == after.tags for before, after in zip(sentences, replaced, strict=True))
    assert {after.text.split()[0] for after in replaced} <= {"Anna", "Otto"}
