"""The teacher: a Hugging Face encoder with a token-classification head, from words to logits.

Shapes: B windows in a batch, S pieces of a window, N words of all sentences, W words of one sentence, L labels,
H hidden size of the encoder. The logits of a word are those of its first piece, in training, precomputing and
evaluation alike.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from itertools import accumulate, chain
from pathlib import Path
from typing import Any

import numpy as np
import torch

from kdner.device import best_device, best_dtype
from kdner.errors import InputError
from kdner.labels.decoding import best_legal_tags
from kdner.runs.storage import give_usual_permissions, local_folder
from kdner.teacher.encoder import (
    ENCODER_FILES,
    encoder_path,
    load_classifier,
    load_tokenizer,
    longest_window,
    quiet_transformers,
)
from kdner.teacher.pieces import PieceTable, Window, batch_windows
from kdner.text.given import listed_sentences, listed_texts

MODEL_FILES = ENCODER_FILES
"""Files of a teacher directory that decide what the teacher computes."""
BATCH_PIECES = {"cpu": 2048, "cuda": 16384}
"""Pieces in one forward pass: on a CPU 512 to 2048 were best (BERT-base, bfloat16); on a GPU it is a guess."""
VECTOR_LAYERS = 4
"""Last layers whose mean is the contextual vector of a word, as in the feature-based BERT (Devlin et al. 2019)."""


class Teacher:
    """A token classifier with its tokenizer and label list, on one device, in one numeric type."""

    def __init__(self, model: Any, tokenizer: Any, *, device: torch.device | None = None) -> None:
        self.model = model
        self.tokenizer = tokenizer
        self.device = device or best_device()
        self.labels: list[str] = [model.config.id2label[i] for i in range(model.config.num_labels)]
        self.pieces = PieceTable(tokenizer, longest_window(model.config, tokenizer))

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
        model = load_classifier(str(folder))
        model.to(device, dtype or best_dtype(device)).eval()
        return cls(model, load_tokenizer(str(folder)), device=device)

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
        model = load_classifier(path, **options)
        device = best_device()
        return cls(model.float().to(device), load_tokenizer(path), device=device)

    @property
    def parameters(self) -> int:
        """Count the model's parameters."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    def score(self, sentences: Iterable[Iterable[str]], *, batch_pieces: int | None = None) -> list[np.ndarray]:
        """Return float32 logits [W, L] for each sentence; see `score_words`."""
        sentences = listed_sentences(sentences)
        ends = list(accumulate(len(words) for words in sentences))
        return np.split(self.score_words(sentences, batch_pieces=batch_pieces), ends[:-1]) if ends else []

    def score_words(self, sentences: Iterable[Iterable[str]], *, batch_pieces: int | None = None) -> np.ndarray:
        """Return float32 logits [N, L] of all N words of all sentences, in order.

        They stay on the device until all batches are done.

        Args:
            sentences: words as the splitter gives them; any length.
            batch_pieces: pieces in one forward pass, padding included, by default what the device is fastest with.
                Does not change the result beyond rounding.

        Raises:
            InputError: they are no sentences of words; the message names the place.
        """
        sentences = listed_sentences(sentences)
        return self._at_first_pieces(sentences, lambda output: output.logits, len(self.labels), batch_pieces)

    def contextual_vectors(self, sentences: Iterable[Iterable[str]]) -> np.ndarray:
        """Return float32 [N, H]: for each word, read in its sentence, the mean of the encoder's last layers."""
        sentences = listed_sentences(sentences)

        def mean_of_layers(output: Any) -> torch.Tensor:
            return torch.stack(output.hidden_states[-VECTOR_LAYERS:]).mean(dim=0)

        return self._at_first_pieces(sentences, mean_of_layers, self.width, None, output_hidden_states=True)

    @property
    def width(self) -> int:
        """The hidden size H of the encoder."""
        return int(self.model.config.hidden_size)

    def _at_first_pieces(
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
        selected = torch.empty((int(ends[-1]) if windows else 0, width), device=self.device)
        batch_pieces = batch_pieces or BATCH_PIECES[self.device.type]
        with torch.inference_mode():
            for batch in batch_windows([len(window.pieces) for window in windows], batch_pieces):
                batched = [windows[k] for k in batch]
                pieces, mask = self.padded(batched)
                out_bsw = select(self.model(input_ids=pieces, attention_mask=mask, **options))
                rows = np.repeat(np.arange(len(batch)), [len(window.firsts) for window in batched])
                columns = np.concatenate([window.firsts for window in batched])
                places = np.concatenate([np.arange(ends[k] - len(windows[k].firsts), ends[k]) for k in batch])
                row, column, place = (torch.from_numpy(a).to(self.device) for a in (rows, columns, places))
                selected[place] = out_bsw[row, column].float()
        return selected.cpu().numpy()

    def tags(self, sentences: Iterable[Iterable[str]]) -> list[list[str]]:
        """Return the best legal labels of each sentence."""
        sentences = listed_sentences(sentences)
        return best_legal_tags(self.score_words(sentences), sentences, self.labels)

    def word_embeddings(self, words: Iterable[str]) -> np.ndarray:
        """Return float32 [words, H]: for each word the mean of its piece embeddings."""
        words = listed_texts(words, "words")
        table = self.model.get_input_embeddings().weight.detach().float().cpu().numpy()
        pieces = self.pieces.pieces_of(words)
        counts = np.array([len(word_pieces) for word_pieces in pieces])
        flat = np.fromiter(chain.from_iterable(pieces), dtype=np.int64, count=counts.sum())
        sums = np.add.reduceat(table[flat], np.concatenate([[0], np.cumsum(counts)[:-1]]), axis=0)
        return sums / counts[:, None]

    def save(self, folder: str | Path) -> None:
        """Write a Hugging Face model directory, safetensors only."""
        with quiet_transformers():
            self.model.save_pretrained(folder)
        give_usual_permissions(Path(folder).glob("*.safetensors"))
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
