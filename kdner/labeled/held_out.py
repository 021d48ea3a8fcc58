"""The test set of those who have one labeled file: a part of it that no training reads."""

from __future__ import annotations

import logging
import random
from collections import Counter
from collections.abc import Sequence

from kdner.errors import InputError
from kdner.flags import HeldOut
from kdner.labeled.sentence import LabeledSentence

logger = logging.getLogger(__name__)

_SEED = 1910_06294
"""The part is the same in all jobs and for all seeds of a study, so that their F1 can be compared."""


def hold_out(
    sentences: Sequence[LabeledSentence], flags: HeldOut, source: str
) -> tuple[list[LabeledSentence], list[LabeledSentence]]:
    """Part the sentences of a labeled set into those to learn from and those held out, both in the set's order.

    Documents are drawn at random and held out whole, as long as one fits into what is still to be held out, because
    sentences of one document share their names. A set of one document, or one of which no document fits, is drawn by
    sentences.

    Args:
        sentences: the set.
        flags: how much to hold out; by default nothing.
        source: the set's name, for messages.

    Raises:
        InputError: the flags ask for none of its sentences, or leave none.
    """
    if not flags.holds_out:
        return list(sentences), []
    wanted = _wanted(len(sentences), flags, source)
    sizes = Counter(sentence.document for sentence in sentences)
    if min(sizes.values()) > wanted or len(sizes) == 1:
        chosen = set(random.Random(_SEED).sample(range(len(sentences)), wanted))
    else:
        documents = _fitting(sizes, wanted)
        chosen = {i for i, sentence in enumerate(sentences) if sentence.document in documents}
    kept = [sentence for i, sentence in enumerate(sentences) if i not in chosen]
    held_out = [sentence for i, sentence in enumerate(sentences) if i in chosen]
    logger.info("%s: %d of %d sentences are held out as the test set", source, len(held_out), len(sentences))
    return kept, held_out


def _fitting(sizes: Counter[int], wanted: int) -> set[int]:
    """Draw documents, by their numbers, that hold as many sentences as are wanted, or a few less."""
    documents, left = set(), wanted
    for document in random.Random(_SEED).sample(list(sizes), len(sizes)):
        if sizes[document] <= left:
            documents.add(document)
            left -= sizes[document]
    return documents


def _wanted(count: int, flags: HeldOut, source: str) -> int:
    if flags.test_sentences is None:
        share = flags.test_share or 0.0
        if not 0 < share < 1:
            raise InputError(f"--test-share {share}: must be over 0 and under 1")
        wanted = round(share * count)
        asked = f"--test-share {share}"
    elif flags.test_share is None:
        wanted = flags.test_sentences
        asked = f"--test-sentences {wanted}"
    else:
        raise InputError("--test-share and --test-sentences: both say how much to hold out; give one of them")
    if not 0 < wanted < count:
        raise InputError(
            f"{asked}: {source} has {count:,} sentences, of which at least one must be held out, and one left to learn "
            "from"
        )
    return wanted
