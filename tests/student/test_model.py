from __future__ import annotations

import copy
import json
import pickle
import sys

import numpy as np
import pytest
import torch
from emissions import WORDS, emissions_of
from files import unusual_permissions
from safetensors import deserialize, safe_open
from safetensors.torch import load_file, save_file

from kdner import __version__
from kdner.errors import InputError
from kdner.student.model import Student
from kdner.student.network import Network
from kdner.student.saved import GENERAL, MODEL_FILES
from kdner.student.tagger import Tagger
from kdner.student.vocabulary import UNKNOWN
from kdner.student.word_features import WordFeatures
from kdner.text.words import SPLITTER_VERSION, split_words

heads = pytest.mark.parametrize("head", ["softmax", "crf"])
TEXTS = ["Anna flew to Paris. Tom won.", "", "Mary, of Rome\n\nRAIN IN BERLIN"]


@heads
def test_a_saved_student_comes_back(make_student, head, tmp_path):
    student = make_student(head, dropout=0.1, layers=2)
    student.save(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == set(MODEL_FILES)
    loaded = Student.from_pretrained(tmp_path)
    assert (loaded.config, loaded.vocabulary, loaded.labels) == (
        student.config,
        student.vocabulary,
        student.labels,
    )
    assert loaded.weights.keys() == student.weights.keys()
    assert all(np.array_equal(values, loaded.weights[name]) for name, values in student.weights.items())
    assert loaded.tag(TEXTS) == student.tag(TEXTS)


def test_folders_that_are_no_students(make_student, tmp_path):
    with pytest.raises(InputError, match=r"not a student: it has no config\.json"):
        Student.from_pretrained(tmp_path)
    make_student().save(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({**config, "model_type": "bert"}))
    with pytest.raises(InputError, match="model_type is not kdner-student"):
        Student.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({**config, "hidden": 7}))
    with pytest.raises(InputError, match=r"not the weights that config\.json .* another version of kdner"):
        Student.from_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({**config, "shape_dim": 8}))
    with pytest.raises(InputError, match=r"shape_dim is none of this version's settings .* another version of kdner"):
        Student.from_pretrained(tmp_path)
    (tmp_path / "vocabulary.json").unlink()
    with pytest.raises(InputError, match=r"it has no vocabulary\.json"):
        Student.from_pretrained(tmp_path)


def test_the_files_have_the_names_that_readers_expect(make_student, tmp_path):
    make_student("crf", layers=2).save(tmp_path)
    with safe_open(tmp_path / "model.safetensors", framework="pt") as file:
        assert sorted(file.keys()) == sorted(
            [
                *("words.weight", "characters.weight", "filters.weight", "filters.bias"),
                *(f"encoder.{k}.{name}" for k in (0, 1) for name in ("inputs", "recurrent", "bias")),
                *("output.weight", "output.bias"),
                *("crf.start_transitions", "crf.end_transitions", "crf.transitions"),
            ]
        )
    config = json.loads((tmp_path / "config.json").read_text())
    assert list(config)[:6] == ["model_type", "format_version", "kdner", "labels", "splitter", "language"]
    assert (config["model_type"], config["format_version"], config["kdner"]) == ("kdner-student", 1, __version__)


@heads
@pytest.mark.parametrize(("dtype", "version", "most"), [("float32", 1, 0), ("bfloat16", 1, 2**-8), ("int8", 2, 2**-7)])
def test_weights_in_each_type_come_back_about_as_they_were(make_student, head, dtype, version, most, tmp_path):
    student = make_student(head)
    student.save_pretrained(tmp_path, dtype=dtype)
    assert json.loads((tmp_path / "config.json").read_text())["format_version"] == version
    loaded = Student.from_pretrained(tmp_path)
    for name, values in loaded.weights.items():
        before = student.weights[name]
        largest = np.abs(before).max(axis=-1, keepdims=True)
        assert values.dtype == np.float32 and (np.abs(values - before) <= most * largest).all(), name
    loaded.save_pretrained(tmp_path / "again", dtype=dtype)
    for name in MODEL_FILES:
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / name).read_bytes()
    assert Tagger.from_pretrained(tmp_path).tag(TEXTS) == loaded.tag(TEXTS)


def test_a_word_table_in_int8_takes_a_byte_for_each_number_and_four_for_each_row(make_student, tmp_path):
    student = make_student()
    student.weights["words.weight"][3] = 0
    student.save(tmp_path, dtype="int8")
    content = dict(deserialize((tmp_path / "model.safetensors").read_bytes()))
    rows, width = student.weights["words.weight"].shape
    assert len(content["words.weight"]["data"]) == rows * width and len(content["words.scales"]["data"]) == 4 * rows
    assert {tensor["dtype"] for name, tensor in content.items() if not name.startswith("words.")} == {"BF16"}
    assert not Student.from_pretrained(tmp_path).weights["words.weight"][3].any()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"words.scales": None}, "words.weight is of type I8; expected what kdner writes, F32, BF16, F16, or I8 with"),
        ({"words.scales": torch.ones(7)}, "not the weights that"),
        ({"words.scales": torch.ones(22, dtype=torch.float16)}, "words.scales is of type F16"),
        ({"words.weight": torch.ones(22, 8)}, "words.weight is of type F32"),
        ({"output.weight": torch.ones(5, 24, dtype=torch.int8)}, "output.weight is of type I8"),
        ({"output.weight": torch.ones(5, 24, dtype=torch.float64)}, "output.weight is of type F64"),
        ({"output.scales": torch.ones(5)}, "not the weights that"),
    ],
)
def test_weights_of_types_that_kdner_does_not_write_are_refused(make_student, changes, message, tmp_path):
    make_student().save(tmp_path, dtype="int8")
    path = tmp_path / "model.safetensors"
    tensors = {name: values for name, values in {**load_file(path), **changes}.items() if values is not None}
    save_file(tensors, path)
    for read in (Student.from_pretrained, Tagger.from_pretrained):
        with pytest.raises(InputError, match=message):
            read(tmp_path)


GERMAN = "Anna traf am 3. Oktober Tom Brown."


def test_a_student_keeps_its_language_and_tags_with_it(make_student, tmp_path, caplog):
    student = make_student(seed=3)
    student.language = "de"
    student.save(tmp_path)
    loaded = Student.from_pretrained(tmp_path)
    assert loaded.language == "de" and not caplog.records
    tagger = Tagger(loaded)
    assert tagger.splitter.split([GERMAN]).lengths.tolist() == [len(split_words(GERMAN).words)]
    make_student().save(tmp_path)
    assert Student.from_pretrained(tmp_path).language == "en"


def test_a_student_of_another_splitter_tags_with_a_warning(make_student, tmp_path, caplog):
    make_student().save(tmp_path)
    path = tmp_path / "config.json"
    path.write_text(path.read_text().replace(f'"splitter": {SPLITTER_VERSION}', '"splitter": 1'))
    assert Student.from_pretrained(tmp_path).tag("Anna flew.") == make_student().tag("Anna flew.")
    (record,) = caplog.records
    assert (
        record.levelname == "WARNING" and "splitter 1" in record.getMessage() and str(tmp_path) in record.getMessage()
    )
    caplog.clear()


def test_texts_that_are_hard_wrapped_are_tagged_as_they_would_be_on_one_line(make_student):
    student, text = make_student(seed=3), "Tom Brown said Anna\nLee flew to Paris.\n\nMary met Omar in\nRome."
    places = [(e.start, e.end, e.label) for e in student.tag(text, hard_wrapped=True)]
    parts = text.split("\n\n")
    apart = [student.tag(part.replace("\n", " ")) for part in parts]
    offsets = (0, len(parts[0]) + 2)
    assert places == [(e.start + k, e.end + k, e.label) for k, part in zip(offsets, apart, strict=True) for e in part]


def test_weights_of_fewer_bits_say_so_where_pytorch_is_missing(make_student, monkeypatch, tmp_path):
    student = make_student()
    monkeypatch.setitem(sys.modules, "torch", None)
    for dtype in ("bfloat16", "int8"):
        with pytest.raises(InputError, match=rf"weights in {dtype} need PyTorch: pip install 'kdner\[torch\]'"):
            student.save_pretrained(tmp_path, dtype=dtype)
    student.save_pretrained(tmp_path)
    assert Student.from_pretrained(tmp_path).tag(TEXTS) == student.tag(TEXTS)


@heads
def test_a_student_becomes_a_network_and_comes_back(make_student, head):
    student = make_student(head, seed=3, layers=2)
    again = Network.of(student).saved()
    assert (again.config, again.vocabulary, again.labels) == (student.config, student.vocabulary, student.labels)
    assert all(np.array_equal(values, again.weights[name]) for name, values in student.weights.items())
    rows = [[0, 1, 2, 3], [9]]
    assert all(map(torch.equal, *(emissions_of(Network.of(one), rows) for one in (student, again))))


def test_a_student_stays_as_it_is_while_its_network_trains(make_student):
    student = make_student(seed=3)
    before = student.tag(TEXTS)
    network = Network.of(student)
    earlier = Student.of(network.saved())
    optimizer = torch.optim.AdamW([network.output.weight, network.output.bias], lr=0.3, fused=True)
    table = network.encode(WordFeatures.of(network.vocabulary, WORDS))
    network(table, torch.arange(len(WORDS)), np.array([len(WORDS)])).square().sum().backward()
    optimizer.step()
    assert Tagger(student).tag(TEXTS) == earlier.tag(TEXTS) == before
    assert Student.of(network.saved()).tag(TEXTS) == Tagger(network).tag(TEXTS) != before


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda student: pickle.loads(pickle.dumps(student))])
def test_a_copy_of_a_student_that_has_tagged_tags_the_same(make_student, duplicate):
    student = make_student(seed=3)
    assert student.tag(TEXTS) == duplicate(student).tag(TEXTS) != []


@pytest.mark.gpu
def test_a_network_is_tagged_with_on_the_device_that_it_is_on(make_network):
    network = make_network(seed=3).cuda()
    tagger = Tagger(network)
    assert tagger.dtype != "int16" and tagger.engine.device.type == "cuda"
    assert any(tagger.tag(TEXTS)) and any(Student.of(network.saved()).tag(TEXTS))


def test_what_a_student_has_learned_of_texts_is_no_part_of_it(make_student):
    student = make_student(seed=3)
    size = len(pickle.dumps(student))
    tagged = student.tag(TEXTS)
    assert len(pickle.dumps(student)) == size
    assert pickle.loads(pickle.dumps(student)).tag(TEXTS) == tagged


def test_all_whom_the_umask_lets_may_read_a_saved_student(make_student, umask, tmp_path):
    make_student().save(tmp_path)
    assert not unusual_permissions(tmp_path)


def test_a_student_of_before_there_were_pieces_tags_as_it_did(make_student, tmp_path, toy):
    student = make_student()
    sentences = [sentence.words()[0] for sentence in toy[:9]] + [["Zanzibar", "won"]]
    expected = Tagger(student).score_words(sentences)
    words = student.weights["words.weight"]  # as they were written then: known words had all of their vector
    words[UNKNOWN + 1 :] += words[UNKNOWN]
    student.save(tmp_path)
    path = tmp_path / "vocabulary.json"
    content = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({name: content[name] for name in ("words", "characters")}), encoding="utf-8")
    np.testing.assert_allclose(
        Tagger(Student.from_pretrained(tmp_path)).score_words(sentences), expected, rtol=1e-4, atol=1e-5
    )


def test_it_is_shown_in_a_line(make_student):
    student = make_student()
    assert repr(student) == f"Student(labels={student.labels}, parameters_count={student.parameters_count:,})"
    assert Student.read(GENERAL).tag("Ada Lovelace flew to Paris.")


@pytest.mark.parametrize("dtype", ["float16", "int16", None])
def test_types_of_weights_that_there_are_not(make_student, tmp_path, dtype):
    student = make_student()
    with pytest.raises(InputError, match="expected one of float32, bfloat16, int8"):
        student.save_pretrained(tmp_path, dtype=dtype)
    with pytest.raises(InputError, match="numeric type 'int8': expected one of int16, float32, bfloat16"):
        Tagger(student, dtype="int8")
    with pytest.raises(InputError, match="None: expected a folder"):
        Student.from_pretrained(None)
