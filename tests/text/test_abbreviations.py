from __future__ import annotations

from typing import get_args
from unicodedata import is_normalized

from kdner.flags import Language
from kdner.text.abbreviations import ABBREVIATIONS


def test_every_language_that_can_be_chosen_has_a_table():
    assert set(get_args(Language)) == set(ABBREVIATIONS)


def test_abbreviations_are_single_parts_of_several_characters_in_nfc():
    for language, abbreviations in ABBREVIATIONS.items():
        for abbreviation in abbreviations:
            assert abbreviation.isalnum() and is_normalized("NFC", abbreviation), (language, abbreviation)
            assert len(abbreviation) < 20
