"""A GLiNER model as a teacher: `gliner:NAME=TYPE,TYPE`, of the hub or a folder, that looks for types named in words.

It reads the words of a sentence joined with blanks. A word belongs to an entity that its first character lies in, and
the score of the entity is the probability of its words' labels. See `kdner.teacher.found_entities`.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
from huggingface_hub import snapshot_download

from kdner.device import best_device
from kdner.errors import InputError
from kdner.labels.tags import label_list
from kdner.runs.fingerprint import hash_of_files
from kdner.teacher.found_entities import Found, entity_logits

INSTALL = "pip install sentencepiece && pip install --no-deps gliner"
"""Its releases ask for an older transformers than this package needs, and run with it."""
BATCH_SENTENCES = 64
"""Sentences that the model reads at once."""


class GlinerModel:
    """A GLiNER model that looks for certain types."""

    scheme = "IOB2"

    def __init__(self, name_and_types: str) -> None:
        name, _, types = name_and_types.partition("=")
        self.types = [kind.strip() for kind in types.split(",") if kind.strip()]
        if not self.types:
            raise InputError(f"gliner:{name}: names no types. Expected gliner:NAME=TYPE,TYPE, as in ...=person,city")
        try:
            from gliner import GLiNER

            is_local = Path(name).is_dir()
            folder = Path(name if is_local else snapshot_download(name, ignore_patterns="*/*"))
            self._model: Any = GLiNER.from_pretrained(str(folder)).to(best_device()).eval()
        except ImportError as error:
            raise InputError(f"gliner:{name}: {error}. Run: {INSTALL}") from error
        except (OSError, ValueError) as error:
            reason = (str(error) or type(error).__name__).splitlines()[0]
            raise InputError(f"gliner:{name}: cannot be loaded: {reason} Expected a folder or a hub's name") from error
        self.labels = label_list(f"B-{kind}" for kind in self.types)
        files = sorted(path.name for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
        self.fingerprint = hash_of_files(name, files) if is_local else {"revision": folder.name}

    def score_words(self, sentences: Sequence[Sequence[str]]) -> np.ndarray:
        """Return the logits, float32 [N, L], of all N words of all sentences."""
        read = [list(words) for words in sentences if words]
        texts = [" ".join(words) for words in read]
        found = self._model.inference(texts, self.types, batch_size=BATCH_SENTENCES) if texts else []
        logits = [self._logits(words, entities) for words, entities in zip(read, found, strict=True)]
        return np.concatenate([np.zeros((0, len(self.labels)), np.float32), *logits])

    def _logits(self, words: list[str], entities: list[dict[str, Any]]) -> np.ndarray:
        """Return the logits of one sentence's words; `entities` have `start`, `end`, `label` and `score`."""
        starts = [0, *accumulate(len(word) + 1 for word in words[:-1])]
        places = ((bisect_left(starts, found["start"]), bisect_left(starts, found["end"]), found) for found in entities)
        kept = [Found(first, last, found["label"], found["score"]) for first, last, found in places if first < last]
        return entity_logits(kept, len(words), self.labels)
