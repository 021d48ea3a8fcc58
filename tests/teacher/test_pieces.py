from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

import kdner.teacher.pieces
from kdner.teacher.pieces import PieceTable
from kdner.teacher.tokenizers import leading_blank, load_tokenizer
from kdner.text.splitter import Sentences, Splitter
from kdner.text.words import split

SENTENCE = ["Anna", "Schmidt", "flew", ",", "to", "(", "Zürich", ")", "in", "1996", ".", "日", "🙂", "won't"]
bases = pytest.mark.parametrize("base", ["bert_base", "roberta_base", "deberta_base"])


def as_lists(windows):
    """Of each window its pieces, and the places in it of its words' first pieces."""
    ends, words = np.cumsum(windows.lengths), np.cumsum(windows.words)
    starts = ends - windows.lengths
    assert (windows.lengths > 0).all() and (windows.words > 0).all()
    assert ends[-1:].sum() == len(windows.pieces) and words[-1:].sum() == len(windows.firsts)
    pieces = np.split(windows.pieces, ends[:-1])
    firsts = np.split(windows.firsts, words[:-1])
    return [(p.tolist(), (f - s).tolist()) for p, f, s in zip(pieces, firsts, starts, strict=False)]


def one_by_one(tokenizer, sentences, most):
    """What the windows must be, word by word as transformers tokenizes them."""
    backend, blank = tokenizer.backend_tokenizer, leading_blank(tokenizer)
    before, after = [tokenizer.cls_token_id], [tokenizer.sep_token_id]
    unknown = tokenizer.unk_token_id
    windows = []
    for words in sentences:
        pieces, firsts = [], []
        for word in words:
            ids = backend.encode([blank + word], is_pretokenized=True, add_special_tokens=False).ids[: most - 2] or [
                unknown
            ]
            if firsts and len(pieces) + len(ids) > most - 2:
                windows.append((before + pieces + after, firsts))
                pieces, firsts = [], []
            firsts.append(len(pieces) + 1)
            pieces = pieces + ids
        if firsts:
            windows.append((before + pieces + after, firsts))
    return windows


@bases
def test_windows_are_what_the_tokenizer_makes_of_the_words(base, request):
    folder = request.getfixturevalue(base)
    table = PieceTable(load_tokenizer(folder), 40)
    tokenizer = AutoTokenizer.from_pretrained(folder, add_prefix_space=True)
    sentences = [SENTENCE[:7], SENTENCE[7:], ["Anna"], SENTENCE[::-1][:5]]
    expected = []
    for words in sentences:
        encoding = tokenizer(words, is_split_into_words=True)
        expected.append((encoding["input_ids"], [encoding.word_ids().index(i) for i in range(len(words))]))
    assert as_lists(table.windows(sentences)) == expected


@bases
@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(texts=st.lists(st.text(max_size=80), max_size=6), most=st.integers(4, 12))
def test_windows_of_any_text_are_those_of_each_word_alone(base, request, texts, most):
    tokenizer = load_tokenizer(request.getfixturevalue(base))
    sentences = [words for text in texts for words in (s.words for s in split(text))]
    expected = one_by_one(tokenizer, sentences, most)
    table, splitter = PieceTable(tokenizer, most), Splitter()
    assert as_lists(table.windows(sentences)) == expected
    words = splitter.split(texts)
    numbered = Sentences(splitter.types, words.types, words.lengths)
    assert list(numbered) == [numbered[s] for s in range(len(numbered))] == sentences
    assert as_lists(table.windows(numbered)) == expected


def test_words_learned_later_and_empty_sentences(roberta_base):
    tokenizer = load_tokenizer(roberta_base)
    table = PieceTable(tokenizer, 40)
    for sentences in ([], [[]], [["Anna"], [], ["flew", "Anna"]], [["Omar"], [], ["Anna", "Rome"]]):
        assert as_lists(table.windows(sentences)) == one_by_one(tokenizer, sentences, 40)


def test_a_table_forgets_words_before_they_are_too_many(bert_base, monkeypatch):
    monkeypatch.setattr(kdner.teacher.pieces, "MAX_TYPES", 3)
    tokenizer = load_tokenizer(bert_base)
    table = PieceTable(tokenizer, 40)
    for sentences in ([["Anna", "flew", "to", "Rome"]], [["Omar", "Anna"]], [["Tom", "won", "2-1"]]):
        assert as_lists(table.windows(sentences)) == one_by_one(tokenizer, sentences, 40)


@bases
def test_the_pieces_of_a_word_follow_one_another_in_it(base, request):
    tokenizer = load_tokenizer(request.getfixturevalue(base))
    table = PieceTable(tokenizer, 40)
    words = ["Anna", "Schmidt", "Parisrome", "2-1", "won"]
    for word, pieces in zip(words, table.spans(words), strict=True):
        assert {piece for piece, *_ in pieces} <= set(as_lists(table.windows([[word]]))[0][0][1:-1])
        assert "".join(word[begin:end] for _, begin, end in pieces) == word
