from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from files import unusual_permissions
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import AutoModelForTokenClassification, AutoTokenizer

from kdner.errors import InputError
from kdner.teacher.feature_tagger import FeatureTagger
from kdner.teacher.model import Teacher
from kdner.teacher.padded_batches import PaddedBatches
from kdner.text.words import split_words

LABELS = ["O", "B-PER", "I-PER"]
SENTENCE = ["Anna", "Schmidt", "flew", ",", "to", "(", "Zürich", ")", "in", "1996", ".", "日", "🙂", "won't"]

bases = pytest.mark.parametrize("base", ["bert_base", "roberta_base", "deberta_base"])


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
    together_by_size = []
    for batch_pieces in (None, 1):
        teacher.engine = PaddedBatches(teacher.model, teacher.tokenizer.pad_token_id, batch_pieces=batch_pieces)
        together_by_size.append(teacher.score(sentences))
    for together in together_by_size:
        for a, b, words in zip(alone, together, sentences, strict=True):
            assert a.shape == b.shape == (len(words), 3) and a.dtype == np.float32
            np.testing.assert_allclose(a, b, atol=1e-4)


@bases
def test_a_long_sentence_is_read_in_windows_and_each_word_scored_once(base, request):
    teacher = Teacher.untrained(request.getfixturevalue(base), LABELS)
    words = SENTENCE * 30
    windows = teacher.pieces.windows([words])
    assert len(windows.lengths) > 1 and windows.lengths.max() <= 40 and windows.words.sum() == len(words)
    ends = np.cumsum(windows.lengths)
    special = np.concatenate([ends - windows.lengths, ends - 1])
    alone = [teacher.pieces.windows([[word]]).pieces[1:-1] for word in words]
    assert np.delete(windows.pieces, special).tolist() == np.concatenate(alone).tolist()
    (logits,) = teacher.score([words])
    assert logits.shape == (len(words), 3) and np.isfinite(logits).all()
    first = int(windows.words[0])
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
    assert [len(pieces) > 0 for pieces in teacher.pieces.spans(words)] == [True, False, True]


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


def test_a_teacher_is_saved_without_pickle(teacher_folder):
    names = {path.suffix for path in Path(teacher_folder).iterdir()}
    assert names == {".json", ".safetensors"}


def test_a_folder_that_is_no_teacher(tmp_path, bert_base):
    with pytest.raises(InputError, match=r"not a teacher: it has no config\.json"):
        Teacher.load(tmp_path)
    with pytest.raises(InputError, match="id2label: not a tagger of entities"):
        Teacher.load(bert_base)


def test_all_whom_the_umask_lets_may_read_a_saved_teacher(bert_base, umask, make_network, tmp_path):
    teacher = Teacher.untrained(bert_base, LABELS)
    teacher.save(tmp_path / "teacher")
    (tmp_path / "features").mkdir()
    FeatureTagger(teacher, make_network()).save(tmp_path / "features")
    assert (tmp_path / "features" / "encoder" / "model.safetensors").is_file()
    assert not unusual_permissions(tmp_path)


@pytest.mark.parametrize("method", ["score", "score_words", "contextual_vectors", "tags"])
def test_sentences_of_any_kind_are_read_and_others_refused(teacher, method):
    function, sentences = getattr(teacher, method), [["Anna", "flew"], [], ["Tom"]]
    found = function((word for word in words) for words in sentences)
    for one, other in zip(found, function(sentences), strict=True):
        np.testing.assert_array_equal(one, other)
    for wrong, place in [
        (["Anna flew"], r"sentences\[0\] is a str"),
        ([["Anna", None]], r"sentences\[0\]\[1\] is None"),
    ]:
        with pytest.raises(InputError, match=place):
            function(wrong)
