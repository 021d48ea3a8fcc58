"""Teachers as users write them: labels of several schemes, and logits of any size."""

from __future__ import annotations

import os
import signal
import sys
import time

import numpy as np

NAMES = {"Mira": "PER", "Tuva": "PER", "Oslo": "LOC", "Bergen": "LOC"}


class Looks:
    """Knows four names; a name's label is the first of its type in `first`, the second word's that of `second`."""

    def score_words(self, sentences):
        rows = []
        for words in sentences:
            before = None
            for word in words:
                name = NAMES.get(word)
                label = "O" if name is None else (self.second if name == before else self.first).format(name)
                rows.append([6.0 if label == other else 1.0 if other == "O" else -2.0 for other in self.labels])
                before = name
        return np.array(rows)


class Iob1(Looks):
    labels = ("O", "B-PER", "I-PER", "B-LOC", "I-LOC")
    first = second = "I-{}"


class Iob2(Iob1):
    first = "B-{}"


class Told(Iob1):
    scheme = "IOB2"


class Bioes(Looks):
    labels = ("O", *(f"{prefix}-{name}" for name in ("PER", "LOC") for prefix in "BIES"))
    first, second = "B-{}", "E-{}"


class Types(Looks):
    labels = ("PER", "LOC", "O", "[CLS]")
    first = second = "{}"


class Masked:
    """Rules a label out, as decoders with constraints do."""

    labels = ("O", "B-PER", "I-PER")
    low = -1e9

    def score_words(self, sentences):
        return np.tile([np.log(0.9), np.log(0.1), self.low], (sum(map(len, sentences)), 1))


class Impossible(Masked):
    low = -np.inf


class Large(Masked):
    def score_words(self, sentences):
        return np.tile([70_001.0, 70_000.0, 0.0], (sum(map(len, sentences)), 1))


class Beyond(Masked):
    def score_words(self, sentences):
        return super().score_words(sentences) * 1e290


class NotNumbers(Masked):
    low = np.nan


class NoLabelPossible(Masked):
    def score_words(self, sentences):
        return np.full((sum(map(len, sentences)), 3), -np.inf)


class Killed(Iob1):
    """Ends its process as the kernel does where memory is short."""

    def score_words(self, sentences):
        os.kill(os.getpid(), signal.SIGKILL)


class Stumbling(Iob1):
    """Raises on one word, hangs on another, and ends its process on a third."""

    def score_words(self, sentences):
        words = {word for sentence in sentences for word in sentence}
        if "Kaboom" in words:
            raise ValueError("half of a pair: \ud83d")
        if "Forever" in words:
            time.sleep(3600)
        if "Exit" in words:
            sys.exit(3)
        return super().score_words(sentences)


class Hopeless(Iob1):
    """Raises on all that it is given."""

    def score_words(self, sentences):
        raise KeyError("no weights")
