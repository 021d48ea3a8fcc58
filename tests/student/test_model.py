from __future__ import annotations

import copy
import json
import pickle

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
from kdner.student.saved import MODEL_FILES
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
    assert not loaded.training
    rows = [[0, 1, 2, 3], [9]]
    assert all(map(torch.equal, emissions_of(student, rows), emissions_of(loaded, rows)))
    state = loaded.state_dict()
    assert all(torch.equal(tensor, state[name]) for name, tensor in student.state_dict().items())


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
    state, loaded = student.state_dict(), Student.from_pretrained(tmp_path)
    for name, values in loaded.state_dict().items():
        largest = state[name].abs().amax(dim=-1, keepdim=True)
        assert values.dtype == torch.float32 and ((values - state[name]).abs() <= most * largest).all(), name
    loaded.save_pretrained(tmp_path / "again", dtype=dtype)
    for name in MODEL_FILES:
        assert (tmp_path / "again" / name).read_bytes() == (tmp_path / name).read_bytes()
    assert Tagger.from_pretrained(tmp_path).tag(TEXTS) == loaded.tag(TEXTS)


def test_a_word_table_in_int8_takes_a_byte_for_each_number_and_four_for_each_row(make_student, tmp_path):
    student = make_student()
    with torch.no_grad():
        student.words.weight[3] = 0
    student.save(tmp_path, dtype="int8")
    content = dict(deserialize((tmp_path / "model.safetensors").read_bytes()))
    rows, width = student.words.weight.shape
    assert len(content["words.weight"]["data"]) == rows * width and len(content["words.scales"]["data"]) == 4 * rows
    assert {tensor["dtype"] for name, tensor in content.items() if not name.startswith("words.")} == {"BF16"}
    assert not Student.from_pretrained(tmp_path).words.weight[3].any()


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
    loaded.tag(GERMAN)
    assert loaded._kept[0].splitter.split([GERMAN]).lengths.tolist() == [len(split_words(GERMAN).words)]
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


def loss(student):
    device = student.output.weight.device
    table = student.encode(WordFeatures.of(student.vocabulary, WORDS).to(device))
    return student(table, torch.arange(len(WORDS), device=device), np.array([len(WORDS)])).square().sum()


def adamw_step(student):
    rest = [parameter for name, parameter in student.named_parameters() if name != "words.weight"]
    optimizer = torch.optim.AdamW(rest, lr=0.3, fused=True)
    loss(student).backward()
    optimizer.step()


def sparse_adam_step(student):
    optimizer = torch.optim.SparseAdam(student.row_parameters, lr=0.3)
    loss(student).backward()
    optimizer.step()


def negate(student):
    student.load_state_dict({name: -values for name, values in student.state_dict().items()})


def negate_by_other_tensors(student):
    student.load_state_dict({name: -values for name, values in student.state_dict().items()}, assign=True)


def edit_in_place(student):
    with torch.no_grad():
        student.output.bias[1] += 1


def edit_in_inference_mode(student):
    with torch.inference_mode():
        student.output.bias[1] += 1


def give_other_data(student):
    student.output.bias.data = student.output.bias.data + torch.arange(5.0)


def give_another_parameter(student):
    student.output.bias = torch.nn.Parameter(student.output.bias.detach() + torch.arange(5.0))


def round_to_bfloat16(student):
    student.to(torch.bfloat16).to(torch.float32)


@pytest.fixture
def engines(monkeypatch):
    """The taggers that students make for themselves."""
    taggers = []

    class Counted(Tagger):
        def __init__(self, *arguments, **options):
            super().__init__(*arguments, **options)
            taggers.append(self)

    monkeypatch.setattr("kdner.student.model.Tagger", Counted)
    return taggers


@pytest.mark.parametrize(
    "change",
    [
        adamw_step,
        sparse_adam_step,
        negate,
        negate_by_other_tensors,
        edit_in_place,
        edit_in_inference_mode,
        give_other_data,
        give_another_parameter,
        round_to_bfloat16,
    ],
)
def test_it_tags_with_the_weights_that_it_has(make_student, engines, change):
    student = make_student(seed=3)
    before = student.tag(TEXTS)
    assert any(before) and student.tag(TEXTS) == before and len(engines) == 1
    change(student)
    after = student.tag(TEXTS)
    assert len(engines) == 2
    assert after == Tagger(student).tag(TEXTS)
    if change is not round_to_bfloat16:  # which is too small a change, where the CPU computes in it
        assert after != before
    assert student.tag(TEXTS) == after and len(engines) == 2


def test_every_change_of_a_long_training_is_noticed(make_student, engines):
    student = make_student(seed=3)
    optimizer = torch.optim.AdamW([student.output.weight, student.output.bias], lr=0.1, fused=True)
    for step in range(1, 6):
        optimizer.zero_grad()
        loss(student).backward()
        optimizer.step()
        assert student.tag(TEXTS) == Tagger(student).tag(TEXTS) and len(engines) == step


def test_what_changes_no_weights_costs_no_new_engine(make_student, engines):
    student = make_student(seed=3)
    tagged = student.tag(TEXTS)
    for same in (student.train, student.eval, lambda: student.to(torch.float32), lambda: loss(student).backward()):
        same()
        assert student.tag(TEXTS) == tagged
    assert len(engines) == 1


def test_a_student_of_inference_mode_tags(make_student, engines, tmp_path):
    make_student(seed=3).save(tmp_path)
    with torch.inference_mode():
        student = Student.from_pretrained(tmp_path)
    tagged = student.tag(TEXTS)
    assert any(tagged) and student.tag(TEXTS) == tagged and len(engines) == 1
    with torch.inference_mode():
        student.output.bias = torch.nn.Parameter(student.output.bias + torch.arange(5.0), requires_grad=False)
    assert student.tag(TEXTS) == Tagger(student).tag(TEXTS) != tagged


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda student: pickle.loads(pickle.dumps(student))])
def test_a_copy_of_a_student_that_has_tagged_has_weights_of_its_own(make_student, duplicate):
    student = make_student(seed=3)
    tagged = student.tag(TEXTS)
    twin = duplicate(student)
    assert twin.tag(TEXTS) == tagged
    edit_in_place(twin)
    assert twin.tag(TEXTS) == Tagger(twin).tag(TEXTS) != tagged
    assert student.tag(TEXTS) == tagged


@pytest.mark.gpu
def test_it_tags_on_the_device_that_it_is_on(make_student, engines):
    student = make_student(seed=3)
    student.tag(TEXTS)
    student.cuda()
    student.tag(TEXTS)
    adamw_step(student)
    assert student.tag(TEXTS) == Tagger(student).tag(TEXTS)
    assert [tagger.dtype == "int16" for tagger in engines] == [True, False, False]
    assert [tagger.engine.device.type for tagger in engines[1:]] == ["cuda", "cuda"]


def test_a_student_tags_with_the_weights_that_it_has_after_training(make_student):
    student = make_student(seed=3)
    before = student.tag(TEXTS)
    student.train()
    with torch.no_grad():
        student.output.weight.neg_()
        student.output.bias.neg_()
    student.eval()
    assert student.tag(TEXTS) == Tagger(student).tag(TEXTS) != before


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
    with (
        torch.no_grad()
    ):  # as it was written then: known words had all of their vector, and the unknown one stood alone
        student.words.weight[UNKNOWN + 1 :] += student.words.weight[UNKNOWN]
    student.save(tmp_path)
    path = tmp_path / "vocabulary.json"
    content = json.loads(path.read_text("utf-8"))
    path.write_text(json.dumps({name: content[name] for name in ("words", "characters")}), encoding="utf-8")
    np.testing.assert_allclose(
        Tagger(Student.from_pretrained(tmp_path)).score_words(sentences), expected, rtol=1e-4, atol=1e-5
    )
