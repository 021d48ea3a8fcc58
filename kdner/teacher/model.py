"""The teacher: a Hugging Face encoder with a token-classification head, from words to logits.

Shapes: N words of all sentences, W words of one sentence, L labels, H hidden size of the encoder. The logits of a word
are those of its first piece, in training, precomputing and evaluation alike.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from functools import cached_property
from itertools import accumulate
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from kdner.device import best_device, best_dtype
from kdner.errors import InputError
from kdner.labels.decoding import best_legal_tags
from kdner.labels.folding import Folding
from kdner.runs.storage import give_usual_permissions
from kdner.teacher.encoder import (
    load_classifier,
    longest_window,
    model_folder,
    quiet_transformers,
)
from kdner.teacher.padded_batches import PaddedBatches
from kdner.teacher.pieces import PieceTable
from kdner.teacher.tokenizers import load_tokenizer
from kdner.text.given import listed_sentences

if TYPE_CHECKING:
    from kdner.teacher.packed_rows import PackedRows  # imported where much is scored only: it takes 3 s
    from kdner.teacher.packed_runs import PackedRuns

SCHEME = "tag_scheme"
"""Key of config.json for the scheme of the labels, where it is known: `IOB2` in teachers that are fine-tuned here."""

_COMPUTING = Lock()
"""Held by the thread that gives a process's device work, whichever teacher's: a GPU may be recording a graph."""


class Teacher:
    """A token classifier with its tokenizer and label list, on one device, in one numeric type.

    Any number of threads may score with it: one prepares while another computes.
    """

    def __init__(self, model: Any, tokenizer: Any, *, first_position: int | None = None, in_bulk: bool = False) -> None:
        """Join a model and its tokenizer.

        Args:
            model: on its device, in its numeric type.
            tokenizer: a fast one.
            first_position: what `first_position_in_rows` says of the model; by default it is not packed.
            in_bulk: whether there will be so much to score that it pays to compile the model for a GPU first.
        """
        self.model = model
        self.tokenizer = tokenizer
        self.device: torch.device = model.device
        self.labels: list[str] = [model.config.id2label[i] for i in range(model.config.num_labels)]
        self.longest_window = longest_window(model, tokenizer)
        self.pieces = PieceTable(tokenizer, self.longest_window)
        self._first_position, self._in_bulk = first_position, in_bulk
        self._preparing = Lock()

    @classmethod
    def load(
        cls,
        source: str | Path,
        *,
        device: torch.device | None = None,
        dtype: torch.dtype | None = None,
        in_bulk: bool = False,
    ) -> Teacher:
        """Load a token classifier for scoring, with safetensors weights.

        Args:
            source: a Hugging Face model directory or its URI, or a name of the hub.
            device: by default a GPU, where there is one.
            dtype: by default what the device is fastest at.
            in_bulk: whether there will be so much to score that it pays to find out whether the model can be packed,
                and to compile it for a GPU.

        Raises:
            InputError: there is no such model, or it is no tagger.
        """
        folder = str(model_folder(str(source)))
        cls.read_labels(source)
        device = device or best_device()
        dtype = dtype or best_dtype(device)
        model = load_classifier(folder).float().eval()
        first_position = None
        if in_bulk and (device.type == "cpu" or dtype in (torch.bfloat16, torch.float16)):
            from kdner.teacher.packed_rows import first_position_in_rows

            first_position = first_position_in_rows(model)
        return cls(model.to(device, dtype), load_tokenizer(folder), first_position=first_position, in_bulk=in_bulk)

    @staticmethod
    def read_labels(source: str | Path) -> list[str]:
        """Read a teacher's labels, of whatever scheme, without its weights.

        Raises:
            InputError: there is no such model, or it is no tagger.
        """
        path = model_folder(str(source)) / "config.json"
        if not path.is_file():
            raise InputError(
                f"{source}: not a teacher: it has no config.json. Expected a Hugging Face token classifier."
            )
        names = json.loads(path.read_text("utf-8")).get("id2label") or {}
        labels = [names[key] for key in sorted(names, key=int)]
        Folding(labels, f"{source}/config.json: id2label")
        return labels

    @classmethod
    def untrained(cls, base: str, labels: Sequence[str]) -> Teacher:
        """Put a new head for a label list on an encoder, in float32, for fine-tuning.

        Args:
            base: `minilm`, a model directory, or a name on the Hugging Face hub.
            labels: the label list; its order is the order of the logits.
        """
        path = str(model_folder(base))
        names = {
            "id2label": dict(enumerate(labels)),
            "label2id": {label: i for i, label in enumerate(labels)},
        }
        # An encoder that was fine-tuned on other labels comes with a head of another size.
        options = {"num_labels": len(labels), "ignore_mismatched_sizes": True, **names}
        model = load_classifier(path, **options)
        setattr(model.config, SCHEME, "IOB2")
        return cls(model.float().to(best_device()), load_tokenizer(path))

    @property
    def scheme(self) -> str | None:
        """The scheme of the labels, where it is known."""
        return getattr(self.model.config, SCHEME, None)

    @property
    def parameters(self) -> int:
        """Count the model's parameters."""
        return sum(parameter.numel() for parameter in self.model.parameters())

    def score(self, sentences: Iterable[Iterable[str]]) -> list[np.ndarray]:
        """Return float32 logits [W, L] for each sentence; see `score_words`."""
        sentences = listed_sentences(sentences)
        ends = list(accumulate(len(words) for words in sentences))
        return np.split(self.score_words(sentences), ends[:-1]) if ends else []

    def score_words(self, sentences: Iterable[Iterable[str]], *, dtype: torch.dtype = torch.float32) -> np.ndarray:
        """Return logits [N, L] of all N words of all sentences, in order.

        Args:
            sentences: words as the splitter gives them; any length. `kdner.text.splitter.Sentences` are prepared
                without an object per word.
            dtype: of the logits, whatever the teacher computes in.

        Raises:
            InputError: they are no sentences of words; the message names the place.
        """
        sentences = listed_sentences(sentences)
        return self._at_first_pieces(sentences, lambda output: output.logits, len(self.labels), dtype)

    def contextual_vectors(self, sentences: Iterable[Iterable[str]]) -> np.ndarray:
        """Return float32 [N, H]: for each word, read in its sentence, the mean of all layers, embeddings included.

        Each vector has a root mean square of 1. Of encoders that were trained to embed sentences the last layers know
        least of words: with MiniLM-L6 and 300 sentences of CoNLL-2003, a tagger over the last layer is 11 points of F1
        below one over the last four, and that one below one over all.
        """
        sentences = listed_sentences(sentences)

        def mean_of_layers(output: Any) -> torch.Tensor:
            mean = torch.stack(output.hidden_states).mean(dim=0, dtype=torch.float32)
            return torch.nn.functional.rms_norm(mean, mean.shape[-1:])

        return self._at_first_pieces(sentences, mean_of_layers, self.width, torch.float32, output_hidden_states=True)

    @property
    def width(self) -> int:
        """The hidden size H of the encoder."""
        return int(self.model.config.hidden_size)

    @cached_property
    def engine(self) -> PackedRows | PackedRuns | PaddedBatches:
        """What runs the model over windows: packed, where there is much to score and the model can be packed."""
        if self._first_position is None:
            fixed_up_to = self.longest_window if self._in_bulk and self.device.type == "cuda" else None
            return PaddedBatches(self.model, self.tokenizer.pad_token_id, fixed_up_to=fixed_up_to)
        if self.device.type == "cpu":
            from kdner.teacher.packed_runs import PackedRuns

            return PackedRuns(self.model, self._first_position)
        from kdner.teacher.packed_rows import PackedRows

        return PackedRows(self.model, self._first_position, self.longest_window)

    def _at_first_pieces(
        self,
        sentences: Sequence[Sequence[str]],
        select: Callable[[Any], torch.Tensor],
        width: int,
        dtype: torch.dtype,
        **options: bool,
    ) -> np.ndarray:
        """Return [N, width]: what is selected of the model's output at each word's first piece."""
        with self._preparing:
            windows = self.pieces.windows(sentences)
        with _COMPUTING:
            selected = self.engine(windows, width, select, dtype, **options)
            if self.device.type == "cpu":
                return selected.numpy()
            on_host = torch.empty(selected.shape, dtype=dtype, pin_memory=True)
            on_host.copy_(selected, non_blocking=True)
            copied = torch.cuda.Event()
            copied.record()
        copied.synchronize()
        return on_host.numpy()

    def tags(self, sentences: Iterable[Iterable[str]]) -> list[list[str]]:
        """Return the best legal labels of each sentence."""
        sentences = listed_sentences(sentences)
        return best_legal_tags(self.score_words(sentences), sentences, self.labels)

    @property
    def piece_embeddings(self) -> np.ndarray:
        """The embedding of each piece of the tokenizer, float32 [pieces, width of an embedding]."""
        table: np.ndarray = self.model.get_input_embeddings().weight.detach().float().cpu().numpy()
        return table

    def save(self, folder: str | Path) -> None:
        """Write a Hugging Face model directory, safetensors only."""
        with quiet_transformers():
            self.model.save_pretrained(folder)
        give_usual_permissions(Path(folder).glob("*.safetensors"))
        self.tokenizer.save_pretrained(folder)
