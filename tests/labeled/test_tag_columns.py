from __future__ import annotations

import pytest

from kdner.errors import InputError
from kdner.flags import Layout
from kdner.labeled.sets import read_labeled

GERMEVAL = """1\tDie\tO\tO
2\tOslo\tB-ORG\tB-LOC
3\tBank\tI-ORG\tO

1\tMira\tB-PER\tO
"""
CONLL_U = """# text = zum Haus
1-2\tzum\t_\t_\t_
1\tzu\tADP\t_\tO
2\tdem\tDET\t_\tO
2.1\tleer\t_\t_\t_
3\tHaus\tNOUN\t_\tB-LOC
"""


@pytest.mark.parametrize(
    "token, tag, tags",
    [
        (2, 3, [["O", "B-ORG", "I-ORG"], ["B-PER"]]),
        (2, 4, [["O", "B-LOC", "O"], ["O"]]),
        (-3, -2, [["O", "B-ORG", "I-ORG"], ["B-PER"]]),
    ],
)
def test_columns_are_named_from_either_end(write, token, tag, tags):
    sentences = read_labeled(write("set.tsv", GERMEVAL), Layout(token_column=token, tag_column=tag))
    assert [s.text for s in sentences] == ["Die Oslo Bank", "Mira"]
    assert [s.tags for s in sentences] == tags


def test_parts_of_words_and_empty_nodes_of_conll_u_are_passed_over(write):
    (sentence,) = read_labeled(write("set.conllu", CONLL_U), Layout(token_column=2))
    assert (sentence.text, sentence.tags) == ("zu dem Haus", ["O", "O", "B-LOC"])


def test_chunks_beside_entities_are_no_rivals(write):
    (sentence,) = read_labeled(write("set.conll", "EU NNP I-NP I-ORG\nsays VBZ I-VP O\n"))
    assert sentence.tags == ["B-ORG", "O"]


def test_numbers_that_are_words_are_no_index(write):
    sentences = read_labeled(write("set.conll", "1 CD B-NUM\n2 CD B-NUM\n\none CD B-NUM\n"))
    assert [s.text for s in sentences] == ["1 2", "one"]


@pytest.mark.parametrize(
    "layout, message",
    [
        ({"tag_column": 5}, r"--tag-column 5: .*set\.tsv has 4 columns"),
        ({"token_column": -5}, r"--token-column -5: .*set\.tsv has 4 columns"),
        ({"token_column": 4}, r"--token-column 4 and --tag-column -1 are one column of 4"),
    ],
)
def test_columns_that_are_not_there_are_refused(write, layout, message):
    with pytest.raises(InputError, match=message):
        read_labeled(write("set.tsv", GERMEVAL), Layout(**layout))


@pytest.mark.parametrize("flag", ["token_column", "tag_column"])
def test_columns_are_counted_from_1(flag):
    with pytest.raises(InputError, match=f"--{flag.replace('_', '-')} 0: columns are counted from 1"):
        Layout(**{flag: 0})
