"""Documents with spans, as annotation tools export them, brought into one form.

=============  ======================================================================================================
kdner's own    ``{"text": ..., "spans": [{"start": 0, "end": 4, "label": "PER"}]}``
lists          ``[0, 4, "PER"]`` in place of an object: spaCy 2, doccano
doccano        ``label``, or ``entities`` with ``start_offset`` and ``end_offset`` beside ``relations``
Prodigy        ``spans`` with ``token_start``; ``answer`` of a document or a span: only what was accepted counts
Label Studio   tasks with ``data`` and ``annotations`` (``JSON``), or documents with ``label`` (``JSON-MIN``)
spaCy 2        ``[text, {"entities": [...]}]``
=============  ======================================================================================================
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from kdner.errors import InputError
from kdner.labeled.remarks import Remarks

SPAN_KEYS = ("spans", "entities", "labels", "label")
_JSON_MIN_KEYS = frozenset(["annotator", "annotation_id", "lead_time"])
"""What Label Studio writes into every record of JSON-MIN, beside the key of the labels where there are any."""
_UNANNOTATED = "tasks without annotations, left out"
EXAMPLE = '{"text": "Anna left.", "spans": [{"start": 0, "end": 4, "label": "PER"}]}'
_EXPECTED = f'expected an object with a string under "text", as in {EXAMPLE}, or with "tokens" and "ner_tags".'
_OWN_TEXT_KEYS = ("text", "value", "mention", "surface")
"""What tools call the text that a span carries of its own."""
ACCEPTED = "accept"
ANSWERS = (ACCEPTED, "reject", "ignore")
_OTHER_FORMATS = {
    "paragraphs": "the JSON of spaCy 2's trainer; convert it with `python -m spacy convert`, and give the .spacy file",
    "%FEATURE_STRUCTURES": "UIMA CAS JSON, as INCEpTION writes it; export the documents as CoNLL 2002 instead",
    "classes": 'an export of NER Annotator; write each of its annotations, [text, {"entities": [...]}], on a line',
    "tokenized_text": 'GLiNER\'s training data; write {"tokens": [...], "ner_tags": ["B-PER", ...]} instead',
}


@dataclass(frozen=True, slots=True)
class RawSpan:
    """A span as it was given: offsets in the units of its set."""

    start: int
    end: int
    name: str
    own_text: str | None = None
    """Text that the tool says it covers."""


def is_accepted(value: object, where: str, kind: str, remarks: Remarks) -> bool:
    """Tell whether a document or a span was accepted, or nobody asked; count it by its answer where it was not.

    Raises:
        InputError: the answer is none of `ANSWERS`.
    """
    answer = value.get("answer") if isinstance(value, dict) else None
    if answer is None or answer == ACCEPTED:
        return True
    if answer not in ANSWERS:
        raise InputError(
            f"{where}: the answer is {answer!r}, expected one of {', '.join(ANSWERS)}, as Prodigy writes them. "
            'Correct it, or rename the key "answer" where it means something else.'
        )
    remarks.add(f"{kind} with the answer {answer}, left out", where, usual=True)
    return False


def text_and_spans(record: object, where: str, remarks: Remarks) -> tuple[str, list[RawSpan]] | None:
    """Return the text of a document and its spans, in its order; None for a task that nobody has annotated.

    Raises:
        InputError: naming the place, for what is no such document, and for spans of unknown form.
    """
    if isinstance(record, list) and len(record) == 2 and isinstance(record[1], dict):
        record = {"text": record[0], **record[1]}
    if isinstance(record, dict) and isinstance(record.get("data"), dict):
        return _of_task(record, where, remarks)
    if not isinstance(record, dict):
        raise InputError(f"{where}: {_EXPECTED}")
    text = record.get("text", record.get("data"))
    if not isinstance(text, str):
        for key, name in _OTHER_FORMATS.items():
            if key in record:
                raise InputError(f"{where}: this is {name}.")
        raise InputError(f"{where}: {_EXPECTED} This one has {', '.join(record) or 'nothing'}.")
    listed = _list_of_spans(record, where)
    if not listed and record.keys() >= _JSON_MIN_KEYS and record["annotation_id"] is None:
        remarks.add(_UNANNOTATED, where, usual=True)
        return None
    spans = [span for span in listed if is_accepted(span, where, "spans", remarks)]
    return text, [_span(span, where) for span in spans]


def _list_of_spans(record: dict[str, Any], where: str) -> list[Any]:
    """Return the list of spans: under the first key that holds some, else an empty one."""
    lists = {key: record[key] for key in SPAN_KEYS if _may_be_spans(record.get(key))}
    filled = {key: spans for key, spans in lists.items() if spans}
    if any(spans != next(iter(filled.values())) for spans in filled.values()):
        raise InputError(f"{where}: spans stand under {' and '.join(filled)}. Keep one of them.")
    if lists or (record.get("answer") == ACCEPTED and all(record.get(key) is None for key in SPAN_KEYS)):
        return next(iter(filled.values()), [])
    if record.keys() >= _JSON_MIN_KEYS and all(record.get(key) is None for key in SPAN_KEYS):
        other = next((key for key, value in record.items() if _are_regions(value)), None)
        if other is None:
            return []
        raise InputError(f"{where}: spans stand under {other}. Rename this key to label in all records.")
    raise InputError(
        f"{where}: no list under any of {', '.join(SPAN_KEYS)}; expected one as in {EXAMPLE}. "
        "A document without entities has an empty list."
    )


def _may_be_spans(value: object) -> bool:
    """Tell whether a value is a list, and not one of names, such as the classes of a whole text."""
    return isinstance(value, list) and (not value or not all(isinstance(item, str) for item in value))


def _are_regions(value: object) -> bool:
    """Tell whether a value is Label Studio's list of labeled spans."""
    return isinstance(value, list) and any(isinstance(item, dict) and "labels" in item for item in value)


def _span(span: Any, where: str) -> RawSpan:
    parts, own_text = span, None
    if isinstance(span, dict):
        label = span.get("label", span.get("labels"))
        if isinstance(label, list) and len(label) == 1:
            (label,) = label
        parts = [span.get("start", span.get("start_offset")), span.get("end", span.get("end_offset")), label]
        texts = (span.get(key) for key in _OWN_TEXT_KEYS)
        own_text = next((text for text in texts if isinstance(text, str)), None)
    if not (isinstance(parts, list) and [type(part) for part in parts] == [int, int, str] and parts[2]):
        raise InputError(f"{where}: {span!r} is not a span; expected start, end and one label as in {EXAMPLE}.")
    start, end, name = parts
    return RawSpan(start, end, name, own_text)


def _of_task(task: dict[str, Any], where: str, remarks: Remarks) -> tuple[str, list[RawSpan]] | None:
    """Read a task of Label Studio."""
    given = [a for a in task.get("annotations") or task.get("completions") or [] if isinstance(a, dict)]
    annotations = [a for a in given if not a.get("was_cancelled")]
    annotations = [a for a in annotations if a.get("ground_truth")] or annotations
    if not annotations:
        what = "tasks that were skipped, left out" if given else _UNANNOTATED
        remarks.add(what, where, usual=True)
        return None
    results = [list(_regions(annotation, where)) for annotation in annotations]
    if any(set(result) != set(results[0]) for result in results):
        raise InputError(
            f"{where}: {len(results)} annotations of one task differ. Keep one, or mark one as ground truth."
        )
    texts = {key: value for key, value in task["data"].items() if isinstance(value, str)}
    if "text" not in texts and len(texts) != 1:
        raise InputError(
            f'{where}: the task\'s data has {", ".join(task["data"]) or "nothing"}; expected a string under "text". '
            "Rename the key that holds the text."
        )
    return texts.get("text", next(iter(texts.values()))), results[0]


def _regions(annotation: dict[str, Any], where: str) -> Iterator[RawSpan]:
    for result in annotation.get("result") or []:
        value = result.get("value") if isinstance(result, dict) else None
        if not isinstance(value, dict):
            continue  # a relation
        if "labels" in value:
            yield _span(value, where)
        elif other := next((key for key in value if key.endswith("labels")), None):
            raise InputError(
                f"{where}: the task has {other}, which mark no span of plain text. "
                "Annotate with <Labels> of a <Text>, or give documents with spans."
            )
