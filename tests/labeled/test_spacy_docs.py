from __future__ import annotations

import sys

import pytest
from files import entity_texts

from kdner.errors import InputError
from kdner.labeled.remarks import Remarks
from kdner.labeled.sets import read_labeled


def test_a_doc_bin_is_named_where_spacy_is_not_installed(write, monkeypatch):
    monkeypatch.setitem(sys.modules, "spacy.tokens", None)
    with pytest.raises(InputError, match=r"set\.spacy: is a DocBin, which spaCy reads: pip install 'kdner\[spacy\]'"):
        read_labeled(write("set.spacy", b"x"))


def test_a_doc_bin_is_read(tmp_path):
    spacy = pytest.importorskip("spacy")
    nlp = spacy.blank("en")
    docs = [nlp("Mira moved to Oslo. It rained."), nlp("Nobody looked."), nlp("Rain.")]
    docs[0].ents = [docs[0].char_span(0, 4, "PER"), docs[0].char_span(14, 18, "LOC")]
    docs[2].ents = []
    spacy.tokens.DocBin(docs=docs, store_user_data=True).to_disk(tmp_path / "train.spacy")
    remarks = Remarks()
    sentences = read_labeled(str(tmp_path / "train.spacy"), remarks=remarks)
    assert [s.text for s in sentences] == ["Mira moved to Oslo.", "It rained.", "Rain."]
    assert entity_texts(sentences) == [("Mira", "PER"), ("Oslo", "LOC")]
    assert [s.id for s in sentences] == ["train.spacy:1:0", "train.spacy:1:20", "train.spacy:3:0"]
    assert remarks.counts == {"documents without annotated entities, left out": 1}


@pytest.mark.parametrize("content", [b"", b"no DocBin", b"x\x9c\x03\x00\x00\x00\x00\x01"])
def test_a_broken_doc_bin_is_named(write, content):
    pytest.importorskip("spacy")
    with pytest.raises(InputError, match=r"set\.spacy: cannot be read as spaCy's DocBin"):
        read_labeled(write("set.spacy", content))


def test_a_missing_doc_bin_is_named(tmp_path):
    pytest.importorskip("spacy")
    with pytest.raises(InputError, match=r"gone\.spacy: no such file"):
        read_labeled(str(tmp_path / "gone.spacy"))


def test_documents_of_which_a_part_is_labeled_are_left_out_and_counted(tmp_path):
    spacy = pytest.importorskip("spacy")
    nlp = spacy.blank("en")
    docs = [nlp("Mira met Bob in Oslo."), nlp("Ada left.")]
    docs[0].set_ents([docs[0].char_span(0, 4, "PER")], default="missing")
    docs[1].set_ents([docs[1].char_span(0, 3, "PER")])
    spacy.tokens.DocBin(docs=docs).to_disk(tmp_path / "train.spacy")
    remarks = Remarks()
    assert [s.text for s in read_labeled(str(tmp_path / "train.spacy"), remarks=remarks)] == ["Ada left."]
    assert list(remarks.counts.values()) == [1] and "nobody has set" in str(remarks.counts)
