"""Labeled sets of documents with character spans: ``{"text": ..., "spans": [{"start", "end", "label"}]}``.

Offsets are code points, end exclusive; spans as ``[0, 4, "PER"]`` and under ``entities``, ``labels`` or
``label`` are read too. Where an annotation tool (Prodigy) says what was answered, under ``answer`` of a document or of
a span, only what was accepted counts.
"""

from __future__ import annotations

import json
import logging
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import pairwise
from pathlib import Path

from kdner.data.labeled_sentence import LabeledSentence
from kdner.errors import InputError
from kdner.text.words import split

logger = logging.getLogger(__name__)

SPAN_KEYS = ("spans", "entities", "labels", "label")
ACCEPTED = "accept"
ANSWERS = (ACCEPTED, "reject", "ignore")
_EXAMPLE = '{"text": "Anna left.", "spans": [{"start": 0, "end": 4, "label": "PER"}]}'


def read_json_spans(path: Path, lines: Iterable[tuple[int, str]], language: str) -> list[LabeledSentence]:
    """Read the numbered lines of a file, a JSON document a line, as `read_spans` does."""
    records = (
        (f"{path}:{number}", f"{path.name}:{number}", _parse(line, f"{path}:{number}"))
        for number, line in lines
        if line.strip()
    )
    return read_spans(str(path), records, language)


def read_spans(source: str, records: Iterable[tuple[str, str, object]], language: str) -> list[LabeledSentence]:
    """Read documents with spans, each as (place for messages, id, record), into sentences of the splitter.

    A sentence's id is the document's and the character it starts at. A span that cuts a word is snapped by the one rule
    of `kdner.data.labeled_sentence`, with one warning for the set; sentences that a span crosses are joined.

    Documents and spans that were not accepted are left out, and counted in the log. A document that was accepted
    without spans has no entities.

    Raises:
        InputError: naming the place, for a record without text or spans, for an answer that is none of `ANSWERS`, and
            for spans outside the text, that overlap, or that hold the first character of no word.
    """
    sentences: list[LabeledSentence] = []
    snapped: list[str] = []
    left_out: Counter[str] = Counter()
    for document, (where, id_, record) in enumerate(records):
        if _is_accepted(record, where, "documents", left_out):
            sentences += _of_spans(record, where, id_, document, language, snapped, left_out)
    if left_out:
        counts = ", ".join(f"{count:,} {what}" for what, count in sorted(left_out.items()))
        logger.info("%s: left out, because they were not accepted: %s", source, counts)
    if snapped:
        logger.warning(
            "%s: %d spans cut a word and were snapped (a word takes the label at its first character): %s%s",
            source,
            len(snapped),
            "; ".join(snapped[:3]),
            "" if len(snapped) <= 3 else "; ...",
        )
    return sentences


def _parse(line: str, where: str) -> object:
    try:
        return json.loads(line)
    except (ValueError, RecursionError) as error:
        raise InputError(f"{where}: not JSON ({error}). Write one JSON object a line.") from None


def _is_accepted(value: object, where: str, kind: str, left_out: Counter[str]) -> bool:
    """Tell whether a document or a span was accepted, or nobody asked; count it by its answer where it was not."""
    answer = value.get("answer") if isinstance(value, dict) else None
    if answer is None or answer == ACCEPTED:
        return True
    if answer not in ANSWERS:
        raise InputError(
            f"{where}: the answer is {answer!r}, expected one of {', '.join(ANSWERS)}, as Prodigy writes them. "
            'Correct it, or rename the key "answer" where it means something else.'
        )
    left_out[f"{kind} with the answer {answer}"] += 1
    return False


def _of_spans(
    record: object,
    where: str,
    id_: str,
    document: int,
    language: str,
    snapped: list[str],
    left_out: Counter[str],
) -> Iterator[LabeledSentence]:
    text, spans = _checked_spans(record, where, left_out)
    sentences = split(text, language)
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


def _checked_spans(record: object, where: str, left_out: Counter[str]) -> tuple[str, list[tuple[int, int, str]]]:
    if not isinstance(record, dict) or not isinstance(record.get("text"), str):
        raise InputError(f'{where}: expected an object with a string under "text", as in {_EXAMPLE}.')
    text = record["text"]
    key = next((key for key in SPAN_KEYS if isinstance(record.get(key), list)), None)
    if key is None:
        if record.get("answer") == ACCEPTED and all(record.get(key) is None for key in SPAN_KEYS):
            return text, []
        raise InputError(
            f"{where}: no list under any of {', '.join(SPAN_KEYS)}; expected one as in {_EXAMPLE}. "
            "A document without entities has an empty list."
        )
    spans = []
    for span in record[key]:
        if not _is_accepted(span, where, "spans", left_out):
            continue
        parts = [span.get(part) for part in ("start", "end", "label")] if isinstance(span, dict) else span
        if not (isinstance(parts, list) and [type(part) for part in parts] == [int, int, str] and parts[2]):
            raise InputError(f"{where}: {span!r} is not a span; expected start, end and label as in {_EXAMPLE}.")
        start, end, name = parts
        if not 0 <= start < end <= len(text):
            raise InputError(
                f"{where}: span [{start}, {end}] {name} does not lie in the text of {len(text)} characters; "
                "expected 0 <= start < end <= length, in code points, end exclusive. Correct the offsets."
            )
        spans.append((start, end, name))
    spans.sort()
    for span, following in pairwise(spans):
        if following[0] < span[1]:
            raise InputError(f"{where}: spans {list(span)} and {list(following)} overlap. Keep one of them.")
    return text, spans
