"""A spaCy pipeline as a teacher: `spacy:NAME`, of an installed package or a folder.

The whole pipeline runs, as its entities may rest on what other parts of it find, over the words as they are given. It
gives no probabilities: see `kdner.teacher.found_entities`.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from kdner.errors import InputError
from kdner.labels.tags import label_list
from kdner.runs.fingerprint import hash_of_files
from kdner.teacher.found_entities import Found, entity_logits

ENTITIES = "doc.ents"
"""What a part of a pipeline says that it assigns, if it finds entities."""


class SpacyPipeline:
    """A spaCy pipeline that finds entities; `labels` are those of all its parts that do."""

    scheme = "IOB2"

    def __init__(self, name: str) -> None:
        try:
            import spacy

            self._nlp: Any = spacy.load(name)
        except ImportError as error:
            raise InputError(f"spacy:{name}: {error}. Run: pip install 'kdner[spacy]'") from error
        except (OSError, ValueError) as error:
            reason = str(error).splitlines()[0]
            raise InputError(f"spacy:{name}: {reason} Expected an installed pipeline or a folder of one") from error
        parts = self._nlp.pipe_names
        finders = [part for part in parts if ENTITIES in self._nlp.get_pipe_meta(part).assigns]
        types = {label for part in finders for label in self._nlp.pipe_labels.get(part, ())}
        if not types:
            raise InputError(f"spacy:{name}: none of its parts finds entities: {', '.join(parts) or 'it has none'}")
        self.labels = label_list(f"B-{label}" for label in types)
        folder = self._nlp.path
        files = [path for path in folder.rglob("*") if path.is_file() and path.suffix != ".pyc"]
        self.fingerprint = hash_of_files(str(folder), sorted(str(path.relative_to(folder)) for path in files))

    def score_words(self, sentences: Sequence[Sequence[str]]) -> np.ndarray:
        """Return the logits, float32 [N, L], of all N words of all sentences."""
        from spacy.tokens import Doc

        documents = self._nlp.pipe(Doc(self._nlp.vocab, words=list(words)) for words in sentences if words)
        logits = [np.zeros((0, len(self.labels)), np.float32)]
        for document in documents:
            found = [Found(span.start, span.end, span.label_) for span in document.ents]
            logits.append(entity_logits(found, len(document), self.labels))
        return np.concatenate(logits)
