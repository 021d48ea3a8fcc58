"""Readers of labeled sets: CoNLL columns, JSONL with spans, Hugging Face datasets.

One rule joins gold labels and the splitter's words: *a word takes the label at its first character*.
Models see the words of `kdner.text.split_words`; a set keeps its own gold words, and is scored on them:

- `LabeledSentence.words` gives the splitter's words with the label at their first character. Where the
  splitter cuts the first gold word of an entity (``vs.``), its first part takes ``B-`` and the others ``I-``.
- `LabeledSentence.gold_word_tags` goes back: a gold word takes the label of the splitter's word at its first
  character (control characters, which the splitter skips, do not count).
- A character span labels the words whose first character it holds.
"""

from __future__ import annotations

import gzip
import json
import logging
import random
import zlib
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from kdner.errors import InputError
from kdner.labels import check_tag, entities_of, label_list, repair
from kdner.text import split, split_words

if TYPE_CHECKING:
    from datasets import Dataset

logger = logging.getLogger(__name__)

_TAG_COLUMNS = ("ner_tags", "tags", "labels")
_SPAN_KEYS = ("spans", "entities", "labels", "label")
_EXAMPLE = '{"text": "Anna left.", "spans": [{"start": 0, "end": 4, "label": "PER"}]}'


@dataclass(frozen=True, slots=True)
class LabeledSentence:
    """A sentence with gold labels; `starts`, `ends` and `tags` have one entry per gold word."""

    id: str
    """Unique in the set: file name and line (``eng.train:17``), for spans also the character it starts at."""
    document: int
    """Running number, from 0, of its document in the set."""
    text: str
    """The gold words joined by one blank, or the slice of the document's text."""
    starts: list[int]
    """Offsets of the gold words into `text`, in code points."""
    ends: list[int]
    """The same, end exclusive."""
    tags: list[str]
    """IOB2."""

    def words(self) -> tuple[list[str], list[str]]:
        """Return the splitter's words of `text` and their labels, by the one rule."""
        words = split_words(self.text)
        tags = ["O"] * len(words.words)
        for first, last, name in entities_of(self.tags):
            begin = bisect_left(words.starts, self.starts[first])
            for i in range(begin, bisect_left(words.starts, self.ends[last - 1])):
                tags[i] = f"{'B' if i == begin else 'I'}-{name}"
        return words.words, tags

    def gold_word_tags(self, predicted: Sequence[str]) -> list[str]:
        """Carry the labels of the splitter's words (as from `words`) over to the gold words, as legal IOB2.

        A gold word that holds none of the splitter's words (a lone control character) is ``O``, or inside the
        entity that goes on after it. Raises ValueError unless there is one label per word of the splitter.
        """
        words = split_words(self.text)
        if len(predicted) != len(words.words):
            raise ValueError(f"{self.id}: {len(predicted)} labels for {len(words.words)} words")
        tags = []
        for start, end in zip(self.starts, self.ends, strict=True):
            i = bisect_right(words.ends, start)
            found = i < len(predicted) and (words.starts[i] < end or predicted[i].startswith("I-"))
            tags.append(predicted[i] if found else "O")
        return repair(tags)


def read_labeled(source: str) -> list[LabeledSentence]:
    """Read a labeled set, in the order of the source.

    - ``hf:NAME[:SPLIT]`` (SPLIT is ``train`` if left out): a dataset of the Hugging Face hub or of a local
      folder, with columns ``tokens`` and ``ner_tags`` (or ``tags``, ``labels``), or ``text`` and spans;
    - ``*.jsonl``, ``*.json``, also gzipped: a document a line,
      ``{"text": ..., "spans": [{"start": 0, "end": 4, "label": "PER"}]}``, offsets in code points, end
      exclusive; spans as ``[0, 4, "PER"]`` and under ``entities``, ``labels`` or ``label`` are read too;
    - any other file, also gzipped: CoNLL columns, token first, tag last, an empty line after each sentence;
      ``-DOCSTART-`` lines open documents, and in a set without them every sentence is one.

    Tags may be of any scheme that `kdner.labels` knows. A span that cuts a word is snapped by the one rule,
    with one warning for the set; sentences that a span crosses are joined. Raises InputError, with file and
    line, for what cannot be read, and for a set without sentences or without entities.
    """
    if source.startswith("hf:"):
        sentences = _read_hugging_face(source)
    elif Path(source.removesuffix(".gz")).suffix in (".jsonl", ".json"):
        sentences = _read_jsonl(Path(source))
    else:
        sentences = _read_columns(Path(source))
    if not sentences:
        raise InputError(f"{source}: no sentences. Give a labeled set with at least one.")
    if all(tag == "O" for sentence in sentences for tag in sentence.tags):
        raise InputError(
            f"{source}: none of its {len(sentences):,} sentences holds an entity. Give a set with gold "
            "labels; in a file of columns the tag must be the last column."
        )
    return sentences


def labels_of(sentences: Iterable[LabeledSentence]) -> list[str]:
    """List the labels of a labeled set, as `kdner.labels.label_list` orders them."""
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
                f"Labels of {source}: {', '.join(labels_of(sentences))}. "
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


def _read_columns(path: Path) -> list[LabeledSentence]:
    # per sentence: -DOCSTART- lines before it, its first line, gold words, tags
    found: list[tuple[int, int, list[str], list[str]]] = []
    markers, inside = 0, False
    known: set[str] = set()
    for number, line in _lines(path):
        if line.startswith("-DOCSTART-") or not line.strip():
            markers += line.startswith("-DOCSTART-")
            inside = False
            continue
        line = line.rstrip(" \t")
        columns = [c.strip(" ") for c in line.split("\t")] if "\t" in line else line.strip(" ").split(" ")
        if len(columns) < 2 or not columns[0]:
            raise InputError(
                f"{path}:{number}: {line!r} has too few columns: expected a token first and a tag last, "
                "separated by blanks or tabs. Complete the row; a sentence ends with an empty line."
            )
        if columns[-1] not in known:
            check_tag(columns[-1], f"{path}:{number}")
            known.add(columns[-1])
        if not inside:
            found.append((markers, number, [], []))
            inside = True
        found[-1][2].append(columns[0])
        found[-1][3].append(columns[-1])
    documents: dict[int, int] = {}
    sentences = []
    for before, number, words, tags in found:
        document = documents.setdefault(before if markers else number, len(documents))
        sentences.append(_of_gold_words(f"{path.name}:{number}", document, words, tags))
    return sentences


def _read_jsonl(path: Path) -> list[LabeledSentence]:
    sentences: list[LabeledSentence] = []
    snapped: list[str] = []
    document = 0
    for number, line in _lines(path):
        if not line.strip():
            continue
        where = f"{path}:{number}"
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise InputError(f"{where}: not JSON ({error}). Write one JSON object a line.") from None
        sentences += _of_spans(record, where, f"{path.name}:{number}", document, snapped)
        document += 1
    _warn_of_snapped(str(path), snapped)
    return sentences


def _read_hugging_face(source: str) -> list[LabeledSentence]:
    name, _, split_name = source.removeprefix("hf:").partition(":")
    dataset = _load_dataset(source, name, split_name)
    id_ = f"{Path(name).name}:{dataset.split or split_name or 'train'}"
    sentences: list[LabeledSentence] = []
    if "tokens" not in dataset.column_names and "text" in dataset.column_names:
        snapped: list[str] = []
        for row, record in enumerate(dataset):
            sentences += _of_spans(record, f"{source} row {row}", f"{id_}:{row}", row, snapped)
        _warn_of_snapped(source, snapped)
        return sentences
    column = next((c for c in _TAG_COLUMNS if c in dataset.column_names), None)
    if column is None or "tokens" not in dataset.column_names:
        raise InputError(
            f"{source}: has the columns {', '.join(dataset.column_names)}; expected tokens and one of "
            f"{', '.join(_TAG_COLUMNS)}, or text and one of {', '.join(_SPAN_KEYS)}. Rename its columns."
        )
    names = getattr(getattr(dataset.features[column], "feature", None), "names", None)
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
            sentences.append(_of_gold_words(f"{id_}:{row}", row, words, tags))
    return sentences


def _load_dataset(source: str, name: str, split_name: str) -> Dataset:
    if not name:
        raise InputError(f"{source}: names no dataset. Give hf:NAME[:SPLIT].")
    import datasets

    try:
        try:
            found = datasets.load_from_disk(name) if Path(name).is_dir() else None
        except FileNotFoundError:
            found = None  # a folder of data files, not one that the package saved
        if found is None:
            return datasets.load_dataset(name, split=split_name or "train")
    except Exception as error:  # datasets and the HTTP clients under it share no base class
        raise InputError(
            f"{source}: the dataset cannot be loaded ({type(error).__name__}: {error}). Check the name and "
            "the split in hf:NAME[:SPLIT]; where the hub cannot be reached, save the dataset on a machine "
            "that reaches it with save_to_disk(FOLDER), and give hf:FOLDER[:SPLIT]."
        ) from error
    if isinstance(found, datasets.Dataset):
        if not split_name or found.split is None:
            return found
        found = {str(found.split): found}
    wanted = split_name or "train"
    if wanted not in found:
        raise InputError(
            f"{source}: has no split {wanted!r}; it has {', '.join(found)}. Give one as hf:{name}:SPLIT."
        )
    return found[wanted]


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


def _of_gold_words(id_: str, document: int, words: Sequence[str], tags: Sequence[str]) -> LabeledSentence:
    starts, position = [], 0
    for word in words:
        starts.append(position)
        position += len(word) + 1
    ends = [start + len(word) for start, word in zip(starts, words, strict=True)]
    return LabeledSentence(id_, document, " ".join(words), starts, ends, repair(tags))


def _of_spans(
    record: object, where: str, id_: str, document: int, snapped: list[str]
) -> Iterator[LabeledSentence]:
    text, spans = _checked_spans(record, where)
    sentences = split(text)
    starts = [start for sentence in sentences for start in sentence.starts]
    ends = [end for sentence in sentences for end in sentence.ends]
    tags = ["O"] * len(starts)
    for start, end, name in spans:
        first, last = bisect_left(starts, start), bisect_left(starts, end)
        if first == last:
            raise InputError(
                f"{where}: span [{start}, {end}] {text[start:end]!r} holds the first character of no word "
                "and would be lost. Move its start to the start of a word, or remove it."
            )
        tags[first:last] = [f"B-{name}"] + [f"I-{name}"] * (last - first - 1)
        if (first > 0 and ends[first - 1] > start) or ends[last - 1] > end:
            snapped.append(f"{where} {text[start:end]!r} to {text[starts[first] : ends[last - 1]]!r}")
    first = last = 0
    for sentence in sentences:
        last += len(sentence.starts)
        if last < len(tags) and tags[last].startswith("I-"):
            continue  # a span goes on in the next sentence
        origin = starts[first]
        yield LabeledSentence(
            id=f"{id_}:{origin}",
            document=document,
            text=text[origin : ends[last - 1]],
            starts=[start - origin for start in starts[first:last]],
            ends=[end - origin for end in ends[first:last]],
            tags=tags[first:last],
        )
        first = last


def _checked_spans(record: object, where: str) -> tuple[str, list[tuple[int, int, str]]]:
    if not isinstance(record, dict) or not isinstance(record.get("text"), str):
        raise InputError(f'{where}: expected an object with a string under "text", as in {_EXAMPLE}.')
    text = record["text"]
    key = next((key for key in _SPAN_KEYS if isinstance(record.get(key), list)), None)
    if key is None:
        raise InputError(
            f"{where}: no list under any of {', '.join(_SPAN_KEYS)}; expected one as in {_EXAMPLE}. "
            "A document without entities has an empty list."
        )
    spans = []
    for span in record[key]:
        parts = [span.get(part) for part in ("start", "end", "label")] if isinstance(span, dict) else span
        if not (isinstance(parts, list) and [type(part) for part in parts] == [int, int, str] and parts[2]):
            raise InputError(
                f"{where}: {span!r} is not a span; expected start, end and label as in {_EXAMPLE}."
            )
        start, end, name = parts
        if not 0 <= start < end <= len(text):
            raise InputError(
                f"{where}: span [{start}, {end}] {name} does not lie in the text of {len(text)} characters; "
                "expected 0 <= start < end <= length, in code points, end exclusive. Correct the offsets."
            )
        spans.append((start, end, name))
    spans.sort()
    for one, other in pairwise(spans):
        if other[0] < one[1]:
            raise InputError(f"{where}: spans {list(one)} and {list(other)} overlap. Keep one of them.")
    return text, spans


def _warn_of_snapped(source: str, snapped: list[str]) -> None:
    if snapped:
        logger.warning(
            "%s: %d spans cut a word and were snapped (a word takes the label at its first character): %s%s",
            source,
            len(snapped),
            "; ".join(snapped[:3]),
            "" if len(snapped) <= 3 else "; ...",
        )


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    if path.is_dir():
        raise InputError(
            f"{path}: is a folder; expected a file. For a dataset saved in a folder give hf:{path}."
        )
    try:
        data = path.read_bytes()
        if data.startswith(b"\x1f\x8b"):
            data = gzip.decompress(data)
    except FileNotFoundError:
        raise InputError(
            f"{path}: no such file. Give the path of a labeled set, or hf:NAME for a dataset."
        ) from None
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read ({error}). Check the file and its permissions.") from None
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise InputError(
            f"{path}:{line}: byte {error.start} (0x{data[error.start]:02x}) is not UTF-8. "
            "Convert the file to UTF-8."
        ) from None
    return enumerate(text.replace("\r\n", "\n").replace("\r", "\n").split("\n"), 1)
