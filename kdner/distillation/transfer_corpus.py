"""The documents whose logits will be the transfer set: sentences that were not drawn, and a draw from the corpus."""

from __future__ import annotations

import random
from collections.abc import Sequence

import pyarrow as pa

from kdner.corpora.draws import draw_documents
from kdner.corpora.plan import CorpusPlan
from kdner.errors import InputError
from kdner.labeled.sentence import LabeledSentence
from kdner.runs.schema import CORPUS

SENTENCE = "labeled:"
"""Begins the ids of documents that are sentences of the labeled set: a file of the corpus may have the same name."""


def transfer_documents(
    rest: Sequence[LabeledSentence], plan: CorpusPlan | None, *, words: int, seed: int
) -> tuple[pa.Table, pa.Table]:
    """Return sentences without their labels, and documents of a corpus, each a table of `schema.CORPUS`.

    Args:
        rest: sentences of the labeled set that were not drawn; each becomes a document.
        plan: the corpus, if there is one.
        words: white-space separated words to draw from the corpus; 0 takes all of it.
        seed: decides which documents are drawn.
    """
    columns = [[f"{SENTENCE}{sentence.id}" for sentence in rest], [sentence.text for sentence in rest]]
    sentences = pa.Table.from_arrays([pa.array(column, pa.string()) for column in columns], schema=CORPUS)
    drawn = draw_documents(plan, words, seed) if plan else ()
    return sentences, pa.concat_tables([CORPUS.empty_table(), *drawn])


def transfer_corpus(rest: Sequence[LabeledSentence], plan: CorpusPlan | None, *, words: int, seed: int) -> pa.Table:
    """Mix what `transfer_documents` returns into one table, so that all parts of it hold alike documents.

    The seed also decides their order.

    Raises:
        InputError: a document of the corpus has the id of a sentence.
    """
    sentences, drawn = transfer_documents(rest, plan, words=words, seed=seed)
    if met := set(sentences["id"].to_pylist()).intersection(drawn["id"].to_pylist()):
        raise InputError(
            f"--corpus: a document has the id {min(met)!r}, which a sentence of the labeled set gets; give it another"
        )
    documents = pa.concat_tables([sentences, drawn])
    order = random.Random(seed).sample(range(documents.num_rows), documents.num_rows)
    columns = (column.to_pylist() for column in documents.columns)  # Arrow's take stops at 2 GB of strings
    return pa.table([pa.array([column[row] for row in order], pa.string()) for column in columns], schema=CORPUS)
