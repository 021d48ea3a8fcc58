"""spaCy's binary form of annotated documents: the ``.spacy`` files that `spacy train` and `spacy convert` use."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from pathlib import Path

from kdner.errors import InputError
from kdner.labeled.json_records import Record
from kdner.labeled.remarks import Remarks

_NOT_SET = 0
"""spaCy's `Token.ent_iob` of a word that `Doc.set_ents` was not told of."""


def read_spacy(path: Path, remarks: Remarks) -> Iterator[Record]:
    """Read the documents of a file, each as a text with spans; those whose entities nobody has set are left out.

    Raises:
        InputError: spaCy is not installed, or the file cannot be read.
    """
    try:
        from spacy.tokens import DocBin
        from spacy.vocab import Vocab
    except ImportError:
        raise InputError(
            f"{path}: is a DocBin, which spaCy reads: pip install 'kdner[spacy]'. Or write its documents as JSON lines "
            'of {"text": doc.text, "spans": [{"start": e.start_char, "end": e.end_char, "label": e.label_} ...]}.'
        ) from None
    if not path.is_file():
        raise InputError(f"{path}: no such file. Give the path of a labeled set, or hf:NAME for a dataset.")
    try:
        docs = list(DocBin().from_disk(path).get_docs(Vocab()))
    except (OSError, ValueError, KeyError, TypeError, zlib.error) as error:
        raise InputError(
            f"{path}: cannot be read as spaCy's DocBin ({error}). Is the file whole, and made by DocBin.to_disk?"
        ) from None
    for number, doc in enumerate(docs, 1):
        where = f"{path} document {number}"
        if not doc.has_annotation("ENT_IOB"):
            remarks.add("documents without annotated entities, left out", where, usual=True)
            continue
        if any(token.ent_iob == _NOT_SET for token in doc):
            remarks.add("documents with words of which nobody has set whether they are entities, left out", where)
            continue
        spans = [{"start": e.start_char, "end": e.end_char, "label": e.label_} for e in doc.ents]
        yield where, f"{path.name}:{number}", {"text": doc.text, "spans": spans}
