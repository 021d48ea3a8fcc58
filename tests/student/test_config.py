from __future__ import annotations

import json
from dataclasses import asdict, fields, replace

import pytest

from kdner.errors import InputError
from kdner.student.config import PRESETS, StudentConfig
from kdner.student.model import Student
from kdner.student.network import Network
from kdner.student.vocabulary import Vocabulary


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_gives_what_nothing_else_gives(name):
    shape = StudentConfig(preset=name, hidden=64, head="crf")
    assert shape == StudentConfig(**{**PRESETS[name], "hidden": 64, "head": "crf"})
    assert all(type(getattr(shape, number)) is int for number in PRESETS[name])
    assert set(PRESETS[name]) == set(PRESETS["base"]) <= {field.name for field in fields(StudentConfig)}


def test_a_number_that_is_given_stays_where_it_is_the_default_too():
    assert StudentConfig(preset="tiny", hidden=PRESETS["base"]["hidden"]).hidden == PRESETS["base"]["hidden"]


def test_a_shape_is_its_numbers_whatever_they_come_from():
    assert StudentConfig() == StudentConfig(preset="base") == StudentConfig(**PRESETS["base"])
    tiny = StudentConfig(preset="tiny")
    assert replace(tiny, head="crf") == StudentConfig(preset="tiny", head="crf")
    assert asdict(tiny) == {**asdict(StudentConfig()), **PRESETS["tiny"]}


def test_a_preset_that_would_change_nothing_is_refused():
    with pytest.raises(InputError, match=r"--student\.preset large: has nothing to give, .*--student\.max-parameters"):
        replace(StudentConfig(), preset="large")


def test_a_saved_student_has_numbers_and_no_preset(tmp_path):
    config = StudentConfig(preset="tiny", max_parameters=400_000)
    Network(config, Vocabulary(("a",), ("a",)), ["O"]).saved().save(tmp_path)
    saved = json.loads((tmp_path / "config.json").read_text("utf-8"))
    assert "preset" not in saved and saved.items() >= {**PRESETS["tiny"], "max_parameters": 400_000}.items()
    assert Student.from_pretrained(tmp_path).config == config
