"""One model measured on one labeled set: quality, size, seconds per document and peak memory."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kdner.device import peak_memory_mb
from kdner.errors import InputError
from kdner.labeled import LabeledSentence, check_labels
from kdner.scoring import score
from kdner.student import Student
from kdner.tagger import Tagger
from kdner.teacher import Teacher

WARM_UP_SENTENCES = 32


def load_model(folder: str | Path) -> Teacher | Tagger:
    """Load a teacher or a student directory, whichever it is.

    Raises:
        InputError: it is neither.
    """
    config = Path(folder) / "config.json"
    if not config.is_file():
        raise InputError(
            f"{folder}: not a model directory: it has no config.json. Expected a teacher's or a student's."
        )
    kind = json.loads(config.read_text("utf-8")).get("model_type")
    return Tagger(Student.from_pretrained(folder)) if kind == "kdner-student" else Teacher.load(folder)


def evaluate(folder: str | Path, sentences: Sequence[LabeledSentence], source: str) -> dict[str, Any]:
    """Tag a labeled set and measure.

    Time is that of words to tags, after a warm-up, per document of the labeled set. Peak memory is the resident
    memory of the whole process, so call this in a fresh one.

    Args:
        folder: a teacher or a student directory.
        sentences: the labeled set.
        source: its name, for errors.

    Returns:
        f1, precision, recall, support, parameters, seconds_per_document, peak_memory_mb, and per_label.
    """
    model = load_model(folder)
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
