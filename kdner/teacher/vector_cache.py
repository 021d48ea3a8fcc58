"""A cache of contextual vectors in files, named by the text that was read: trials that read the same text share it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from kdner.runs.storage import commit

ContextualVectors = Callable[[Sequence[Sequence[str]]], np.ndarray]
"""What gives contextual vectors: maps sentences, with N words in all, to float32 [N, H]."""


def cached_vectors(compute: ContextualVectors, folder: Path, name: str) -> ContextualVectors:
    """Return a function that computes contextual vectors once for each list of sentences, whoever asks.

    Files hold float16; new vectors are rounded to it too.

    Args:
        compute: computes the vectors.
        folder: holds the files, 2 bytes a number; several processes, on several nodes, may use it at once.
        name: name of the encoder; tells encoders apart that share the folder.
    """

    def read_or_compute(sentences: Sequence[Sequence[str]]) -> np.ndarray:
        content = json.dumps([name, [list(words) for words in sentences]])
        path = folder / f"{hashlib.sha256(content.encode()).hexdigest()}.npy"
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            with commit(str(path)) as file:
                np.save(file, compute(sentences).astype(np.float16), allow_pickle=False)
        return np.load(path, allow_pickle=False).astype(np.float32)

    return read_or_compute
