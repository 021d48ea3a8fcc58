"""The student's network: word vectors, a character CNN and a bidirectional LSTM under a softmax or a CRF head.

After Izsak et al. (arXiv 1910.06294) and Chiu and Nichols (2016), with vectors of the teacher's pieces (XtremeDistil).

Shapes: B sentences, N words of all, T distinct words, C characters of a word, D features of a word, H hidden, L labels.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Self, cast

import numpy as np
import torch
from torch import nn

from kdner.device import mind_forks
from kdner.errors import InputError
from kdner.labels import crf
from kdner.labels.decoding import Grammar, best_legal_labels
from kdner.labels.packing import Packing
from kdner.student.character_cnn import answers_by_place, highest_answers
from kdner.student.config import StudentConfig
from kdner.student.dropout import Dropout
from kdner.student.lstm import BidirectionalLSTM
from kdner.student.saved import SavedStudent
from kdner.student.vocabulary import PADDING, Vocabulary
from kdner.student.word_features import WordFeatures
from kdner.text.abbreviations import DEFAULT_LANGUAGE

if TYPE_CHECKING:
    from torchcrf import CRF


class Network(nn.Module):
    """A student in PyTorch, which trains: an LSTM-CNN with its vocabulary and label list, from words to labels."""

    def __init__(
        self,
        config: StudentConfig,
        vocabulary: Vocabulary,
        labels: list[str],
        *,
        language: str = DEFAULT_LANGUAGE,
        vector_width: int | None = None,
    ) -> None:
        """Make a network with random weights.

        Args:
            config: its shape.
            vocabulary: the words and characters that it knows.
            labels: the label list; its order is that of the logits.
            language: of the texts that its words are from.
            vector_width: width of the vectors that are read in place of word ids; None for a table of word vectors.
        """
        super().__init__()
        mind_forks()
        self.config, self.vocabulary, self.labels, self.language = config, vocabulary, labels, language
        self.words = (
            nn.EmbeddingBag(vocabulary.word_rows, config.word_dim, mode="sum", padding_idx=PADDING, sparse=True)
            if vector_width is None
            else nn.Linear(vector_width, config.word_dim)
        )
        self.characters = nn.Embedding(vocabulary.character_rows, config.character_dim, padding_idx=PADDING)
        self.filters = nn.Conv1d(
            config.character_dim,
            config.character_filters,
            config.character_width,
            padding=config.character_width // 2,
        )
        self.encoder = nn.ModuleList(
            BidirectionalLSTM(self.word_features if layer == 0 else 2 * config.hidden, config.hidden)
            for layer in range(config.layers)
        )
        self.output = nn.Linear(2 * config.hidden, len(labels))
        self.crf: CRF | None = None
        if config.head == "crf":
            from torchcrf import CRF  # here, so that a machine that only scores need not have it

            self.crf = CRF(len(labels), batch_first=True)
        self.grammar = Grammar(labels)
        self.dropout = Dropout(config.dropout)

    @classmethod
    def of(cls, student: SavedStudent) -> Self:
        """Return the network of a student, with a copy of its weights, ready for inference."""
        network = cls(student.config, student.vocabulary, student.labels, language=student.language)
        network.load_state_dict({name: torch.from_numpy(values) for name, values in student.weights.items()})
        return network.eval()

    @property
    def on_cpu(self) -> bool:
        """Tell whether it computes on the CPU."""
        return self.output.weight.device.type == "cpu"

    def saved(self) -> SavedStudent:
        """Return it as a `SavedStudent`, with a copy of its weights."""
        weights = {name: values.detach().float().cpu().numpy().copy() for name, values in self.state_dict().items()}
        return SavedStudent(self.config, self.vocabulary, self.labels, self.language, weights)

    @property
    def word_features(self) -> int:
        """The width D of what `encode` returns."""
        return self.config.word_dim + self.config.character_filters

    @property
    def row_parameters(self) -> list[nn.Parameter]:
        """The parameters of which a step changes only the rows of the words that it reads."""
        return list(self.words.parameters()) if isinstance(self.words, nn.EmbeddingBag) else []

    @property
    def parameters_count(self) -> int:
        """Count the student's parameters, word vectors included."""
        return sum(parameter.numel() for parameter in self.parameters())

    def encode(self, features: WordFeatures) -> torch.Tensor:
        """Return what depends on a word alone: its vector and characters, [T, D]."""
        answers = answers_by_place(self.characters.weight, self.filters.weight)
        highest_tf = highest_answers(answers, features.characters, self.config.character_width)
        filtered_tf = (highest_tf + cast("torch.Tensor", self.filters.bias)).relu()
        return torch.cat([self.word_vectors(features), filtered_tf], dim=1)

    def word_vectors(self, features: WordFeatures) -> torch.Tensor:
        """Return the mean of the vectors of a word's pieces, and its own vector added; [T, word_dim]."""
        if isinstance(self.words, nn.Linear):
            return cast("torch.Tensor", self.words(features.words))
        real_tp = (features.pieces != PADDING).to(self.words.weight.dtype)
        shares_tp = real_tp / real_tp.sum(dim=1, keepdim=True)
        rows = torch.cat([features.pieces, features.words[:, None]], dim=1)
        weights = torch.cat([shares_tp, torch.ones_like(shares_tp[:, :1])], dim=1)
        return cast("torch.Tensor", self.words(rows, per_sample_weights=weights))

    def forward(self, table: torch.Tensor, index: torch.Tensor, lengths: np.ndarray) -> torch.Tensor:
        """Return emissions [N, L], which are logits for a softmax head.

        Args:
            table: [T, D] from `encode`.
            index: int64 [N], the row of each word, sentence by sentence.
            lengths: int64 [B], the words of each sentence, at least 1; sums to N.
        """
        packing = Packing(lengths, table.device)
        rows: torch.Tensor | None = index
        x = table
        for layer in self.encoder:
            x, rows = layer(self.dropout(x), rows, packing), None
        return self.output(self.dropout(x))

    def decode(self, emissions: torch.Tensor, counts: Sequence[int]) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the best labels that fit together, int64 [N], and their probabilities [N].

        Args:
            emissions: [N, L], packed as `kdner.labels.crf` says.
            counts: sentences that have a t-th word, for each t.
        """
        if self.crf is None:
            labels = best_legal_labels(emissions, counts, self.grammar)
            chosen = emissions.gather(1, labels[:, None])
            return labels, (emissions - chosen).exp_().sum(dim=1).reciprocal_()
        chain = self.grammar.restrict(self.crf)
        labels = crf.viterbi(chain, emissions, counts)
        return labels, crf.marginals(chain, emissions, counts).gather(1, labels[:, None])[:, 0]

    def logits(self, emissions: torch.Tensor, counts: Sequence[int]) -> torch.Tensor:
        """Return [N, L] whose softmax is the probability of each label; a CRF's are logarithms of its marginals.

        A CRF's are those among the sequences that IOB2 allows. The arguments are those of `decode`.
        """
        if self.crf is None:
            return emissions
        return crf.marginals(self.grammar.restrict(self.crf), emissions, counts).clamp_min(1e-9).log()


def vocabulary_budget(config: StudentConfig, labels: list[str], characters: int) -> int:
    """Return how many words and pieces the vocabulary may hold within `config.max_parameters`."""
    bare = Network(config, Vocabulary((), tuple(chr(i) for i in range(characters))), labels)
    budget = (config.max_parameters - bare.parameters_count) // config.word_dim
    if budget < 1:
        raise InputError(
            f"--student.max-parameters {config.max_parameters}: no room for word vectors; the rest of the student "
            f"takes {bare.parameters_count}. Lower --student.hidden or raise the limit."
        )
    return budget
