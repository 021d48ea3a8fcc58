from __future__ import annotations

from dataclasses import replace

import pytest

from kdner.errors import InputError
from kdner.labeled.sets import read_labeled
from kdner.on_ray.trials import study_fingerprint
from kdner.runs.fingerprint import differences
from kdner.student.config import PRESETS
from kdner.study.specs import StudentSpec, TeacherSpec, check


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("minilm", ("minilm", False, None, 0)),
        ("features:minilm#2", ("features:minilm", False, None, 2)),
        ("/models/bert@/sets/wiki gold.conll#3", ("/models/bert", False, "/sets/wiki gold.conll", 3)),
        ("fixed:my_module:Class", ("my_module:Class", True, None, 0)),
    ],
)
def test_names_of_teachers(name, expected):
    spec = TeacherSpec.read(name)
    assert (spec.source, spec.fixed, spec.labeled, spec.seed) == expected


def test_names_of_students(study):
    spec = StudentSpec.read(
        "pseudo-labels,head=crf,temperature=1,batch-words=200,learning_rate=1e-3,loss=mse,teachers=1", study
    )
    assert spec.recipe == replace(
        study.distillation, alpha=1.0, temperature=1, batch_words=200, loss="mse", learning_rate=1e-3
    )
    assert spec.shape == replace(study.student, head="crf") and spec.teachers == (1,)
    assert StudentSpec.read("both", study).recipe == study.distillation
    spec = StudentSpec.read("both,hidden=64,preset=large,head=crf", study)  # in any order
    assert spec.shape == replace(study.student, **{**PRESETS["large"], "hidden": 64, "head": "crf"})
    shares = [StudentSpec.read(f"both{change}", study).development_share for change in ("", ",development_share=0")]
    assert shares == [study.development_share, 0]
    spec = StudentSpec.read("nlp-architect,epochs=2", study)
    assert (spec.recipe.epochs, spec.recipe.schedule, spec.transfer, spec.vectors) == (
        2,
        "constant",
        "rest",
        "random",
    )


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("gold", "'gold' is none of labeled, pseudo-labels, distillation, both, nlp-architect"),
        ("both,width=3", "unknown key 'width'"),
        ("both,shape=3", "unknown key 'shape'"),
        ("both,teachers=3", "there are 2 teachers"),
        ("both,transfer=gold", "transfer is one of all, rest, corpus"),
        ("both,temperature=0", "must be above 0"),
        ("both,head=hmm", "head is one of softmax, crf"),
        ("both,preset=huge", "preset is one of tiny, base, large"),
        ("both,epochs=many", "epochs is a number"),
        ("both,epochs=1.5", "epochs is a number"),
        ("both,teachers=1-2", "teachers are numbers"),
    ],
)
def test_names_that_mean_nothing(study, name, message):
    with pytest.raises(InputError, match=message):
        StudentSpec.read(name, study)


def test_a_password_in_a_teachers_name_is_not_kept(study, labels, monkeypatch):
    for function in ("check_model", "model_fingerprint"):
        monkeypatch.setattr(f"kdner.study.specs.{function}", lambda _: {})
    monkeypatch.setattr("kdner.study.specs.model_labels", lambda _: labels)
    identities = check(
        replace(study, teachers=("fixed:s3://key:secret@bucket/teacher",), students=("both",)), sizes=[12]
    )
    assert list(identities) == ["fixed:s3://bucket/teacher"]


def test_what_a_trial_would_refuse_is_refused_before_any(study, write):
    other = write("other.conll", "Ada B-BOOK\n")
    for changes, message in [
        ({"teachers": (f"{study.teachers[0]}@{other}",)}, r"other\.conll: .*'B-BOOK', which training never saw"),
        ({"teachers": (f"{study.teachers[0]}@none.conll",)}, r"none\.conll"),
        ({"students": ("both,max_parameters=1000",)}, r"--student\.max-parameters 1000: no room for word vectors"),
        ({"students": ("both,transfer=corpus",), "corpus": None}, r"transfer=corpus: there is nothing to learn from"),
        ({"teachers": ("fixed:./nowhere",), "students": ("labeled",)}, r"\./nowhere: no such folder"),
    ]:
        with pytest.raises(InputError, match=message):
            check(replace(study, **changes), sizes=[12])


def test_where_all_sentences_are_drawn_only_a_corpus_is_left_to_learn_from(study):
    sentences = len(read_labeled(study.labeled))
    with pytest.raises(InputError, match=r"both,transfer=rest: there is nothing to learn from .* give a --corpus, or"):
        check(replace(study, students=("both,transfer=rest",)), sizes=[12, sentences])


def test_the_order_of_the_teachers_is_part_of_a_study(study):
    teachers = check(study, [12])
    other = replace(study, teachers=study.teachers[::-1])
    (line,) = differences(study_fingerprint(study, teachers), study_fingerprint(other, check(other, [12])))
    assert line.startswith("order_of_teachers: there")
