"""Folding: logits over the labels of any tagger become logits over IOB2 labels.

Labels that mean the same in IOB2 are added as probabilities (log-sum-exp): B, S and U begin an entity; I, M, E and L go
on with one. Where a scheme has no label for the first word of an entity (I- only, bare types, IOB1), the word before
tells: the label goes on with an entity of its type that is open there, else it begins one. The other meaning keeps
`OTHER_MEANING` of the probability.

What holds for all logits of which no two are tied for a word's first place: the best tags that IOB2 allows
(`kdner.labels.decoding`) of what is returned, also rounded to float16, stand for exactly the entities that the tagger's
own rule gives, with their types renamed or dropped. The own rule is the likeliest label of each word, read by
`kdner.labels.tags.entities_of`; of IOB2 labels it is the best tags that IOB2 allows. A sum can beat it, as B and S
together may beat an O that beats each of them: the own rule's label is then raised above all others by a hair
(`MARGIN`). Of tied labels the order tells which is taken, and that is another one in IOB2.

Shapes: N words of all sentences, S labels of the tagger, L labels of IOB2.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence

import numpy as np

from kdner.errors import InputError
from kdner.labels.decoding import best_legal_ids
from kdner.labels.names import TypeNames
from kdner.labels.tags import EntityWords, entities_of_words, label_list

OTHER_MEANING = 0.01
"""What the meaning that the word before rules out has of a label's probability, beside the whole of it."""
MARGIN = 1e-3
"""What the label of the own rule has more than any other at least, in nats: float16 tells them apart."""
IOB1_SHARE = 0.9
"""Share of entities that begin with `I-`, where labels that may be of IOB1 or IOB2 are of IOB1."""
ALL_OTHERS = "*"
"""Stands, in a label map, for all types that it names neither as old nor as new ones."""
_PREFIXED = re.compile(r"([BIESLUM])[-_](.+)", re.DOTALL)
_OF_NO_WORD = re.compile(r"\[.*\]|<.*>|X|PAD", re.IGNORECASE | re.DOTALL)
_NAMELESS = re.compile(r"LABEL_\d+")


class Folding:
    """Maps logits over a tagger's labels to logits over IOB2 labels."""

    def __init__(self, labels: Sequence[str], owner: str, *, label_map: Mapping[str, str] | None = None) -> None:
        """Prepare for a label list.

        Args:
            labels: of IOB1, IOB2, I- only, BIOES (IOBES), BILOU, BMES, or bare types. Those of no word, such as `[CLS]`
                and `<pad>`, are left out.
            owner: whose labels they are, for errors.
            label_map: new names of types; an empty one, or `O`, drops a type. `ALL_OTHERS` names all others.

        Raises:
            InputError: they are no tagger's labels, or are all dropped.
        """
        tags = _read(labels, owner)
        self._kept = [place for place, tag in enumerate(tags) if tag]
        self._tags = [tag for tag in tags if tag]
        self.types = sorted({tag[2:] for tag in self._tags if tag != "O"})
        """The types of entities, before they are renamed."""
        renamed = {name: _renamed(name, label_map or {}) for name in self.types}
        _check_new_names(renamed.values(), f"{owner} with --label-map")
        self.labels = label_list(f"B-{name}" for name in renamed.values() if name)
        """The IOB2 labels."""
        if len(self.labels) == 1:
            raise InputError(
                f"{owner}: --label-map drops all of its types: {', '.join(self.types)}. Keep one at least."
            )
        place = {label: i for i, label in enumerate(self.labels)}
        self._begin, self._inside = (
            {name: place[prefix + new] if new else 0 for name, new in renamed.items()} for prefix in ("B-", "I-")
        )
        is_marked = any(tag[0] in "ESLUM" for tag in self._tags)
        without_begin = {name for name in self.types if f"B-{name}" not in self._tags}
        self.may_be_iob1 = not is_marked and not without_begin
        """Whether the labels are those of IOB2 and of IOB1: only what a tagger does with them tells which."""
        self._by_word_before = without_begin if is_marked or not without_begin else set(self.types)
        self._merges = len(self.labels) < 1 + 2 * len(self.types)
        self.is_identity = len(tags) == len(self._tags) and self.labels == [
            "O" if tag == "O" else tag[:2] + renamed[tag[2:]] for tag in self._tags
        ]
        """Whether logits of IOB2 stay as they are."""

    def __call__(self, logits: np.ndarray, lengths: np.ndarray, *, iob1: bool = False) -> np.ndarray:
        """Return logits, float [N, L].

        Args:
            logits: float [N, S] of all N words of all sentences, in order.
            lengths: int, words of each sentence.
            iob1: whether labels that may be of IOB1 are; see `begins_with_i`.
        """
        is_iob2 = self.may_be_iob1 and not iob1
        if is_iob2 and self.is_identity:
            return logits
        logits = logits[:, self._kept]
        logits = logits - logits.max(axis=1, keepdims=True)
        ids = best_legal_ids(logits, lengths, self._tags) if is_iob2 else logits.argmax(axis=1)
        open_n = self._open_types(ids, lengths)
        folded = np.full((len(logits), len(self.labels)), -np.inf, logits.dtype)
        for tag, logit_n in zip(self._tags, logits.T, strict=True):
            name = tag[2:]
            if tag == "O":
                _add(folded, 0, logit_n)
            elif tag[0] in "BSU":
                _add(folded, self._begin[name], logit_n)
            elif not iob1 and name not in self._by_word_before:
                _add(folded, self._inside[name], logit_n)
            else:
                is_open = open_n == self.types.index(name)
                other_n = logit_n + np.log(OTHER_MEANING).astype(logits.dtype)
                _add(folded, self._inside[name], np.where(is_open, logit_n, other_n))
                _add(folded, self._begin[name], np.where(is_open, other_n, logit_n))
        if is_iob2 and not self._merges:
            return folded
        return _led_by(self._own_labels(entities_of_words(ids, lengths, self._tags), len(ids)), folded)

    def begins_with_i(self, logits: np.ndarray, lengths: np.ndarray) -> bool:
        """Tell whether a tagger whose labels may be of IOB1 begins entities with `I-`, by what it does with sentences.

        The arguments are those of a call. Entities right after one of their type are not counted: these begin with `B-`
        in both schemes.
        """
        ids = logits[:, self._kept].argmax(axis=1)
        entities = entities_of_words(ids, lengths, self._tags)
        names = np.array([self.types.index(name) for name in entities.names], np.int64)
        firsts = entities.firsts[self._open_types(ids, lengths)[entities.firsts] != names]
        with_i = sum(self._tags[label][0] == "I" for label in ids[firsts])
        return bool(with_i) and with_i >= IOB1_SHARE * len(firsts)

    def _open_types(self, ids: np.ndarray, lengths: np.ndarray) -> np.ndarray:
        """Return, for each word, the type (a place in `types`) of an entity that the word before leaves open, else -1.

        Args:
            ids: int [N], places among the labels that are kept.
            lengths: int, words of each sentence.
        """
        leaves_open = [self.types.index(tag[2:]) if tag[0] in "BIM" and tag != "O" else -1 for tag in self._tags]
        open_n = np.full(len(ids), -1)
        open_n[1:] = np.array(leaves_open)[ids[:-1]]
        starts = np.cumsum(lengths) - lengths
        open_n[starts[lengths > 0]] = -1
        return open_n

    def _own_labels(self, entities: EntityWords, words: int) -> np.ndarray:
        """Return the IOB2 labels of entities, int [N]."""
        own_n = np.zeros(words, np.int64)
        for first, last, name in zip(entities.firsts, entities.lasts, entities.names, strict=True):
            own_n[first], own_n[first + 1 : last] = self._begin[name], self._inside[name]
        return own_n


def read_label_map(flags: Sequence[str]) -> dict[str, str]:
    """Read `--label-map`: `FROM=TO` for each type, `FROM=` to drop it, `*=` to drop all others.

    Raises:
        InputError: one is not so written, or a type has two new names.
    """
    label_map: dict[str, str] = {}
    for flag in flags:
        name, equals, new = (part.strip() for part in flag.partition("="))
        if not equals or not name:
            raise InputError(f"--label-map {flag}: expected FROM=TO, or FROM= to drop a type, as in GPE=LOC DATE=")
        if name in label_map:
            raise InputError(f"--label-map: {name} is named twice: {name}={label_map[name]} and {flag}")
        label_map[name] = new
    return label_map


def check_label_map(label_map: Mapping[str, str], types: Sequence[str]) -> None:
    """Refuse a label map that names a type which no tagger has.

    Raises:
        InputError: it names the type, and those that there are.
    """
    if unknown := [name for name in label_map if name not in types and name != ALL_OTHERS]:
        raise InputError(
            f"--label-map {unknown[0]}=: no model has this type. They have {', '.join(sorted(set(types)))}."
        )


def _read(labels: Sequence[str], owner: str) -> list[str | None]:
    """Read a label list as tags of `kdner.labels.tags`, bare types as `I-`; `None` stands for labels of no word."""
    names = [label.strip() for label in labels]
    words = [name for name in names if not _OF_NO_WORD.fullmatch(name)]
    if any(map(_NAMELESS.fullmatch, names)):
        raise InputError(
            f"{owner}: its labels have no names: {', '.join(names[:4])}. Write their names into id2label of its "
            "config.json, with 'O' for words outside entities."
        )
    matches = {name: _PREFIXED.fullmatch(name) for name in words if name != "O"}
    if "O" not in words or not matches:
        raise InputError(
            f"{owner}: not a tagger of entities. Its labels: {', '.join(names[:12]) or 'none'}. Expected 'O' and "
            "labels such as B-PER or PER."
        )
    bare = [name for name, match in matches.items() if not match]
    if 0 < len(bare) < len(matches):
        raise InputError(
            f"{owner}: its label {bare[0]!r} has no prefix, while others have: {', '.join(words[:9])}. Expected labels "
            "of one scheme: IOB1, IOB2, I- only, BIOES, BILOU, BMES, or types alone."
        )
    types = TypeNames()
    tags = {"O": "O"} | {
        name: types.add_tag(f"{match[1]}-{match[2]}" if match else f"I-{name}", owner)
        for name, match in matches.items()
    }
    types.check()
    return [tags.get(name) for name in names]


def _renamed(name: str, label_map: Mapping[str, str]) -> str:
    """Return the new name of a type; empty where it is dropped."""
    others = name if name in label_map.values() else label_map.get(ALL_OTHERS, name)
    new = label_map.get(name, others)
    return "" if new == "O" else new


def _check_new_names(names: Iterable[str], where: str) -> None:
    types = TypeNames()
    for name in filter(None, names):
        types.add(name, where)
    types.check()


def _add(folded: np.ndarray, label: int, logit_n: np.ndarray) -> None:
    """Add the probabilities of logits [N] to those of a label, in place."""
    np.logaddexp(folded[:, label], logit_n, out=folded[:, label])


def _led_by(own_n: np.ndarray, folded: np.ndarray) -> np.ndarray:
    """Return logits in which the own rule's label of each word is the highest, at 0, by `MARGIN` at least."""
    words = np.arange(len(folded))
    others = folded.copy()
    others[words, own_n] = -np.inf
    folded[words, own_n] = np.maximum(folded[words, own_n], others.max(axis=1) + MARGIN)
    return folded - folded.max(axis=1, keepdims=True)
