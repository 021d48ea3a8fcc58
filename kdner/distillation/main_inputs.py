"""What the main job reads, checked before any work begins."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from kdner.corpora.corpus_listing import CorpusListing, corpus_listing
from kdner.corpora.plan import CorpusPlan, plan_listing
from kdner.data.quickstart import write_quickstart
from kdner.distillation.untrained_student import check_untrained_student, vectors_fingerprint
from kdner.errors import InputError
from kdner.flags import Corpus, LabeledSet
from kdner.labeled.remarks import Remarks
from kdner.labeled.sentence import LabeledSentence
from kdner.labeled.sets import check_labels, drawn_fingerprint, read_drawn, read_test, source_fingerprint
from kdner.student.config import StudentConfig
from kdner.teacher.by_name import encoder_of, teacher_fingerprint
from kdner.teacher.tokenizers import check_encoder

QUICKSTART = "quickstart"
"""Names the embedded example."""
QUICKSTART_STEPS = 750
"""Optimizer steps that a student of the embedded example takes at most: half of the default, in half of the time."""


PlanCorpus = Callable[[CorpusListing], tuple[CorpusPlan, dict[str, Any]]]
"""Returns the plan of a corpus, and the fingerprint by which runs know it."""


def plan_anew(listing: CorpusListing) -> tuple[CorpusPlan, dict[str, Any]]:
    """Plan a corpus where no earlier start can have kept a plan."""
    return plan_listing(listing), listing.fingerprint()


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What the main job reads, checked."""

    labeled: LabeledSet
    """The labeled set, and which part of it is drawn."""
    rest: list[LabeledSentence]
    """Its sentences that are not drawn."""
    test: str
    """The labeled test set."""
    corpus: Corpus
    """The corpus; without files, the transfer corpus takes its place."""
    plan: CorpusPlan | None
    """Its shards; None without files."""
    corpus_fingerprint: dict[str, Any] | None
    """By which runs know it."""
    teachers: tuple[str, ...]
    """Names of the teachers to train."""
    vectors: str
    """Where the student's first word vectors come from."""
    remarks: Remarks
    """What was odd about the labeled sets."""

    @property
    def paths(self) -> list[str]:
        """Where the labeled set and the corpus lie."""
        return [self.labeled.labeled, *self.corpus.corpus]

    def fingerprint(self) -> dict[str, Any]:
        """Return the identity of all files that are read."""
        test = {} if self.labeled.holds_out else source_fingerprint(self.test, self.labeled)
        return {
            "labeled": drawn_fingerprint(self.labeled),
            "test": test,
            "corpus": self.corpus_fingerprint,
            "teachers": [teacher_fingerprint(name) for name in self.teachers],
            "vectors": vectors_fingerprint(self.vectors),
        }

    def corpus_to_tag(self, transfer: str) -> Corpus:
        """Return the corpus, or the file of the transfer corpus where there is no other."""
        return (
            self.corpus if self.plan else replace(self.corpus, corpus=(transfer,), text_column="text", id_column="id")
        )


def read_inputs(
    labeled: LabeledSet,
    corpus: Corpus,
    *,
    test: str,
    teachers: Sequence[str],
    student: StudentConfig,
    vectors: str,
    out: str,
    plan_corpus: PlanCorpus = plan_anew,
) -> Inputs:
    """Read and check the main job's input.

    Args:
        labeled: the labeled set, which part of it is held out as the test set, and how both are written; `QUICKSTART`
            names the embedded example, with its own test set and corpus.
        corpus: the corpus, and how it is cut.
        test: the labeled test set, where none is held out.
        teachers: names of the teachers to train.
        student: the student's shape.
        vectors: its first word vectors: `teacher`, `random`, or the path of a text file of vectors.
        out: folder for everything.
        plan_corpus: plans the corpus, or finds the plan that an earlier start has kept.

    Raises:
        InputError: something is missing, cannot be read, or does not fit.
    """
    if labeled.labeled == QUICKSTART:
        if labeled.holds_out:
            raise InputError(f"--labeled {QUICKSTART}: the embedded example has its own test set; hold out none")
        files = write_quickstart(Path(out) / ".quickstart")
        labeled, test = replace(labeled, labeled=str(files.labeled)), str(files.test)
        corpus = replace(corpus, corpus=(str(files.corpus),))
    if not teachers:
        raise InputError("--teacher: at least one is needed")
    if len(set(teachers)) < len(teachers):
        raise InputError(f"--teacher {' '.join(teachers)}: one is named twice, and would learn the same twice")
    if labeled.holds_out:
        if test:
            raise InputError("--test: the test set is held out of the labeled set already; give one or the other")
        test = labeled.labeled
    if not test:
        raise InputError(
            "--test: a labeled set for the final quality is needed; --test-share 0.2 holds it out of --labeled"
        )
    for name in teachers:
        check_encoder(encoder_of(name))
    remarks = Remarks()
    drawn, rest, labels = read_drawn(labeled, remarks)
    if not labeled.holds_out:
        check_labels(read_test(test, labeled, remarks=remarks), labels, test)
    check_untrained_student(student, labels=labels, labeled=drawn, vectors=vectors)
    if not rest and not corpus.corpus:
        raise InputError("--corpus: nothing to distill from; give one, or a --labeled-size that leaves sentences over")
    plan, fingerprint = plan_corpus(corpus_listing(corpus, out)) if corpus.corpus else (None, None)
    return Inputs(
        labeled=labeled,
        rest=rest,
        test=test,
        corpus=corpus,
        plan=plan,
        corpus_fingerprint=fingerprint,
        teachers=tuple(teachers),
        vectors=vectors,
        remarks=remarks,
    )
