"""What people tag with today, to be measured beside kdner on the same texts: transformers' pipeline and spaCy.

Each is used as its own documentation says for speed. Words are white-space separated words of the original text.
"""

from __future__ import annotations

import importlib.util
import random
import time
from collections.abc import Sequence
from typing import Any

import torch
from transformers import pipeline

from kdner.errors import InputError
from kdner.student.tagger import Entity
from kdner.text.words import count_words, split

PIPELINE_BATCH_SENTENCES = 32
"""Batch size of the transformers pipeline; of 8, 32 and 128 its best on 2 cores."""
SPACY_STEPS = 50
"""Training steps of spaCy's ner, so that it finds about as many entities as a trained one would."""
SPACY_BATCH_DOCUMENTS = 16


def check_peers(names: Sequence[str]) -> None:
    """Check that the packages of these peers are installed.

    Raises:
        InputError: if one is not.
    """
    if "spacy" in names and importlib.util.find_spec("spacy") is None:
        raise InputError("--peers spacy: spaCy is not installed. Run: pip install 'kdner[peers]'")


class TransformersPeer:
    """transformers' token-classification pipeline, which takes one sentence at a time."""

    def __init__(self, teacher: str, dtype: torch.dtype, *, device: torch.device, threads: int) -> None:
        """Load a teacher from its directory, and warm up."""
        torch.set_num_threads(threads)
        self._pipeline = pipeline(
            "token-classification",
            model=teacher,
            device=device,
            dtype=dtype,
            batch_size=PIPELINE_BATCH_SENTENCES,
        )
        self._pipeline(["Warm up."] * PIPELINE_BATCH_SENTENCES)

    def words_per_second(self, texts: Sequence[str]) -> float:
        """Tag texts, split into sentences before, and untimed."""
        sentences = [text[s.starts[0] : s.ends[-1]] for text in texts for s in split(text)]
        started = time.perf_counter()
        self._pipeline(sentences)
        return sum(map(count_words, texts)) / (time.perf_counter() - started)


class SpacyPeer:
    """spaCy's tokenizer and `ner`, trained for a moment on texts that a student has tagged."""

    def __init__(self, texts: Sequence[str], entities: Sequence[Sequence[Entity]], *, processes: int) -> None:
        """Train `ner`.

        Args:
            texts: what to train on.
            entities: those that a student found in each text.
            processes: how many `words_per_second` tags with.
        """
        import spacy
        from spacy.training import Example
        from spacy.util import minibatch
        from thinc.api import fix_random_seed

        fix_random_seed(1)
        torch.set_num_threads(1)
        self.processes = processes
        self._nlp: Any = spacy.blank("en")
        self._nlp.add_pipe("ner")
        examples = []
        for text, tagged in zip(texts, entities, strict=True):
            document = self._nlp.make_doc(text)
            spans = [document.char_span(entity.start, entity.end, label=entity.label) for entity in tagged]
            document.set_ents([span for span in spans if span])
            examples.append(Example(self._nlp.make_doc(text), document))
        optimizer = self._nlp.initialize(lambda: examples)
        order = random.Random(1)
        step = 0
        while step < SPACY_STEPS:
            order.shuffle(examples)
            for batch in minibatch(examples, SPACY_BATCH_DOCUMENTS):
                self._nlp.update(batch, sgd=optimizer)
                step += 1
        list(self._nlp.pipe(texts[:SPACY_BATCH_DOCUMENTS]))

    def words_per_second(self, texts: Sequence[str]) -> float:
        """Tag texts with `nlp.pipe`, in several processes whose start is in the time, as it is in every call."""
        started = time.perf_counter()
        for document in self._nlp.pipe(texts, n_process=self.processes):
            len(document.ents)
        return sum(map(count_words, texts)) / (time.perf_counter() - started)
