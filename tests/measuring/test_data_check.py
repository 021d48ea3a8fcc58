from __future__ import annotations

import json

import pytest
from files import put_lines

from kdner.errors import InputError
from kdner.flags import Corpus, HeldOut, Layout
from kdner.measuring.data_check import check_data

TRAIN = "Ada B-PER\nleft O\nParis B-LOC\n\nBob B-PER\n\n"
NOTHING = Corpus(corpus=())


def checked(tmp_path, *, train="", test="", corpus=None):
    files = {"train.conll": train, "test.conll": test}
    for name, content in files.items():
        (tmp_path / name).write_text(content)
    for name, content in (corpus or {}).items():
        (tmp_path / "news").mkdir(exist_ok=True)
        (tmp_path / "news" / name).write_bytes(content)
    return check_data(
        Layout(),
        Corpus(corpus=(str(tmp_path / "news"),)) if corpus else NOTHING,
        labeled=str(tmp_path / "train.conll") if train else "",
        test=str(tmp_path / "test.conll") if test else "",
    )


def test_a_set_that_can_be_read_is_counted(tmp_path):
    (labeled,) = checked(tmp_path, train=TRAIN)
    assert labeled.holds == {"sentences": 2, "words": 4, "entities": 3} and labeled.refusal is None
    assert labeled.labels.entities == {"PER": 2, "LOC": 1}
    report = labeled.report()
    assert "2 sentences, 4 words, 3 entities" in report and "PER 2, LOC 1" in report and "REFUSED" not in report
    assert "odd: 2 types with fewer than 10 entities" in report


def test_every_source_is_refused_for_its_own_reason(tmp_path):
    labeled, test, corpus = checked(
        tmp_path, train="Ada B-PER\nleft\n", test="Ada PERSON\n", corpus={"a.txt": b"\0\1\2" * 99}
    )
    assert "train.conll:2" in labeled.refusal and not labeled.holds
    assert "test.conll:1" in test.refusal and "PERSON" in test.refusal
    assert "a.txt" in corpus.refusal
    assert all("REFUSED" in each.report() for each in (labeled, test, corpus))


def test_a_label_that_training_never_saw(tmp_path):
    _, test = checked(tmp_path, train=TRAIN, test="Rome B-GPE\n")
    assert "has the label 'B-GPE', which training never saw" in test.refusal and test.holds["sentences"] == 1


def test_what_test_and_training_share(tmp_path):
    _, test = checked(tmp_path, train=TRAIN, test=TRAIN)
    (remark,) = [r for r in test.remarks.found if r.what.startswith("sentences that are learned from")]
    assert (remark.where, remark.detail) == ("test.conll:1", "as train.conll:1")


def test_documents_are_looked_at(tmp_path):
    lines = [{"text": "Ada left."}, {"text": ""}, {"text": "half \ud83d of it"}]
    content = "\n".join(json.dumps(line) for line in lines).encode()
    (corpus,) = checked(tmp_path, corpus={"a.jsonl": content, "LICENSE": b"free", "b.xyz": b""})
    assert corpus.holds["documents"] == 3 and corpus.refusal is None
    counts = corpus.remarks.counts
    assert counts["documents without text"] == 1
    assert counts["characters that are no text, replaced by U+FFFD"] == 1
    assert counts["files passed over"] == 2


@pytest.mark.parametrize(
    ("words", "what"), [(32, "documents without text"), (10, "documents without text (of a sample)")]
)
def test_a_corpus_is_a_sample_only_where_documents_are_left_out(tmp_path, monkeypatch, words, what):
    monkeypatch.setattr("kdner.measuring.data_check.SAMPLE_WORDS", words)
    content = b"\n".join([b"", b"Extraordinary circumstances everywhere"] * 10) + b"\nend\n"
    (corpus,) = checked(tmp_path, corpus={"a.txt": content})
    assert corpus.holds["bytes of text"] > 2 * words and corpus.holds["documents"] == 21
    assert set(corpus.remarks.counts) == {what} and (corpus.remarks.counts[what] == 10) == (words == 32)


def test_json_holds_every_place(tmp_path):
    train = "".join(f"Ada B-PER\nleft O\nParis B-{'LOC' if k % 2 else 'ORG'}\n\n" for k in range(40))
    (labeled,) = checked(tmp_path, train=train)
    remarks = json.loads(json.dumps(labeled.as_json()))["remarks"]
    assert [remark["where"] for remark in remarks] == ["train.conll:5"]
    assert remarks[0]["what"] == "sentences of the same words as another, with other tags"


def test_a_held_out_test_set_is_looked_at_beside_the_rest(tmp_path):
    labeled = put_lines(tmp_path / "all.conll", ["Anna B-PER", "left O", ""] * 10)
    held_out = HeldOut(test_sentences=4)
    learned, tested = check_data(Layout(), NOTHING, labeled=labeled, held_out=held_out)
    assert (learned.holds["sentences"], tested.holds["sentences"]) == (6, 4)
    assert any("learned from, too" in what for what in tested.remarks.counts)
    with pytest.raises(InputError, match="give no --test"):
        check_data(Layout(), NOTHING, labeled=labeled, test=labeled, held_out=held_out)
