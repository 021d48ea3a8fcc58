"""Vectors of a frozen encoder, kept in files by what was read: trials that read the same text share them."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from kdner.runs.storage import commit

ContextualVectors = Callable[[Sequence[Sequence[str]]], np.ndarray]
"""From sentences, lists of N words in all, to float32 [N, H]."""


def cached_vectors(compute: ContextualVectors, folder: Path, name: str) -> ContextualVectors:
    """Return a function that computes vectors once for each list of sentences, whoever asks.

    They are kept as float16, and rounded to it also when they are new.

    Args:
        compute: computes them.
        folder: of the files, 2 bytes a number; several processes, on several nodes, may use it at once.
        name: tells encoders apart that share the folder.
    """

    def kept(sentences: Sequence[Sequence[str]]) -> np.ndarray:
        content = json.dumps([name, [list(words) for words in sentences]])
        path = folder / f"{hashlib.sha256(content.encode()).hexdigest()}.npy"
        if not path.exists():
            folder.mkdir(parents=True, exist_ok=True)
            with commit(str(path)) as file:
                np.save(file, compute(sentences).astype(np.float16), allow_pickle=False)
        return np.load(path, allow_pickle=False).astype(np.float32)

    return kept
