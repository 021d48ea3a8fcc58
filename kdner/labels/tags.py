"""Label lists, tag schemes, and the entities that tags stand for.

A label is an IOB2 tag; an entity of a sentence is (first word, one past its last word, type). One rule reads
the tags of every known scheme, so no scheme has to be told and none can be guessed wrongly:

- ``B-``, ``S-`` and ``U-`` open an entity; so does any other prefix where no entity of the same type is open;
- ``E-``, ``L-``, ``S-`` and ``U-`` close it after their word; ``O`` and another type close it before theirs.

It reads IOB1 (``B-`` only between touching entities of one type), IOB2, I- only (touching words of one type
are one entity), BIOES (IOBES), BMES (BMEOS) and BILOU each as it is meant, and mends what a model may predict:
an ``I-`` or ``M-`` that continues nothing opens an entity. A set that mixes IOB1 and IOB2 loses nothing: ``B-``
opens an entity, ``I-`` continues one where it can.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import compress

import numpy as np

from kdner.errors import InputError

_OPENING = frozenset("BSU")
_CLOSING = frozenset("ESLU")
PREFIXES = frozenset("BIMESLU")


def label_list(tags: Iterable[str]) -> list[str]:
    """Return a label list: ``O``, then ``B-T`` and ``I-T`` of every type T in `tags`, sorted by type."""
    types = {tag[2:] for tag in set(tags) if tag != "O"}
    return ["O", *(prefix + name for name in sorted(types) for prefix in ("B-", "I-"))]


def check_same_labels(labels: Sequence[str], other_labels: Sequence[str], owner: str, other_owner: str) -> None:
    """Refuse two label lists that are not the same, in the same order.

    Raises:
        InputError: it names the owners of both lists, and spells out the difference.
    """
    if list(labels) == list(other_labels):
        return
    only = {
        owner: [label for label in labels if label not in other_labels],
        other_owner: [label for label in other_labels if label not in labels],
    }
    difference = "; ".join(f"only {name} has {', '.join(extra)}" for name, extra in only.items() if extra)
    raise InputError(
        f"{owner} and {other_owner} have different label lists: {difference or 'the same labels in another order'}. "
        "Fine-tune both on labeled sets of the same labels, or join the types by --label-map FROM=TO."
    )


def entities_of(tags: Sequence[str]) -> list[tuple[int, int, str]]:
    """Read the entities off the tags of one sentence, in any known scheme.

    Returns:
        (first word, one past the last word, type) of each, in order.

    Raises:
        InputError: a tag belongs to no known scheme.
    """
    entities: list[tuple[int, int, str]] = []
    first, open_type = 0, None
    for i, tag in enumerate(tags):
        if tag != "O":
            check_tag(tag)
        prefix, name = tag[0], tag[2:] or None
        if open_type is not None and (name != open_type or prefix in _OPENING):
            entities.append((first, i, open_type))
            open_type = None
        if open_type is None:
            first, open_type = i, name
        if open_type is not None and prefix in _CLOSING:
            entities.append((first, i + 1, open_type))
            open_type = None
    if open_type is not None:
        entities.append((first, len(tags), open_type))
    return entities


@dataclass(frozen=True, slots=True)
class EntityWords:
    """The entities of many sentences, in order, as places among all words."""

    firsts: np.ndarray  # int64 [E]
    lasts: np.ndarray  # int64 [E], one past the last word
    names: list[str]  # [E], the type of each

    def those(self, kept: np.ndarray) -> EntityWords:
        """Return some of them; `kept` is bool [E]."""
        return EntityWords(self.firsts[kept], self.lasts[kept], list(compress(self.names, kept.tolist())))


def entities_of_words(label_ids: np.ndarray, lengths: np.ndarray, labels: Sequence[str]) -> EntityWords:
    """Read the entities off the tags of many sentences at once, by the rule of `entities_of`.

    Args:
        label_ids: int64 [N], places in `labels`.
        lengths: int64 [S], words of each sentence; sums to N.
        labels: the label list.
    """
    names, *kinds = _kinds_of_labels(tuple(labels))
    name_n, opens_n, closes_n = (np.array(kind)[label_ids] for kind in kinds)
    begins_n = np.zeros(len(label_ids) + 1, dtype=bool)
    begins_n[np.cumsum(lengths)] = True
    goes_on_n = np.zeros(len(label_ids) + 1, dtype=bool)
    goes_on_n[1:-1] = (name_n[1:] == name_n[:-1]) & ~opens_n[1:] & ~closes_n[:-1] & ~begins_n[1:-1]
    firsts = np.flatnonzero((name_n >= 0) & ~goes_on_n[:-1])
    lasts = np.flatnonzero((name_n >= 0) & ~goes_on_n[1:]) + 1
    return EntityWords(firsts, lasts, [names[k] for k in name_n[firsts].tolist()])


def entities_of_few_words(
    label_ids: Sequence[int], lengths: Sequence[int], labels: tuple[str, ...]
) -> list[tuple[int, int, str]]:
    """Do what `entities_of_words` does for a few sentences, where operations on arrays would take longer.

    Returns:
        (first word, one past the last word, type) of each, in order.
    """
    names, name_of, opens_of, closes_of = _kinds_of_labels(labels)
    entities: list[tuple[int, int, str]] = []
    begin = 0
    for length in lengths:
        first, name = begin, -1
        for word in range(begin, begin + length):
            label = label_ids[word]
            if name >= 0 and (name_of[label] != name or opens_of[label]):
                entities.append((first, word, names[name]))
                name = -1
            if name < 0:
                first, name = word, name_of[label]
            if name >= 0 and closes_of[label]:
                entities.append((first, word + 1, names[name]))
                name = -1
        begin += length
        if name >= 0:
            entities.append((first, begin, names[name]))
    return entities


@cache
def _kinds_of_labels(labels: tuple[str, ...]) -> tuple[list[str], list[int], list[bool], list[bool]]:
    """Return the types, and for each label the number of its type, or -1, and whether it opens or closes an entity."""
    names = sorted({label[2:] for label in labels if label != "O"})
    return (
        names,
        [-1 if label == "O" else names.index(label[2:]) for label in labels],
        [label[0] in _OPENING for label in labels],
        [label[0] in _CLOSING for label in labels],
    )


def repair(tags: Sequence[str]) -> list[str]:
    """Write the tags of one sentence, in any known scheme, as legal IOB2 with the same entities."""
    repaired = ["O"] * len(tags)
    for first, last, name in entities_of(tags):
        repaired[first:last] = [f"B-{name}"] + [f"I-{name}"] * (last - first - 1)
    return repaired


def is_tag(text: str) -> bool:
    """Tell whether a text is a tag of a known scheme."""
    return text == "O" or (text[:1] in PREFIXES and text[1:2] == "-" and len(text) > 2)


def check_tag(tag: str, where: str = "") -> None:
    """Raise InputError unless `tag` belongs to a known scheme; `where`, file and line, opens its message."""
    if is_tag(tag):
        return
    raise InputError(
        f"{where + ': ' if where else ''}tag {tag!r} belongs to no known scheme. Known are IOB1, IOB2, "
        "I- only, BIOES (IOBES), BMES and BILOU: 'O', or one of B- I- M- E- S- L- U- before the type, as in 'B-PER'. "
        "Rewrite the tags in one of these; in a file of columns --tag-column names the column that holds them."
    )
