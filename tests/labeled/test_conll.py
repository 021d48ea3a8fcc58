from __future__ import annotations

import gzip

import pytest

from kdner.errors import InputError
from kdner.flags import Layout
from kdner.labeled.remarks import Remarks
from kdner.labeled.sets import labels_in, read_labeled

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


def test_bmes_is_read_like_bioes(write):
    (sentence,) = read_labeled(write("set.bmes", "米 B-PER\n拉 E-PER\n住 O\n奥 B-GPE\n斯 M-GPE\n陆 E-GPE\n挪 S-GPE\n"))
    assert sentence.tags == ["B-PER", "I-PER", "O", "B-GPE", "I-GPE", "I-GPE", "B-GPE"]


@pytest.mark.parametrize(
    "content, layout",
    [
        ("# id 77-1\tdomain=demo\nMira _ _ B-PER\nleft _ _ O\n\n# id 77-2\tdomain=demo\nRain _ _ O\n", Layout()),
        (
            "# global.columns = FORM NE\n# newdoc\n# text = Mira left O\nMira B-PER\nleft O\n\n# text = Rain\nRain O\n",
            Layout(),
        ),
        ("# text = x y O\nMira NNP I-NP I-NP _ B-PER\nleft V O O _ O\n\n# x = y z O\nRain N O O _ O\n", Layout()),
        (
            "#\thttp://example.invalid/a\t[2020-01-02]\n1\tMira\tB-PER\tO\n2\tleft\tO\tO\n\n#\thttp://example.invalid/b\t[2]\n"
            "1\tRain\tO\tO\n",
            Layout(token_column=2, tag_column=3),
        ),
    ],
    ids=["id", "CoNLL-U Plus", "comments that end as a tag", "GermEval"],
)  # fmt: skip
def test_comment_lines_are_passed_over_and_counted(write, content, layout):
    remarks = Remarks()
    sentences = read_labeled(write("set.conll", content), layout, remarks)
    assert [(s.text, s.tags) for s in sentences] == [("Mira left", ["B-PER", "O"]), ("Rain", ["O"])]
    assert remarks.counts == {"comment lines, passed over": content.count("#")}


def test_hash_is_a_word_where_it_has_a_tag(write):
    remarks = Remarks()
    (first, second) = read_labeled(
        write("set.conll", "# O\n1 O\nMira B-PER\n# O\n\n#Oslo B-LOC\n#a=b O\n"), Layout(), remarks
    )
    assert (first.text, second.text) == ("# 1 Mira #", "#Oslo #a=b")
    assert first.tags == ["O", "O", "B-PER", "O"] and second.tags == ["B-LOC", "O"] and not remarks.found


@pytest.mark.parametrize("row", ["\tO", " \tO", "  O"])
def test_rows_with_an_empty_token_are_passed_over_and_counted_where_their_tag_is_o(write, row, caplog):
    separator = "\t" if "\t" in row else " "
    remarks = Remarks()
    source = write(
        "set.conll",
        f"Mira B-PER\n{row}\nleft O\n\n{row}\n".replace(" B", separator + "B").replace("t O", f"t{separator}O"),
    )
    (sentence,) = read_labeled(source, Layout(), remarks)
    assert (sentence.text, sentence.tags) == ("Mira left", ["B-PER", "O"])
    assert remarks.counts == {"empty tokens, passed over": 2}
    assert "2 empty tokens, passed over: " in caplog.text and "set.conll:2" in caplog.text


def test_a_mark_at_any_line_start_goes(write):
    joined = f"-DOCSTART- O\n\nMira B-PER\n\n\ufeff{'-DOCSTART- O'}\n\nOslo B-LOC\n\n\ufeffRain O\n"
    sentences = read_labeled(write("set.conll", joined))
    assert [(s.document, s.text) for s in sentences] == [(0, "Mira"), (1, "Oslo"), (1, "Rain")]


def test_white_space_around_tags_goes_no_break_spaces_too(write):
    sentences = read_labeled(write("set.tsv", "Mira\tB-PER\xa0\nleft\tO\xa0\u3000\n\nOslo\tB-PER\n"))
    assert labels_in(sentences) == ["O", "B-PER", "I-PER"]


BAD = [
    (b"EU I-ORG\nrejects\n", r":2: 'rejects' has 1 column where the others have 2, such as line 1"),
    (b"EU\nrejects\n", r":1: 'EU' has too few columns"),
    (b"Mira,B-PER\nleft,O\n", r":1: columns are separated by ','; expected tabs or blanks"),
    (b"EU N B-NP I-ORG\nsays V O\nno V O O\n", r":2: 'says V O' has 3 columns where the others have 4, such as line 1"),
    (b"EU\tI-ORG\nsays\tO\t\nno\tO\n", r":2: .* has 3 columns where the others have 2, .*its last one is empty"),
    (b"EU\tI-ORG\nsays O\nno\tO\n", r":2: 'says O' is separated by blanks, but most rows by tabs, such as line 1"),
    (b"EU I-ORG\nsays\tO\nno O\n", r":2: .* is separated by tabs, but most rows by blanks, such as line 1"),
    (b"EU\tI-ORG\n\tB-ORG\n", r":2: the tag 'B-ORG' stands beside an empty token"),
    (b"EU I-ORG\nAnna PERSON\n", r":2: tag 'PERSON' belongs to no known scheme.*--tag-column"),
    (b"Anna B-PER\n\nAda B-Per\n", r":3: the label 'Per' differs from 'PER' \(.*set.conll:1\) only by case"),
    (b"Anna\tB-WORK OF ART\nAda\tB-WORKOFART\n", r":2: the label 'WORKOFART' differs from 'WORK OF ART'"),
    ("Anna B-PER\nAda B-P\u200bER\n".encode(), r":2: the label 'P\\u200bER' holds U\+200B \(ZERO WIDTH SPACE\)"),
    ("Anna\tB-P\xa0R\n".encode(), r":1: the label 'P\\xa0R' holds U\+00A0 \(NO-BREAK SPACE\)"),
    (b"Anna B-B-PER\n", r":1: the label 'B-PER' is a tag, not the name of an entity type"),
    (b"1 Anna N B-PER\n2 left V O\n\n1 Rain N O\n", r":1: the first column counts.*-column 2 and --tag-column 4"),
    (b"0\tAnna\tB-PER\tO\n1\tsaw\tO\tB-PER\n", r":1: the first column counts.*-column 2 and --tag-column 3 or 4"),
    (b"Anna B-PER O\nleft O O\n", r": column 3 holds O everywhere.*--tag-column 2\."),
    (b"Anna B-PER I-PER\nleft O O\n", r": several columns hold tags of PER.*--tag-column 2 or 3\."),
    (b"Anna B-PER x\nleft O y\n", r":1: 'x' in column 3 is no tag.*--tag-column 2\."),
    (b"B-PER Anna\nO left\n", r":1: 'Anna' in column 2 is no tag.*--tag-column 1\."),
    (b"#FORMAT=WebAnno TSV 3.3\n\n#Text=Anna\n1-1\t0-4\tAnna\tPER\n", "this is WebAnno TSV, .*INCEpTION.*export"),
    (b"T1\tPER 0 4\tAnna\n", "this is brat's standoff"),
    (b"<?xml version='1.0'?>\n<doc/>\n", "this is XML"),
    (b"EU I-ORG\n\nPel\xe9 I-PER\n", r":3: byte 13 \(0xe9\) is not UTF-8.*--encoding cp1252, which reads 'Pelé'"),
    (b"", "no sentences"),
    (b"-DOCSTART- O\n\n", "no sentences"),
    (b"EU O\n", "none of its 1 sentences holds an entity"),
    (gzip.compress(CONLL.encode(), mtime=0)[:-20], "cannot be read"),
]  # fmt: skip


@pytest.mark.parametrize("content, message", BAD, ids=lambda value: str(value)[:30])
def test_bad_columns_are_named_with_file_and_line(write, content, message):
    with pytest.raises(InputError, match=rf"set\.conll{message}" if message.startswith(":") else message):
        read_labeled(write("set.conll", content))


def test_rows_are_not_taken_for_comments_or_other_formats(write):
    rows = "<?xml\tO\n#\u00a0text\u00a0=\u00a0a\tB-LOC\nleft\tO\n\n# text =\tB-LOC\nleft\tO\n"
    sentences = read_labeled(write("set.conll", rows))
    assert [s.text for s in sentences] == ["<?xml #\u00a0text\u00a0=\u00a0a left", "# text = left"]


def test_marks_stand_before_documents_or_between_them(write):
    text = "Ada\tB-PER\n\nleft\tO\n\n-DOCSTART-\tO\n\nBob\tB-PER\n\nleft\tO\n\n-DOCSTART-\tO\n\nEve\tB-PER\n"
    for given in (text, f"-DOCSTART-\tO\n\n{text}"):
        assert [sentence.document for sentence in read_labeled(write("set.conll", given))] == [0, 0, 1, 1, 2]
