from __future__ import annotations

from dataclasses import replace

import pytest
from files import put_lines, put_parquet

from kdner.distillation.main_inputs import QUICKSTART, read_inputs
from kdner.errors import InputError
from kdner.flags import Corpus, LabeledSet
from kdner.student.config import StudentConfig


@pytest.fixture
def given(tmp_path, train_file, test_file, bert_base):
    """Give what the main job reads, all of it right."""
    corpus = put_lines(tmp_path / "corpus.txt", ["Anna left."])
    return {
        "labeled": LabeledSet(labeled=train_file, labeled_size=32),
        "corpus": Corpus(corpus=(corpus,)),
        "test": test_file,
        "teachers": (bert_base, f"features:{bert_base}"),
        "student": StudentConfig(),
        "vectors": "teacher",
        "out": str(tmp_path / "out"),
    }


def test_what_is_right_is_read(given):
    inputs = read_inputs(**given)
    assert len(inputs.rest) == 16 and inputs.plan.documents == 1


def test_what_a_later_step_would_refuse_is_refused_before_the_first_model_is_trained(tmp_path, given):
    narrow = put_lines(tmp_path / "narrow.txt", ["anna 1 2 3"])
    foreign = put_lines(tmp_path / "foreign.txt", ["zebra 1 2 3"])
    unlike = put_lines(tmp_path / "unlike.conll", ["Ada B-BOOK"])
    twice = put_parquet(tmp_path / "twice.parquet", {"id": [1, 1], "text": ["x", "y"]})
    for changes, message in [
        ({"vectors": str(tmp_path / "none.txt")}, r"none\.txt: no such file of word vectors"),
        ({"vectors": narrow}, r"narrow\.txt: vectors of width 3, narrower.*--student\.word-dim 3"),
        ({"vectors": foreign}, r"foreign\.txt: holds none of the [0-9]+ words"),
        ({"student": StudentConfig(max_parameters=1000)}, r"--student\.max-parameters 1000: no room"),
        ({"test": unlike}, r"unlike\.conll: .*'B-BOOK', which training never saw"),
        ({"test": ""}, r"--test: a labeled set.*--test-share 0\.2"),
        ({"labeled": replace(given["labeled"], test_share=0.2)}, r"--test: .*held out of the labeled set already"),
        ({"labeled": LabeledSet(labeled=QUICKSTART, test_share=0.2), "test": ""}, r"has its own test set"),
        ({"teachers": ()}, r"--teacher: at least one"),
        ({"teachers": ("nowhere/at/all",)}, r"nowhere/at/all: no such folder"),
        ({"corpus": Corpus(corpus=(twice,))}, r"documents share an id"),
        ({"corpus": Corpus(corpus=(str(tmp_path / "no.txt"),))}, r"no\.txt: no such file"),
        ({"corpus": Corpus(corpus=()), "labeled": replace(given["labeled"], labeled_size=None)}, r"nothing to distill"),
        ({"labeled": replace(given["labeled"], labeled_size=99)}, r"cannot draw 99 sentences"),
    ]:
        with pytest.raises(InputError, match=message):
            read_inputs(**{**given, **changes})


def test_a_test_set_may_be_held_out_of_the_labeled_set(given):
    labeled = replace(given["labeled"], labeled_size=None, test_sentences=10)
    inputs = read_inputs(**{**given, "labeled": labeled, "test": ""})
    assert inputs.test == labeled.labeled and inputs.labeled == labeled


def test_the_embedded_example_brings_its_own_test_set_and_corpus(given):
    labeled = LabeledSet(labeled=QUICKSTART)
    inputs = read_inputs(**{**given, "labeled": labeled, "corpus": Corpus(corpus=()), "test": ""})
    assert inputs.plan is not None and inputs.test
