"""One model measured on one labeled set: quality, size, seconds per document and peak memory."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from kdner.data.labeled_sentence import LabeledSentence
from kdner.data.labeled_sets import check_labels
from kdner.device import peak_memory_mb
from kdner.measuring.f1 import score
from kdner.teacher.by_name import load_model

WARM_UP_SENTENCES = 32


def evaluate(name: str, sentences: Sequence[LabeledSentence], source: str) -> dict[str, Any]:
    """Tag a labeled set and measure.

    Time is that of words to tags, after a warm-up, per document of the labeled set. Peak memory is the resident
    memory of the whole process, so call this in a fresh one.

    Args:
        name: of the model, as `kdner.teacher.by_name` says.
        sentences: the labeled set.
        source: the labeled set's name, for errors.

    Returns:
        f1, precision, recall, support, parameters, seconds_per_document, peak_memory_mb, and per_label.
    """
    model = load_model(name)
    check_labels(sentences, model.labels, source)
    words = [sentence.words()[0] for sentence in sentences]
    model.tags(words[:WARM_UP_SENTENCES])
    started = time.perf_counter()
    tags = model.tags(words)
    seconds = time.perf_counter() - started
    scores = score(lambda _: tags, sentences)
    documents = len({sentence.document for sentence in sentences})
    return {
        **scores.pop("micro").rounded(),
        "parameters": model.parameters,
        "seconds_per_document": round(seconds / documents, 6),
        "peak_memory_mb": round(peak_memory_mb()),
        "per_label": {label: row.rounded() for label, row in scores.items()},
    }
