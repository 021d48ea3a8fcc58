"""Records of words with their tags: ``{"tokens": ["Anna", "left"], "ner_tags": ["B-PER", "O"]}``."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeGuard

from kdner.errors import InputError
from kdner.labeled.remarks import Remarks
from kdner.labeled.sentence import LabeledSentence, is_empty_token
from kdner.labels.names import TypeNames

TAG_KEYS = ("ner_tags", "tags", "labels")


def is_token_record(record: object) -> TypeGuard[dict[str, Any]]:
    """Tell whether a record has words and tags of its own, whatever else it has."""
    if not isinstance(record, dict) or "tokens" not in record or _tag_key(record) is None:
        return False
    return _is_plain(record["tokens"])


def read_tokens(
    record: Mapping[str, Any],
    where: str,
    id_: str,
    document: int,
    types: TypeNames,
    remarks: Remarks,
    names: Mapping[str, Sequence[str]],
) -> LabeledSentence | None:
    """Return the sentence of a record, None if it has no words.

    Empty tokens are passed over, if their tag is ``O``.

    Args:
        record: what `is_token_record` knows.
        where: its place, for messages.
        id_: of the sentence.
        document: its number.
        types: of the set.
        remarks: of the set.
        names: of the tags that are numbers, by key.

    Raises:
        InputError: naming the place, for tokens that are not text, for another number of tags, for a tag that has no
            name or belongs to no known scheme, and for one beside an empty token.
    """
    key = _tag_key(record) or ""
    words, tags = record["tokens"] or [], record[key] or []
    if len(words) != len(tags) or not all(isinstance(word, str) for word in words):
        raise InputError(
            f"{where}: {len(words)} tokens and {len(tags)} {key}; expected tokens that are text, with "
            "one tag each. Correct or remove the row."
        )
    place = f"{where}, column {key}"
    tags = [types.add_tag(_named(tag, names.get(key), place), place) for tag in tags]
    pairs = zip(words, tags, strict=True)
    rows = [(word, tag) for word, tag in pairs if not is_empty_token(word, tag, where, remarks)]
    if not rows:
        return None
    words, tags = zip(*rows, strict=True)
    return LabeledSentence.of_gold_words(id_, document, words, tags)


def _tag_key(record: Mapping[str, Any]) -> str | None:
    return next((key for key in TAG_KEYS if key in record and _is_plain(record[key])), None)


def _is_plain(value: object) -> bool:
    """Tell whether a value is a list of texts, numbers or the like, or is missing."""
    return value is None or (isinstance(value, list) and not any(isinstance(item, (dict, list)) for item in value))


def _named(tag: object, names: Sequence[str] | None, where: str) -> str:
    if not isinstance(tag, int):
        return str(tag)
    if names is None or not 0 <= tag < len(names):
        raise InputError(
            f"{where}: the tag {tag} has no name. Give tags as text, or as a ClassLabel feature that "
            "names every number."
        )
    return names[tag]
