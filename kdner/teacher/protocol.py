"""What a model does, whatever its kind; and the models that are made to do it: own classes, and folded labels."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Sequence
from typing import Any, Protocol

import numpy as np

from kdner.errors import InputError
from kdner.labels.decoding import best_legal_tags
from kdner.labels.folding import Folding
from kdner.labels.logits import fit_float16
from kdner.text.documents import without_failing
from kdner.text.given import listed_sentences

logger = logging.getLogger(__name__)


class Model(Protocol):
    """What a teacher does. A class of your own needs `labels` and `score_words` only."""

    @property
    def labels(self) -> list[str]:
        """The label list; its order is that of the logits."""

    @property
    def parameters(self) -> int:
        """Count the parameters."""

    def score_words(self, sentences: Iterable[Iterable[str]]) -> np.ndarray:
        """Return logits, float [N, L], of all N words of all sentences, in order: any numbers, softmax reads them."""

    def tags(self, sentences: Iterable[Iterable[str]]) -> list[list[str]]:
        """Return the label of each word of each sentence."""


class OwnModel:
    """A class of the user's behind the protocol of `Model`, with what it returns checked."""

    def __init__(self, source: str, instance: Any) -> None:
        self._source, self._instance = source, instance
        self.labels: list[str] = list(getattr(instance, "labels", ()))
        if not self.labels or not callable(getattr(instance, "score_words", None)):
            raise InputError(f"{source}: needs `labels`, a list with 'O' among them, and a method `score_words`")
        self.scheme: str | None = getattr(instance, "scheme", None)
        """`IOB1` or `IOB2`, where the class tells which of them its labels are."""

    @property
    def parameters(self) -> int:
        """Return the count that the instance gives; 0 where it gives none."""
        return int(getattr(self._instance, "parameters", 0))

    @property
    def fingerprint(self) -> dict[str, str]:
        """Return what the instance says of its identity beside its class; nothing where it says nothing."""
        return dict(getattr(self._instance, "fingerprint", {}))

    def score_words(self, sentences: Iterable[Iterable[str]]) -> np.ndarray:
        """Return the logits of all N words of all sentences, float32 [N, L], shifted where they are large.

        Raises:
            ValueError: the instance returned logits of another shape, or such that give a word no probabilities.
        """
        sentences = listed_sentences(sentences)
        expected = (sum(map(len, sentences)), len(self.labels))
        if not expected[0]:
            return np.zeros(expected, np.float32)
        logits = np.asarray(self._instance.score_words(sentences), np.float64)
        if logits.shape != expected:
            raise ValueError(f"{self._source}: score_words returned shape {logits.shape}, expected {expected}")
        return fit_float16(logits, self._source).astype(np.float32)

    def tags(self, sentences: Iterable[Iterable[str]]) -> list[list[str]]:
        """Return the best legal labels of each sentence."""
        sentences = listed_sentences(sentences)
        return best_legal_tags(self.score_words(sentences), sentences, self.labels)


class FoldedModel:
    """A model of which the labels are of another scheme, or have other names: see `kdner.labels.folding`."""

    def __init__(self, model: Model, folding: Folding, *, iob1: bool | None) -> None:
        """Fold the labels of a model.

        Args:
            model: whose labels `folding` was made for.
            folding: what maps its logits.
            iob1: whether labels that may be of IOB1 or IOB2 are of IOB1; None if that is found in each call anew.
        """
        self.model, self.labels = model, folding.labels
        self._folding, self._iob1 = folding, iob1

    @property
    def parameters(self) -> int:
        """Count the parameters."""
        return self.model.parameters

    def score_words(self, sentences: Iterable[Iterable[str]]) -> np.ndarray:
        """Return logits, float32 [N, L], over IOB2 labels, of all N words of all sentences."""
        sentences = listed_sentences(sentences)
        logits, lengths = self.model.score_words(sentences), np.array([len(words) for words in sentences], np.int64)
        iob1 = self._iob1
        if iob1 is None and self._folding.may_be_iob1:
            iob1 = self._folding.begins_with_i(logits, lengths)
        return self._folding(logits, lengths, iob1=bool(iob1))

    def tags(self, sentences: Iterable[Iterable[str]]) -> list[list[str]]:
        """Return the best legal labels of each sentence."""
        sentences = listed_sentences(sentences)
        return best_legal_tags(self.score_words(sentences), sentences, self.labels)


def folded(model: Model, source: str, label_map: dict[str, str], sample: Sequence[Sequence[str]]) -> Model:
    """Return a model with IOB2 labels, in the order of all label lists: the same one where its labels are so already.

    Args:
        model: a tagger with labels of any scheme.
        source: its name, for errors and the log.
        label_map: new names of types; see `Folding`.
        sample: sentences by which labels of IOB1 are told from IOB2, where the model does not say which they are.
            Those on which it fails are passed over. Without any, those of each call tell.

    Raises:
        InputError: it is no tagger, or fails on all of the sample.
    """
    folding = Folding(model.labels, source, label_map=label_map)
    scheme = getattr(model, "scheme", "IOB2")
    iob1 = None if scheme is None and folding.may_be_iob1 else scheme == "IOB1"
    if iob1 is None and sample:
        iob1 = _begins_with_i(model, source, folding, listed_sentences(sample))
        if iob1:
            logger.info("%s begins entities with I-: its labels are read as IOB1", source)
    if iob1 is False and folding.may_be_iob1 and list(model.labels) == folding.labels and folding.is_identity:
        return model
    return FoldedModel(model, folding, iob1=iob1)


def _begins_with_i(model: Model, source: str, folding: Folding, sample: Sequence[Sequence[str]]) -> bool:
    parts, failed = without_failing(sample, model.score_words)
    if not parts:
        raise InputError(
            f"{source}: fails on all {len(sample)} sentences by which labels of IOB1 are told from IOB2, on the first "
            f"with {failed[0]}. Mend that, or say which they are: `scheme` of a class, `tag_scheme` in config.json"
        )
    lengths = np.array([len(sample[place]) for places, _ in parts for place in places], np.int64)
    return folding.begins_with_i(np.concatenate([logits for _, logits in parts]), lengths)
