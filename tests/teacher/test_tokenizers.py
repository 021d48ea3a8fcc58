from __future__ import annotations

import json
import shutil
import struct
from pathlib import Path

import pytest
from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import (
    BertConfig,
    BertModel,
    CanineTokenizer,
    DebertaV2Config,
    DebertaV2Model,
    PreTrainedTokenizerFast,
)

import kdner.teacher.tokenizers
from kdner.errors import InputError
from kdner.teacher.model import Teacher
from kdner.teacher.tokenizers import check_encoder, leading_blank, load_tokenizer

LABELS = ["O", "B-PER", "I-PER"]
WORDS = ["Anna", "Schmidt", "flew", "to", "Rome"]
SHAPE = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2, "intermediate_size": 32}
SPECIAL = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
NAMES = {"bos_token": "<s>", "pad_token": "<pad>", "eos_token": "</s>", "unk_token": "<unk>", "mask_token": "<mask>"}


def byte_level(**options):
    return pre_tokenizers.ByteLevel(add_prefix_space=False, **options)


def gpt4():
    """The pre-tokenizer of later byte-level models: a pattern cuts, and bytes are only renamed."""
    return pre_tokenizers.Sequence(
        [pre_tokenizers.Split(Regex(r" ?\p{L}+| ?\p{N}+|\s+"), "isolated"), byte_level(use_regex=False)]
    )


@pytest.fixture
def write_encoder(tmp_path, toy_texts):
    """Write a tiny BERT with a tokenizer of the generic class, as many are on the hub."""

    def write(pre_tokenizer, *, normalizer=None, names=NAMES, post=True):
        is_bytes = not isinstance(pre_tokenizer, pre_tokenizers.Metaspace)
        alphabet = pre_tokenizers.ByteLevel.alphabet() if is_bytes else []
        tokenizer = Tokenizer(models.BPE(unk_token=None if is_bytes else "<unk>"))
        tokenizer.pre_tokenizer = pre_tokenizer
        if normalizer:
            tokenizer.normalizer = normalizer
        trainer = trainers.BpeTrainer(
            vocab_size=400, show_progress=False, special_tokens=SPECIAL, initial_alphabet=alphabet
        )
        tokenizer.train_from_iterator([f"x {text}" for text in toy_texts], trainer)
        if post:
            tokenizer.post_processor = processors.TemplateProcessing(
                single="<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 2)]
            )
        tokenizer.decoder = decoders.ByteLevel()
        PreTrainedTokenizerFast(tokenizer_object=tokenizer, **names).save_pretrained(tmp_path / "encoder")
        BertModel(BertConfig(vocab_size=tokenizer.get_vocab_size(), **SHAPE)).save_pretrained(tmp_path / "encoder")
        return str(tmp_path / "encoder")

    return write


def pieces_of(folder, words=WORDS):
    """The pieces of words, without the special ones around them, and those of the words as running text."""
    teacher = Teacher.untrained(folder, LABELS)
    tokens = teacher.tokenizer.convert_ids_to_tokens(teacher.pieces.windows([words]).pieces.tolist())
    backend = teacher.tokenizer.backend_tokenizer
    in_text = backend.encode(f"x {' '.join(words)}", add_special_tokens=False).tokens
    first = backend.encode("x", add_special_tokens=False).tokens
    return tokens, in_text[len(first) :]


@pytest.mark.parametrize(
    ("pre_tokenizer", "blank"),
    [
        (byte_level(), " "),
        (pre_tokenizers.ByteLevel(add_prefix_space=True), ""),
        (gpt4(), " "),
        (pre_tokenizers.Metaspace(prepend_scheme="never"), " "),
        (pre_tokenizers.Metaspace(prepend_scheme="first"), ""),
        (pre_tokenizers.Metaspace(prepend_scheme="always"), ""),
    ],
    ids=["bytes", "bytes with a blank", "pattern", "never", "first", "always"],
)
def test_words_have_the_pieces_that_they_have_in_running_text(write_encoder, pre_tokenizer, blank):
    folder = write_encoder(pre_tokenizer)
    check_encoder(folder)
    assert leading_blank(load_tokenizer(folder)) == blank
    (first, *tokens, last), in_text = pieces_of(folder)
    assert tokens == in_text and (first, last) == ("<s>", "</s>")
    assert "".join(tokens)[0] in "\u0120\u2581"


def test_a_tokenizer_that_loses_the_blank_of_words_alone_is_refused(write_encoder):
    folder = write_encoder(byte_level(), normalizer=normalizers.Strip(left=True, right=False))
    with pytest.raises(InputError, match="makes other pieces of words that come alone than of running text") as refusal:
        check_encoder(folder)
    assert folder in str(refusal.value) and "'Anna Anna'" in str(refusal.value)


def test_a_tokenizer_without_special_pieces_around_a_sentence(write_encoder):
    tokens, in_text = pieces_of(write_encoder(byte_level(), post=False))
    assert tokens == in_text


def test_words_without_pieces_are_unknown_or_masked(write_encoder):
    names = {name: piece for name, piece in NAMES.items() if name != "unk_token"}
    folder = write_encoder(pre_tokenizers.ByteLevel(), names=names, normalizer=normalizers.Replace("\u00e9", ""))
    assert pieces_of(folder, ["\u00e9"])[0] == ["<s>", "<mask>", "</s>"]


def test_a_tokenizer_without_padding_is_refused(write_encoder):
    folder = write_encoder(byte_level(), names={"unk_token": "<unk>"})
    with pytest.raises(InputError, match="its tokenizer has no padding token") as refusal:
        check_encoder(folder)
    assert "pad_token" in str(refusal.value) and "tokenizer_config.json" in str(refusal.value)


def test_a_tokenizer_without_a_fast_form_is_refused(tmp_path):
    CanineTokenizer().save_pretrained(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "canine"}))
    (tmp_path / "model.safetensors").write_text("")
    with pytest.raises(InputError, match=r"its tokenizer \(CanineTokenizer\) has no fast form"):
        check_encoder(str(tmp_path))


def test_an_encoder_without_safetensors_is_refused_before_work_starts(bert_base, tmp_path):
    folder = Path(shutil.copytree(bert_base, tmp_path / "copy"))
    (folder / "model.safetensors").unlink()
    with pytest.raises(InputError, match=r"no file named model\.safetensors"):
        check_encoder(str(folder))


def test_a_vocabulary_file_is_enough(bert_base, tmp_path):
    folder = Path(shutil.copytree(bert_base, tmp_path / "copy"))
    vocabulary = json.loads((folder / "tokenizer.json").read_text("utf-8"))["model"]["vocab"]
    (folder / "vocab.txt").write_text("\n".join(sorted(vocabulary, key=vocabulary.get)), "utf-8")
    (folder / "tokenizer.json").unlink()
    check_encoder(str(folder))
    assert pieces_of(str(folder)) == pieces_of(bert_base)


def field(number, content):
    """A field of a protobuf message: bytes, or a number."""
    if isinstance(content, int):
        return bytes([number << 3, content])
    return bytes([number << 3 | 2, len(content)]) + content


@pytest.fixture
def sentencepiece_only(tmp_path):
    """A DeBERTa as v3 is published: a SentencePiece model, and no tokenizer.json."""
    kinds = {"[PAD]": 3, "[CLS]": 3, "[SEP]": 3, "[UNK]": 2}
    pieces = [*kinds, "\u2581Anna", "\u2581flew", "\u2581to", "\u2581Rome", "\u2581", *"Anaflewtomor"]
    message = b"".join(
        field(1, field(1, piece.encode()) + b"\x15" + struct.pack("<f", -i / 10) + field(3, kinds.get(piece, 1)))
        for i, piece in enumerate(dict.fromkeys(pieces))
    )
    (tmp_path / "spm.model").write_bytes(message + field(2, field(3, 1)))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": False, "vocab_type": "spm"}))
    shape = {**SHAPE, "max_position_embeddings": 42, "type_vocab_size": 0, "vocab_size": 40}
    DebertaV2Model(DebertaV2Config(**shape)).save_pretrained(tmp_path)
    return str(tmp_path)


def test_a_sentencepiece_model_names_the_extra_that_reads_it(sentencepiece_only, monkeypatch):
    monkeypatch.setattr(kdner.teacher.tokenizers, "find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'kdner\[sentencepiece\]'") as refusal:
        check_encoder(sentencepiece_only)
    assert "spm.model" in str(refusal.value) and "tiktoken" not in str(refusal.value)


def test_a_sentencepiece_model_is_read_with_the_extra(sentencepiece_only):
    pytest.importorskip("sentencepiece")
    check_encoder(sentencepiece_only)
    tokens, in_text = pieces_of(sentencepiece_only, ["Anna", "flew", "to", "Rome"])
    assert tokens == ["[CLS]", *in_text, "[SEP]"] and in_text[0] == "\u2581Anna"
