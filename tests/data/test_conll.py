from __future__ import annotations

import gzip

import pytest

from kdner.data.labeled_sets import labels_in, read_labeled
from kdner.errors import InputError

CONLL = """-DOCSTART- -X- O O

EU NNP I-NP I-ORG
rejects VBZ I-VP O
German JJ I-NP I-MISC
call NN I-NP O

Peter NNP I-NP I-PER
Blackburn NNP I-NP I-PER

-DOCSTART- -X- O O
U.S. NNP I-NP I-LOC
LONDON NNP I-NP B-LOC
"""


def test_conll_columns(write):
    sentences = read_labeled(write("eng.train", CONLL))
    assert [s.id for s in sentences] == ["eng.train:3", "eng.train:8", "eng.train:12"]
    assert [s.document for s in sentences] == [0, 0, 1]
    assert sentences[0].text == "EU rejects German call"
    assert (sentences[0].starts, sentences[0].ends) == ([0, 3, 11, 18], [2, 10, 17, 22])
    assert [s.tags for s in sentences] == [
        ["B-ORG", "O", "B-MISC", "O"],
        ["B-PER", "I-PER"],
        ["B-LOC", "B-LOC"],
    ]
    assert labels_in(sentences) == [
        "O",
        "B-LOC",
        "I-LOC",
        "B-MISC",
        "I-MISC",
        "B-ORG",
        "I-ORG",
        "B-PER",
        "I-PER",
    ]


@pytest.mark.parametrize(
    "content",
    [
        CONLL.encode().replace(b"\n", b"\r\n"),
        b"\xef\xbb\xbf" + CONLL.encode(),
        gzip.compress(CONLL.encode()),
        CONLL.rstrip("\n").encode(),
        CONLL.replace(" ", "\t").encode(),
        CONLL.replace(" ", "  ").encode(),
        CONLL.replace("\n\n", " \n \t\n\n").encode(),
        CONLL.encode() + b"\n\n",
    ],
    ids=["crlf", "byte order mark", "gzip", "no last newline", "tabs", "two blanks", "blank lines", "end"],
)
def test_conll_in_any_dress(write, content):
    plain = read_labeled(write("plain.conll", CONLL))
    dressed = read_labeled(write("dressed.conll", content))
    assert [(s.document, s.text, s.tags) for s in dressed] == [(s.document, s.text, s.tags) for s in plain]


def test_a_set_without_docstart_has_a_document_a_sentence(write):
    sentences = read_labeled(write("set.bio", "Anna\tB-PER\n\nleft\tO\n\nParis\tB-LOC"))
    assert [s.document for s in sentences] == [0, 1, 2]


def test_tab_separated_tokens_may_hold_blanks_and_no_break_spaces(write):
    (sentence,) = read_labeled(write("set.tsv", "New York\tB-LOC\n10\xa0000\tO\n"))
    assert sentence.text == "New York 10\xa0000" and sentence.tags == ["B-LOC", "O"]
    assert sentence.words() == (["New", "York", "10", "000"], ["B-LOC", "I-LOC", "O", "O"])
    (sentence,) = read_labeled(write("set.conll", "10\xa0000 B-NUM\n"))
    assert sentence.text == "10\xa0000"


@pytest.mark.parametrize(
    "content, message",
    [
        (b"EU I-ORG\nrejects\n", r"set\.conll:2: 'rejects' has too few columns"),
        (b"EU\tI-ORG\n\tO\n", r"set\.conll:2: .* has too few columns"),
        (b"EU I-ORG\nAnna PERSON\n", r"set\.conll:2: tag 'PERSON' belongs to no known scheme"),
        (b"EU I-ORG\n\nPel\xe9 I-PER\n", r"set\.conll:3: byte 13 \(0xe9\) is not UTF-8"),
        (b"", "no sentences"),
        (b"-DOCSTART- O\n\n", "no sentences"),
        (b"EU O\n", "none of its 1 sentences holds an entity"),
        (gzip.compress(CONLL.encode())[:-20], "cannot be read"),
    ],
)
def test_bad_columns_are_named_with_file_and_line(write, content, message):
    with pytest.raises(InputError, match=message):
        read_labeled(write("set.conll", content))
