"""Labeled sets: reading them from any source, listing and checking their labels, and drawing sentences from them.

Files become lines (`kdner.labeled.lines`), and these sentences (`kdner.labeled.sentence`) by the reader of
their format: `kdner.labeled.conll`, or `kdner.labeled.json_records` with `json_spans` and `token_records`.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kdner.data import hub_datasets
from kdner.errors import InputError
from kdner.flags import HeldOut, LabeledSet, Layout, changed_flags
from kdner.labeled.annotations import is_accepted
from kdner.labeled.conll import read_columns
from kdner.labeled.held_out import hold_out
from kdner.labeled.json_records import Record, is_json, read_json
from kdner.labeled.json_spans import SpanReader
from kdner.labeled.lines import read_labeled_lines
from kdner.labeled.remarks import Remarks
from kdner.labeled.sentence import LabeledSentence
from kdner.labeled.spacy_docs import read_spacy
from kdner.labeled.token_records import is_token_record, read_tokens
from kdner.labels.names import TypeNames
from kdner.labels.tags import label_list
from kdner.runs.fingerprint import hash_of_file, hash_of_files
from kdner.runs.storage import locate

if TYPE_CHECKING:
    from datasets import Dataset

_DEFAULT = Layout()
_ALL = HeldOut()


def read_labeled(source: str, layout: Layout = _DEFAULT, remarks: Remarks | None = None) -> list[LabeledSentence]:
    """Read a labeled set, in the order of the source.

    - ``hf:NAME[/CONFIG][:SPLIT]`` (SPLIT is ``train`` if left out): a dataset of the hub, or of a local folder;
    - ``*.jsonl``, ``*.ndjson``, ``*.json``, and any file that looks like JSON: an object a line, or one array;
    - ``*.spacy``: spaCy's binary form, which needs the extra ``spacy``;
    - ``*.parquet``: rows as a dataset has them;
    - any other file: CoNLL columns, as `kdner.labeled.conll` reads them.

    Records of datasets and JSON have ``tokens`` and ``ner_tags`` (or ``tags``, ``labels``), or a text and spans in the
    form of any tool that `kdner.labeled.annotations` knows; those with the same ``document`` belong together. Files of
    text may be packed with gzip, bzip2 or zstd. Tags may be of any scheme that `kdner.labels.tags` knows.

    Args:
        source: what to read.
        layout: how it is written, where it does not tell itself.
        remarks: takes what was odd and did not keep the set from being read; it is logged in any case.

    Raises:
        InputError: with file and line, for what cannot be read, and for a set without sentences or entities.
    """
    own, types = Remarks(), TypeNames()
    if hub_datasets.is_dataset(source):
        name, split = hub_datasets.name_and_split(source)
        dataset = hub_datasets.load(source)
        id_ = f"{Path(name).name}:{dataset.split or split or 'train'}"
        sentences = _read_dataset(source, dataset, id_, layout, types, own)
    elif (path := labeled_path(source)).suffix == ".parquet":
        sentences = _read_dataset(source, hub_datasets.of_parquet(path), path.name, layout, types, own)
    elif path.suffix == ".spacy":
        sentences = _read_records(source, read_spacy(path, own), layout, types, own)
    else:
        lines = read_labeled_lines(path, layout.encoding, own)
        if is_json(path, lines):
            sentences = _read_records(source, read_json(path, lines, own), layout, types, own)
        else:
            sentences = read_columns(path, lines, layout, types, own)
    types.check()
    own.log(source)
    if remarks is not None:
        remarks.include(own)
    if not sentences:
        raise InputError(f"{source}: no sentences. Give a labeled set with at least one.")
    if all(tag == "O" for sentence in sentences for tag in sentence.tags):
        raise InputError(
            f"{source}: none of its {len(sentences):,} sentences holds an entity. Give a set with gold "
            "labels; in a file of columns --tag-column names the column that holds them."
        )
    return sentences


def labeled_path(source: str) -> Path:
    """Return the path of the file of a labeled set: ``~`` is the home folder, and ``file://`` may stand before a path.

    Raises:
        InputError: it lies in other storage than this machine's.
    """
    if "://" not in source:
        return Path(os.path.expanduser(source))  # noqa: PTH111 - a folder of a name like ~nobody stays as it is
    if not source.startswith("file://"):
        raise InputError(
            f"{source}: labeled sets are read from local files, or as a dataset, hf:NAME. Copy the file to this "
            "machine, and give its path."
        )
    return Path(locate(source)[1])


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


def read_drawn(
    flags: LabeledSet, remarks: Remarks | None = None
) -> tuple[list[LabeledSentence], list[LabeledSentence], list[str]]:
    """Return the drawn sentences of the labeled set that flags name, the rest, and the label list of the whole set.

    Sentences that the flags hold out are neither drawn nor among the rest.
    """
    whole = read_labeled(flags.labeled, flags, remarks)
    sentences, _ = hold_out(whole, flags, flags.labeled)
    size = len(sentences) if flags.labeled_size is None else flags.labeled_size
    if size < 1:
        raise InputError(f"--labeled-size {size}: at least one sentence is needed")
    drawn, rest = draw(sentences, size, flags.seed)
    return drawn, rest, labels_in(whole)


def read_test(
    source: str, layout: Layout = _DEFAULT, held_out: HeldOut = _ALL, remarks: Remarks | None = None
) -> list[LabeledSentence]:
    """Read a labeled set to measure on: all of it, or the part that flags hold out."""
    sentences = read_labeled(source, layout, remarks)
    return hold_out(sentences, held_out, source)[1] if held_out.holds_out else sentences


def drawn_fingerprint(flags: LabeledSet) -> dict[str, Any]:
    """Return what decides which sentences `read_drawn` draws."""
    source = source_fingerprint(flags.labeled, flags)
    return {**source, "labeled_size": flags.labeled_size, "seed": flags.seed, **changed_flags(flags, HeldOut)}


def source_fingerprint(source: str, layout: Layout = _DEFAULT, held_out: HeldOut = _ALL) -> dict[str, Any]:
    """Return the identity of a labeled set: names and content of its files, layout, what is held out.

    Raises:
        InputError: a file cannot be read, or only once.
    """
    return {**_identity(source), **changed_flags(layout, Layout), **changed_flags(held_out, HeldOut)}


def _identity(source: str) -> dict[str, Any]:
    if not hub_datasets.is_dataset(source):
        return {"files": hash_of_file(labeled_path(source))}
    folder = hub_datasets.folder_of(source)
    if folder is None:
        return {"source": source}
    folder = folder.absolute()
    names = [str(Path(path).absolute().relative_to(folder.parent)) for path in hub_datasets.local_files_of(source)]
    return {"split": hub_datasets.name_and_split(source)[1], "files": hash_of_files(str(folder.parent), names)}


def _read_records(
    source: str,
    records: Iterable[Record],
    layout: Layout,
    types: TypeNames,
    remarks: Remarks,
    names: Mapping[str, Sequence[str]] | None = None,
) -> list[LabeledSentence]:
    """Read records, each a sentence of words with tags or a document with spans.

    `names` are those of tags that are numbers, by their key.
    """
    sentences: list[LabeledSentence] = []
    spans = SpanReader(source, layout, types, remarks)
    documents: dict[object, int] = {}
    for number, (where, id_, record) in enumerate(records):
        if not is_accepted(record, where, "documents", remarks):
            continue
        named = record.get("document") if isinstance(record, dict) else None
        document = documents.setdefault(named if isinstance(named, str) else number, len(documents))
        if is_token_record(record):
            sentence = read_tokens(record, where, id_, document, types, remarks, names or {})
            sentences += [sentence] if sentence else []
        else:
            sentences += spans.sentences(record, where, id_, document)
    spans.judge()
    return sentences


def _read_dataset(
    source: str, dataset: Dataset, id_: str, layout: Layout, types: TypeNames, remarks: Remarks
) -> list[LabeledSentence]:
    records = ((f"{source} row {row}", f"{id_}:{row}", record) for row, record in enumerate(dataset))
    features = dataset.features.items()
    lists = {column: feature.feature for column, feature in features if hasattr(feature, "feature")}
    names = {column: item.names for column, item in lists.items() if hasattr(item, "names")}
    return _read_records(source, records, layout, types, remarks, names)
