"""Documents with entities as annotation tools import them: Prodigy, doccano and Label Studio.

Offsets are code points, end exclusive, in all three.
"""

from __future__ import annotations

import json
from bisect import bisect_left
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from kdner import __version__
from kdner.integrations.annotated import Annotated


def prodigy(documents: Sequence[Annotated], labels: Sequence[str], kept: Sequence[pa.Field] = ()) -> bytes:
    """Write JSON lines for Prodigy's `ner.manual`: `text`, `tokens`, `spans`, and `meta` with the id and metadata."""
    return _lines(map(_prodigy_task, documents))


def doccano(documents: Sequence[Annotated], labels: Sequence[str], kept: Sequence[pa.Field] = ()) -> bytes:
    """Write JSON lines for doccano's sequence labeling: `text`, `label`, `id`; other keys become metadata there."""
    return _lines(
        document.record(
            id=document.id,
            text=document.text,
            label=[[entity.start, entity.end, entity.label] for entity in document.entities],
        )
        for document in documents
    )


def label_studio(documents: Sequence[Annotated], labels: Sequence[str], kept: Sequence[pa.Field] = ()) -> bytes:
    """Write a JSON list of Label Studio's tasks, with predictions; what people have labeled is annotations there.

    The project's labeling configuration has `<Text name="text" value="$text"/>` and `<Labels name="label"
    toName="text">`. Metadata are in `data`, beside the text.
    """
    tasks: list[dict[str, Any]] = []
    for document in documents:
        result = [_label_studio_region(document, number) for number in range(len(document.entities))]
        task: dict[str, Any] = {"data": document.record(id=document.id, text=document.text)}
        if document.is_gold:
            task["annotations"] = [{"result": result}]
        else:
            score = round(min((entity.score for entity in document.entities), default=1.0), 4)
            task["predictions"] = [{"model_version": f"kdner {__version__}", "score": score, "result": result}]
        tasks.append(task)
    return _utf8(json.dumps(tasks, ensure_ascii=False, indent=1) + "\n")


def _prodigy_task(document: Annotated) -> dict[str, Any]:
    words = [word for sentence in document.sentences for word in zip(sentence.starts, sentence.ends, strict=True)]
    starts = [start for start, _ in words]
    tokens = [
        {"text": document.text[a:b], "start": a, "end": b, "id": number, "ws": document.text[b : b + 1].isspace()}
        for number, (a, b) in enumerate(words)
    ]
    spans = []
    for entity in document.entities:
        span: dict[str, Any] = {"start": entity.start, "end": entity.end, "label": entity.label}
        first, last = bisect_left(starts, entity.start), bisect_left(starts, entity.end)
        span |= {"token_start": first, "token_end": last - 1}
        spans.append(span if document.is_gold else {**span, "score": round(entity.score, 4)})
    answer = {"answer": "accept"} if document.is_gold else {}
    meta = document.record(id=document.id)
    return {"text": document.text, "tokens": tokens, "spans": spans, "meta": meta, **answer}


def _label_studio_region(document: Annotated, number: int) -> dict[str, Any]:
    entity = document.entities[number]
    value = {"start": entity.start, "end": entity.end, "text": entity.text, "labels": [entity.label]}
    region = {"id": f"e{number}", "from_name": "label", "to_name": "text", "type": "labels", "value": value}
    return region if document.is_gold else {**region, "score": round(entity.score, 4)}


def _lines(records: Iterable[dict[str, Any]]) -> bytes:
    return _utf8("".join(json.dumps(record, ensure_ascii=False) + "\n" for record in records))


def _utf8(content: str) -> bytes:
    """Encode JSON; half of a surrogate pair, which UTF-8 cannot say, is escaped as JSON says it."""
    return content.encode(errors="backslashreplace")
