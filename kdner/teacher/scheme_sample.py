"""Sentences of a corpus by which the labels of IOB1 are told from those of IOB2, where a teacher does not tell it.

They are scored while an actor starts, before any document has a time limit. So what a class of the user's does not end
with is found beforehand, in a child process of the driver that can be killed, and left out.
"""

from __future__ import annotations

import logging
import math
import multiprocessing
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from types import TracebackType

from kdner.corpora.draws import draw_documents
from kdner.corpora.plan import CorpusPlan
from kdner.teacher.by_name import is_own_class, load_model, may_be_iob1
from kdner.text.documents import without_failing
from kdner.text.words import Splitting

SAMPLE_WORDS, DOCUMENT_WORDS = 5000, 500
"""About so many words of a corpus are in the sample, and of one document."""
START_S = 600.0
"""Seconds that a teacher may take to be built, and to answer for the first time."""
ANSWER_S = 60.0
"""Seconds that it may take for one sentence after that."""
TRIAL_S = 300.0
"""Seconds after which the sentences that were answered are enough."""
MOST_LOST = 3
"""Sentences that end a process or never end, after which the rest is left out."""

logger = logging.getLogger(__name__)


def scheme_sample(
    plan: CorpusPlan, teachers: Sequence[str], splitting: Splitting, *, timeout_s: float | None = None
) -> list[list[str]]:
    """Return sentences by which the labels of teachers are told to be of IOB1 or IOB2; none where all tell it.

    Args:
        plan: of the corpus.
        teachers: named as `kdner.teacher.by_name` says.
        splitting: how the corpus is split.
        timeout_s: seconds that a shard may take, and so a sentence at most; by default it is `ANSWER_S`.
    """
    untold = [teacher for teacher in teachers if may_be_iob1(teacher)]
    sentences = list(sample_sentences(plan, splitting)) if untold else []
    answer_s = min(ANSWER_S, math.inf if timeout_s is None else timeout_s)
    for teacher in filter(is_own_class, untold):
        sentences = answered(teacher, sentences, answer_s=answer_s)
    return sentences


def sample_sentences(plan: CorpusPlan, splitting: Splitting) -> Iterator[list[str]]:
    """Yield the words of sentences of a corpus, about `SAMPLE_WORDS`, from the beginnings of documents at random."""
    left = SAMPLE_WORDS
    for table in draw_documents(plan, SAMPLE_WORDS * SAMPLE_WORDS // DOCUMENT_WORDS, seed=1):
        for text in table["text"].to_pylist():
            of_document = DOCUMENT_WORDS
            with suppress(Exception):  # a text that cannot be split becomes an error of its document
                for sentence in splitting(text or ""):
                    if min(left, of_document) <= 0:
                        break
                    yield sentence.words
                    left, of_document = left - len(sentence.words), of_document - len(sentence.words)
            if left <= 0:
                return


def answered(teacher: str, sentences: Sequence[list[str]], *, answer_s: float) -> list[list[str]]:
    """Return those of some sentences that a class of the user's ends with in time, be it with an error.

    Where its process ends before it has answered for the first time, nothing is known, and they are all returned.
    """
    ended: list[list[str]] = []
    place, until = 0, math.inf
    for _ in range(MOST_LOST):
        with _Child(teacher, sentences[place:]) as child:
            began = child.answers(START_S)
            if began is None:
                return list(sentences)
            until, last = min(until, time.monotonic() + TRIAL_S), place
            while began and last < len(sentences) and time.monotonic() < until and child.answers(answer_s):
                last += 1
        ended += sentences[place:last]
        if not began or last == len(sentences) or time.monotonic() >= until:
            break
        logger.warning(
            "%s: ends its process with a sentence, or does not end with it in %.0f s; what its labels are is told "
            "without it: %.200s",
            teacher,
            answer_s,
            " ".join(sentences[last]),
        )
        place = last + 1
    if not ended:
        logger.warning(
            "%s: answers for no sentence of a sample of the corpus in time, so each part of it tells anew whether its "
            "labels are of IOB1 or IOB2; give the class a `scheme`",
            teacher,
        )
    return ended


class _Child:
    """A process in which a teacher is built and answers for one sentence after the other."""

    def __init__(self, teacher: str, sentences: Sequence[list[str]]) -> None:
        processes = multiprocessing.get_context("spawn")
        self._connection, other = processes.Pipe(duplex=False)
        self._process = processes.Process(target=_answer, args=(teacher, sentences, other), daemon=True)
        self._process.start()
        other.close()

    def __enter__(self) -> _Child:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._process.kill()
        self._process.join()
        self._connection.close()

    def answers(self, seconds: float) -> bool | None:
        """Wait for the next answer: whether it came in time; None where the process has ended."""
        if not self._connection.poll(seconds):
            return False
        try:
            self._connection.recv()
        except EOFError:
            return None
        return True


def _answer(teacher: str, sentences: Sequence[list[str]], connection: Connection) -> None:
    """Score one sentence after the other, and tell of each that it is done; the first is none of the corpus."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a Ctrl-C is the driver's, which ends this process
    model = load_model(teacher)
    for sentence in [["Yes", "."], *sentences]:
        without_failing([sentence], model.score_words)
        connection.send(None)
