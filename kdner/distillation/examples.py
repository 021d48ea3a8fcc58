"""Training examples for the student: the labeled set and the transfer set as flat arrays, cut into batches.

Shapes: S sentences of a set, B of a batch, N words in all, T distinct words, L labels. Words of a sentence follow one
another.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import torch

from kdner.errors import InputError
from kdner.labeled.sentence import LabeledSentence
from kdner.labels.decoding import best_legal_ids
from kdner.labels.tags import check_same_labels
from kdner.runs.fingerprint import differences
from kdner.runs.run_directory import RunDirectory
from kdner.student.vocabulary import Vocabulary
from kdner.student.word_features import WordFeatures
from kdner.text.abbreviations import DEFAULT_LANGUAGE
from kdner.text.words import SPLITTER_VERSION

JOINED = ("corpus", "splitter", "language", "hard_wrapped")
"""Keys that must be equal in the fingerprints of run directories whose rows are joined."""
BUFFER_WORDS = 8_000_000
"""Words of the transfer set held in memory and shuffled together; about 26 bytes each with 9 labels."""


@dataclass(frozen=True, slots=True)
class Batch:
    """Sentences of one step; their words are rows of `features`, which holds each distinct word once."""

    features: WordFeatures  # [T]
    index: torch.Tensor  # int64 [N]
    lengths: np.ndarray  # int64 [B]
    tags: torch.Tensor  # int64 [N], label ids: gold, or the teacher's best by IOB2
    logits: torch.Tensor | None  # float32 [N, L] of the teacher; None on gold sentences

    def to(self, device: torch.device) -> Batch:
        """Copy to a device."""
        logits = None if self.logits is None else self.logits.to(device)
        return Batch(self.features.to(device), self.index.to(device), self.lengths, self.tags.to(device), logits)


@dataclass(frozen=True, slots=True)
class Examples:
    """Sentences for training, as flat arrays."""

    features: WordFeatures  # [T]
    index: np.ndarray  # int64 [N], rows of features
    starts: np.ndarray  # int64 [S + 1]; sentence s is words starts[s] to starts[s + 1]
    tags: np.ndarray  # int64 [N]
    logits: np.ndarray | None  # float16 [N, L]

    @property
    def words(self) -> int:
        """Count the words."""
        return len(self.index)

    def share(self, rank: int, workers: int) -> np.ndarray:
        """Return the numbers of the sentences that one of several workers trains on, at least one for each."""
        sentences = len(self.starts) - 1
        return np.arange(rank % max(1, sentences), sentences, workers)

    def batches(self, words: int, rng: np.random.Generator, chosen: np.ndarray) -> Iterator[Batch]:
        """Yield the chosen sentences once, in random batches of about `words` words and of alike lengths."""
        lengths = np.diff(self.starts)[chosen]
        blurred = lengths * rng.uniform(0.9, 1.1, len(lengths))
        order = np.argsort(blurred, kind="stable")
        cuts = np.flatnonzero(np.diff(np.cumsum(lengths[order]) // words)) + 1
        parts = np.split(chosen[order], cuts)
        for p in rng.permutation(len(parts)):
            yield self._batch(parts[p])

    def _batch(self, sentences: np.ndarray) -> Batch:
        first = self.starts[sentences]
        lengths = self.starts[sentences + 1] - first
        words = np.arange(lengths.sum()) + np.repeat(first - (np.cumsum(lengths) - lengths), lengths)
        types, index = np.unique(self.index[words], return_inverse=True)
        logits = None if self.logits is None else torch.from_numpy(self.logits[words].astype(np.float32))
        return Batch(
            self.features.take(torch.from_numpy(types)),
            torch.from_numpy(index),
            lengths,
            torch.from_numpy(self.tags[words]),
            logits,
        )


def labeled_examples(sentences: Sequence[LabeledSentence], vocabulary: Vocabulary, labels: Sequence[str]) -> Examples:
    """Turn a labeled set into examples with gold tags."""
    ids = {label: i for i, label in enumerate(labels)}
    split = [sentence.words() for sentence in sentences]
    split = [(words, tags) for words, tags in split if words]
    flat = pa.array([word for words, _ in split for word in words], pa.string()).dictionary_encode()
    return Examples(
        WordFeatures.of(vocabulary, flat.dictionary.to_pylist()),
        flat.indices.to_numpy().astype(np.int64),
        _starts([len(words) for words, _ in split]),
        np.array([ids[tag] for _, tags in split for tag in tags], dtype=np.int64),
        None,
    )


class TransferSet:
    """The logits that `precompute_logits` left in one or several run directories over one corpus, read shard by shard.

    It holds the documents that have logits in all of them; their logits are the weighted mean over all teachers.
    """

    def __init__(self, folders: Sequence[str], weights: Sequence[float] = ()) -> None:
        self.runs = [RunDirectory.finished_at(folder) for folder in folders]
        manifests = [run.manifest() for run in self.runs]
        self.labels: list[str] = manifests[0].get("labels") or []
        self.teachers: list[int] = [manifest.get("teachers", 0) for manifest in manifests]
        self.language: str = manifests[0]["fingerprint"].get("language", DEFAULT_LANGUAGE)
        for folder, manifest, count in zip(folders, manifests, self.teachers, strict=True):
            if not count:
                raise InputError(f"{folder}: holds no logits. Expected what precompute_logits writes.")
            version = manifest["fingerprint"].get("splitter", SPLITTER_VERSION)
            if version != SPLITTER_VERSION:
                raise InputError(
                    f"{folder}: its words are those of splitter {version}, and a student's are those of splitter "
                    f"{SPLITTER_VERSION}. Score the corpus again, into another --out, or distill with the version of "
                    "kdner that scored it."
                )
            check_same_labels(self.labels, manifest["labels"], folders[0], folder)
            made = (m["fingerprint"] for m in (manifests[0], manifest))
            first, joined = ({key: one[key] for key in JOINED if key in one} for one in made)
            if lines := differences(first, joined):
                raise InputError(
                    f"{folders[0]} and {folder} do not join row by row: they differ in\n  " + "\n  ".join(lines[:5])
                )
        self.weights = np.array(weights or [1.0] * sum(self.teachers), np.float32)
        if len(self.weights) != sum(self.teachers) or self.weights.min() < 0 or not self.weights.sum() > 0:
            raise InputError(
                f"--logits-weights {' '.join(map(str, weights))}: expected a number of 0 or more for each of the "
                f"{sum(self.teachers)} teachers, not all 0"
            )
        self.weights /= self.weights.sum()

    @cached_property
    def words(self) -> int:
        """Count the words of the transfer set."""
        tables = (first for first, *_ in self._joined(["sentence_words"]))
        return sum(pc.sum(_flatten(table["sentence_words"])).as_py() or 0 for table in tables)

    def counts(self) -> Counter[str]:
        """Count each distinct word of the transfer set."""
        counts: Counter[str] = Counter()
        for first, *_ in self._joined(["words"]):
            words, times = pc.value_counts(_flatten(first["words"])).flatten()
            counts.update(dict(zip(words.to_pylist(), times.to_pylist(), strict=True)))
        return counts

    def examples(self, vocabulary: Vocabulary, order: np.random.Generator) -> Iterator[Examples]:
        """Yield the transfer set once, in parts of about `BUFFER_WORDS` words, shards in the order that is drawn."""
        part: list[tuple[pa.Array, pa.Array, np.ndarray]] = []
        words = 0
        files = self.runs[0].files
        shuffled = [files[i] for i in order.permutation(len(files))]
        for tables in self._joined(["words", "sentence_words", "logits"], shuffled):
            part.append((_flatten(tables[0]["words"]), _flatten(tables[0]["sentence_words"]), self._mean(tables)))
            words += len(part[-1][0])
            if words >= BUFFER_WORDS:
                yield self._examples(part, vocabulary)
                part, words = [], 0
        if words:
            yield self._examples(part, vocabulary)

    def _joined(self, columns: list[str], files: Sequence[str] | None = None) -> Iterator[list[pa.Table]]:
        """Yield shard by shard a table of each run directory, of the documents that have logits in all of them."""
        for tables in zip(*(run.tables(["id", "error", *columns], files=files) for run in self.runs), strict=True):
            if any(not table["id"].equals(tables[0]["id"]) for table in tables[1:]):
                raise InputError(f"{', '.join(run.path for run in self.runs)}: their ids differ; make them again")
            good = reduce(pc.and_, (pc.is_null(table["error"]) for table in tables))
            yield [table.filter(good).select(columns) for table in tables]

    def _mean(self, tables: list[pa.Table]) -> np.ndarray:
        """Return the weighted mean of all teachers' logits, float16 [N, L]."""
        flat = (_flatten(table["logits"]).to_numpy(zero_copy_only=False) for table in tables)
        shapes = [(-1, count, len(self.labels)) for count in self.teachers]
        logits_ntl = np.concatenate([values.reshape(shape) for values, shape in zip(flat, shapes, strict=True)], axis=1)
        if len(self.weights) == 1:
            return logits_ntl[:, 0]
        return np.einsum("ntl,t->nl", logits_ntl.astype(np.float32), self.weights).astype(np.float16)

    def _examples(self, part: Sequence[tuple[pa.Array, pa.Array, np.ndarray]], vocabulary: Vocabulary) -> Examples:
        words, lengths, logits = zip(*part, strict=True)
        flat = pa.concat_arrays(words).dictionary_encode()
        logits_nl, lengths_s = np.concatenate(logits), pa.concat_arrays(lengths).to_numpy()
        return Examples(
            WordFeatures.of(vocabulary, flat.dictionary.to_pylist()),
            flat.indices.to_numpy().astype(np.int64),
            _starts(lengths_s),
            best_legal_ids(logits_nl, lengths_s, self.labels),
            logits_nl,
        )


def _flatten(column: pa.ChunkedArray) -> pa.Array:
    flat = pc.list_flatten(column)
    return flat.combine_chunks() if isinstance(flat, pa.ChunkedArray) else flat


def _starts(lengths: Sequence[int] | np.ndarray) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(lengths, dtype=np.int64)])
