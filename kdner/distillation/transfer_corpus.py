"""The documents whose logits will be the transfer set: sentences that were not drawn, and a draw from the corpus."""

from __future__ import annotations

from collections.abc import Sequence

import pyarrow as pa

from kdner.data.corpus import CorpusPlan, draw_documents
from kdner.data.labeled_sentence import LabeledSentence
from kdner.runs.schema import CORPUS


def transfer_corpus(rest: Sequence[LabeledSentence], plan: CorpusPlan | None, *, words: int, seed: int) -> pa.Table:
    """Put sentences without their labels and documents of a corpus into one table of `schema.CORPUS`.

    Args:
        rest: sentences of the labeled set that were not drawn; each becomes a document.
        plan: the corpus, if there is one.
        words: white-space separated words to draw from the corpus; 0 takes all of it.
        seed: decides which documents are drawn.
    """
    columns = [[sentence.id for sentence in rest], [sentence.text for sentence in rest]]
    sentences = pa.Table.from_arrays([pa.array(column, pa.string()) for column in columns], schema=CORPUS)
    return pa.concat_tables([sentences, *(draw_documents(plan, words, seed) if plan else ())])
