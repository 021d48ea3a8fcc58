"""Labeled sets: reading them from any source, listing and checking their labels, and drawing sentences from them.

`kdner.data.conll` and `kdner.data.json_spans` read the formats of files, into `kdner.data.labeled_sentence`.
"""

from __future__ import annotations

import gzip
import random
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

from kdner.data import hub_datasets
from kdner.data.conll import read_columns
from kdner.data.json_spans import SPAN_KEYS, read_json_spans, read_spans
from kdner.data.labeled_sentence import LabeledSentence
from kdner.errors import InputError
from kdner.flags import LabeledSet
from kdner.labels.tags import check_tag, label_list
from kdner.runs.fingerprint import fingerprint_of_files
from kdner.text.abbreviations import DEFAULT_LANGUAGE

_TAG_COLUMNS = ("ner_tags", "tags", "labels")


def read_labeled(source: str, language: str = DEFAULT_LANGUAGE) -> list[LabeledSentence]:
    """Read a labeled set, in the order of the source; documents with spans are split as texts of a language.

    - ``hf:NAME[:SPLIT]`` (SPLIT is ``train`` if left out): a dataset of the Hugging Face hub or of a local
      folder, with columns ``tokens`` and ``ner_tags`` (or ``tags``, ``labels``), or ``text`` and spans;
    - ``*.jsonl``, ``*.json``, also gzipped: a document a line, with spans as `kdner.data.json_spans` reads them;
    - any other file, also gzipped: CoNLL columns, token first, tag last, an empty line after each sentence;
      ``-DOCSTART-`` lines open documents, and in a set without them every sentence is one.

    Tags may be of any scheme that `kdner.labels.tags` knows.

    Raises:
        InputError: with file and line, for what cannot be read, and for a set without sentences or entities.
    """
    if source.startswith("hf:"):
        sentences = _read_dataset(source, language)
    elif Path(source.removesuffix(".gz")).suffix in (".jsonl", ".json"):
        sentences = read_json_spans(Path(source), _lines(Path(source)), language)
    else:
        sentences = read_columns(Path(source), _lines(Path(source)))
    if not sentences:
        raise InputError(f"{source}: no sentences. Give a labeled set with at least one.")
    if all(tag == "O" for sentence in sentences for tag in sentence.tags):
        raise InputError(
            f"{source}: none of its {len(sentences):,} sentences holds an entity. Give a set with gold "
            "labels; in a file of columns the tag must be the last column."
        )
    return sentences


def labels_in(sentences: Iterable[LabeledSentence]) -> list[str]:
    """List the labels of a labeled set, as `kdner.labels.tags.label_list` orders them."""
    return label_list(tag for sentence in sentences for tag in sentence.tags)


def check_labels(sentences: Sequence[LabeledSentence], labels: Sequence[str], source: str) -> None:
    """Raise InputError if a sentence of `source` has a label that is not in the label list `labels`."""
    known = set(labels)
    for sentence in sentences:
        unknown = next((tag for tag in sentence.tags if tag not in known), None)
        if unknown is not None:
            raise InputError(
                f"{source}: sentence {sentence.id} has the label {unknown!r}, which training never saw. "
                f"Labels of training: {', '.join(labels)}. "
                f"Labels of {source}: {', '.join(labels_in(sentences))}. "
                "Train on a labeled set that has this label, or rename or remove it here."
            )


def draw(
    sentences: Sequence[LabeledSentence], size: int, seed: int
) -> tuple[list[LabeledSentence], list[LabeledSentence]]:
    """Draw `size` sentences at random without replacement; return (drawn, rest), both in the set's order."""
    if not 0 <= size <= len(sentences):
        raise InputError(
            f"cannot draw {size:,} sentences from a labeled set of {len(sentences):,}. "
            f"Ask for 0 to {len(sentences):,}, or give a larger set."
        )
    chosen = set(random.Random(seed).sample(range(len(sentences)), size))
    drawn = [sentence for i, sentence in enumerate(sentences) if i in chosen]
    return drawn, [sentence for i, sentence in enumerate(sentences) if i not in chosen]


def read_drawn(flags: LabeledSet) -> tuple[list[LabeledSentence], list[LabeledSentence], list[str]]:
    """Return the drawn sentences of the labeled set that flags name, the rest, and the label list of the whole set."""
    sentences = read_labeled(flags.labeled, flags.language)
    size = len(sentences) if flags.labeled_size is None else flags.labeled_size
    if size < 1:
        raise InputError(f"--labeled-size {size}: at least one sentence is needed")
    drawn, rest = draw(sentences, size, flags.seed)
    return drawn, rest, labels_in(sentences)


def drawn_fingerprint(flags: LabeledSet) -> dict[str, Any]:
    """Return what decides which sentences `read_drawn` draws."""
    return {**source_fingerprint(flags.labeled), "labeled_size": flags.labeled_size, "seed": flags.seed}


def source_fingerprint(source: str) -> dict[str, Any]:
    """Return the identity of a labeled set: its name, and size and time of change where it is a file."""
    return {"source": source} if source.startswith("hf:") else {"files": fingerprint_of_files([source])}


def _read_dataset(source: str, language: str) -> list[LabeledSentence]:
    dataset = hub_datasets.load(source)
    name, split = hub_datasets.name_and_split(source)
    id_ = f"{Path(name).name}:{dataset.split or split or 'train'}"
    if "tokens" not in dataset.column_names and "text" in dataset.column_names:
        records = ((f"{source} row {row}", f"{id_}:{row}", record) for row, record in enumerate(dataset))
        return read_spans(source, records, language)
    column = next((c for c in _TAG_COLUMNS if c in dataset.column_names), None)
    if column is None or "tokens" not in dataset.column_names:
        raise InputError(
            f"{source}: has the columns {', '.join(dataset.column_names)}; expected tokens and one of "
            f"{', '.join(_TAG_COLUMNS)}, or text and one of {', '.join(SPAN_KEYS)}. Rename its columns."
        )
    names = getattr(getattr(dataset.features[column], "feature", None), "names", None)
    sentences = []
    for row, record in enumerate(dataset):
        where = f"{source} row {row}"
        words, tags = record["tokens"] or [], record[column] or []
        if len(words) != len(tags) or not all(isinstance(word, str) for word in words):
            raise InputError(
                f"{where}: {len(words)} tokens and {len(tags)} {column}; expected tokens that are text, with "
                "one tag each. Correct or remove the row."
            )
        tags = [_tag_name(tag, names, f"{where}, column {column}") for tag in tags]
        if words:
            sentences.append(LabeledSentence.of_gold_words(f"{id_}:{row}", row, words, tags))
    return sentences


def _tag_name(tag: object, names: list[str] | None, where: str) -> str:
    if isinstance(tag, int):
        if names is None or not 0 <= tag < len(names):
            raise InputError(
                f"{where}: the tag {tag} has no name. Give tags as text, or as a ClassLabel feature that "
                "names every number."
            )
        tag = names[tag]
    check_tag(str(tag), where)
    return str(tag)


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    if path.is_dir():
        raise InputError(f"{path}: is a folder; expected a file. For a dataset saved in a folder give hf:{path}.")
    try:
        data = path.read_bytes()
        if data.startswith(b"\x1f\x8b"):
            data = gzip.decompress(data)
    except FileNotFoundError:
        raise InputError(f"{path}: no such file. Give the path of a labeled set, or hf:NAME for a dataset.") from None
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read ({error}). Check the file and its permissions.") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path}:{line}: byte {error.start} (0x{data[error.start]:02x}) is not UTF-8. Convert the file to UTF-8."
        ) from None
    return enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1)
