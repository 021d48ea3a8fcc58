"""Names of entity types, read from what users bring: no two of them print alike, and none hides what is in it.

A type's name is what follows the prefix of a tag (``PER`` of ``B-PER``), or the label of a span.
"""

from __future__ import annotations

import unicodedata

import regex

from kdner.errors import InputError
from kdner.labels.tags import PREFIXES, check_tag

_LETTER = r"[[\p{L}\p{M}]--[\p{Latin}\p{Greek}\p{Cyrillic}]]"
_JOINER = regex.compile(rf"(?V1)(?<={_LETTER})[\u200c\u200d](?={_LETTER})")
"""Zero-width joiners where they tell words apart, as in Persian."""


class TypeNames:
    """The entity types of one labeled set or model, each with the place where it was first seen.

    Names are added while something is read, and checked by `check` once all are known.
    """

    def __init__(self) -> None:
        self.places: dict[str, str] = {}
        """Place of the first mention, for messages, by name."""
        self._tags: dict[str, str] = {}

    def add(self, name: str, where: str) -> str:
        """Add the name of a type; return it without the white space around it."""
        name = name.strip()
        self.places.setdefault(name, where)
        return name

    def add_tag(self, tag: str, where: str) -> str:
        """Add the type of a tag of any known scheme; return the tag without the white space around it and its type.

        Raises:
            InputError: naming the place `where`, if the tag belongs to no known scheme.
        """
        clean = self._tags.get(tag)
        if clean is None:
            clean = tag.strip()
            check_tag(clean, where)
            if clean != "O":
                clean = clean[:2] + self.add(clean[2:], where)
            self._tags[tag] = clean
        return clean

    def check(self) -> None:
        """Check the names, alone and beside each other.

        Raises:
            InputError: naming the place, for a name that is empty or holds characters that cannot be seen, for one that
                is a tag and no type, and for two that differ only by case, white space or Unicode's ways of writing
                one character.
        """
        alike: dict[str, str] = {}
        for name, where in self.places.items():
            if not name:
                raise InputError(f"{where}: the label is empty. Give it the name of an entity type.")
            seen = _JOINER.sub("", name)
            hidden = next((c for c in seen if not c.isprintable() or c == "\ufffd"), None)
            if hidden is not None:
                known_as = unicodedata.name(hidden, "a control character")
                raise InputError(
                    f"{where}: the label {name!a} holds U+{ord(hidden):04X} ({known_as}), which is no part of a name. "
                    "Remove it."
                )
            if name == "O":
                raise InputError(
                    f"{where}: the label 'O' is a tag, that of words outside entities. Give the type another name."
                )
            if self._is_tag(name):
                raise InputError(
                    f"{where}: the label {name!r} is a tag, not the name of an entity type. "
                    "Write the type without the prefix that opens or continues an entity."
                )
            key = "".join(unicodedata.normalize("NFKC", name).split()).casefold()
            other = alike.setdefault(key, name)
            if other != name:
                raise InputError(
                    f"{where}: the label {name!r} differs from {other!r} ({self.places[other]}) only by case, white "
                    "space or the way a character is encoded. Write both alike."
                )

    def _is_tag(self, name: str) -> bool:
        """Tell whether a name is a tag: ``B-`` and ``I-`` say so alone, other prefixes where there is the type too."""
        prefix, rest = name[:2], name[2:]
        if not rest or prefix[1] != "-" or prefix[0] not in PREFIXES:
            return False
        kin = {rest, *(f"{other}-{rest}" for other in PREFIXES)} - {name}
        return prefix[0] in "BI" or not kin.isdisjoint(self.places)
