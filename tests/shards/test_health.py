from __future__ import annotations

import pyarrow as pa
import pytest

from kdner.runs.schema import CORPUS, ENTITIES
from kdner.shards.health import Blame, Health, most_frequent
from kdner.text.documents import NO_TEXT


class Card:
    """Maps documents while it is well; a text that says so is bad for any card."""

    schema = ENTITIES

    def __init__(self) -> None:
        self.well = True

    def __call__(self, documents: pa.Table) -> pa.Table:
        rows = [
            {"id": row["id"], "entities": [], "words": 1, "error": self.error(row["text"])}
            for row in documents.to_pylist()
        ]
        return pa.Table.from_pylist(rows, ENTITIES)

    def error(self, text):
        if not text:
            return NO_TEXT
        return "out of range" if text == "bad" else None if self.well else "the card fell off"


@pytest.fixture
def card():
    return Card()


@pytest.fixture
def blame(card):
    health = Health(card)

    def blame(*texts):
        documents = pa.table({"id": [str(i) for i in range(len(texts))], "text": texts}, schema=CORPUS)
        return health.blame(documents, card(documents))

    return blame


def test_a_process_that_never_did_better_cannot_be_believed(card, blame):
    assert blame("bad", "bad") is Blame.UNKNOWN
    card.well = False
    assert blame("good") is Blame.UNKNOWN


def test_one_that_still_maps_what_it_has_mapped_can(blame):
    assert blame("good", "bad") is Blame.DOCUMENTS
    assert blame("bad", "bad", "bad") is Blame.DOCUMENTS


def test_one_that_does_not_any_more_is_sick(card, blame):
    assert blame("good", "better") is Blame.DOCUMENTS
    card.well = False
    assert blame("good") is Blame.PROCESS
    card.well = True
    assert blame("bad") is Blame.DOCUMENTS


def test_documents_without_text_are_at_fault_themselves(card, blame):
    assert blame(None, "") is Blame.DOCUMENTS
    card.well = False
    assert blame(None) is Blame.DOCUMENTS
    assert blame(None, "good") is Blame.UNKNOWN


def test_one_that_raises_on_its_probe_is_sick(card):
    health = Health(card)
    documents = pa.table({"id": ["0"], "text": ["good"]}, schema=CORPUS)
    health.blame(documents, card(documents))
    card.well = False
    failed = card(documents)
    card.error = lambda text: 1 / 0
    assert health.blame(documents, failed) is Blame.PROCESS


def test_the_most_frequent_errors_come_first(card):
    texts = ["bad", None, "bad", "", "bad", "good"]
    documents = pa.table({"id": list("abcdef"), "text": texts}, schema=CORPUS)
    assert most_frequent(card(documents)) == [("out of range", 3, "a"), (NO_TEXT, 2, "b")]
