"""All that is wrong or odd about a labeled set, a test set and a corpus, before any job reads them."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from kdner.corpora.draws import draw_documents
from kdner.corpora.plan import CorpusPlan, corpus_plan
from kdner.errors import InputError
from kdner.flags import Corpus, HeldOut, Layout
from kdner.labeled.annotation_review import LabelCounts, count_labels, review, review_for_training, review_test
from kdner.labeled.held_out import hold_out
from kdner.labeled.remarks import REPLACED, Remarks
from kdner.labeled.sentence import LabeledSentence
from kdner.labeled.sets import check_labels, labels_in, read_labeled, read_test

SAMPLE_WORDS = 1_000_000
"""White-space separated words of a corpus that are read to look at its documents."""
LEAST_WORD_BYTES = 2
"""A word and the white space behind it."""
LONG_DOCUMENT_CHARACTERS = 10_000_000
_PLACES_SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What was found about one source."""

    role: str
    """``labeled set``, ``test set`` or ``corpus``."""
    source: str
    holds: dict[str, int]
    """How much it holds, by name; empty where it is refused."""
    refusal: str | None = None
    """The message with which a job would refuse it; None where it would not."""
    labels: LabelCounts | None = None
    remarks: Remarks = field(default_factory=Remarks)

    def report(self) -> str:
        """Lay it out for a console."""
        lines = [f"{self.role} {self.source}"]
        if self.holds:
            lines.append("  " + ", ".join(f"{count:,} {name}" for name, count in self.holds.items()))
        if self.labels:
            lines.append("  " + ", ".join(f"{name} {count:,}" for name, count in self.labels.entities.items()))
        for what, count in self.remarks.counts.items():
            places = [f"{o.where} {o.detail}".strip() for o in self.remarks.found if o.what == what]
            lines.append(f"  odd: {count:,} {what}")
            lines += [f"       {place[:200]}" for place in places[:_PLACES_SHOWN]]
            lines += [f"       and {len(places) - _PLACES_SHOWN:,} more"] if len(places) > _PLACES_SHOWN else []
        lines += [f"  REFUSED: {line}" for line in (self.refusal or "").splitlines()[:1]]
        lines += [f"           {line}" for line in (self.refusal or "").splitlines()[1:]]
        return "\n".join(lines)

    def as_json(self) -> dict[str, Any]:
        """Return all of it as JSON values, every remark with its place."""
        return {
            "role": self.role,
            "source": self.source,
            "holds": self.holds,
            "entities": self.labels.entities if self.labels else None,
            "refusal": self.refusal,
            "remarks": [asdict(remark) for remark in self.remarks.found],
        }


_NO_PART = HeldOut()


def check_data(
    layout: Layout, corpus: Corpus, *, labeled: str = "", test: str = "", held_out: HeldOut = _NO_PART
) -> list[Checked]:
    """Read what is named, as jobs would, and gather what is wrong or odd about each source.

    Args:
        layout: how the labeled set and the test set are written.
        corpus: the corpus; without files there is none. Of a large one only a sample of the documents is looked at.
        labeled: the labeled set.
        test: the test set, where none is held out of the labeled set.
        held_out: what part of the labeled set is the test set.
    """
    if held_out.holds_out and (test or not labeled):
        raise InputError("--test-share, --test-sentences: hold out of --labeled, in place of --test; give no --test")
    checked = []
    sentences: Sequence[LabeledSentence] = ()
    if labeled:
        sentences, learned = _check_labeled(
            "labeled set",
            labeled,
            lambda remarks: hold_out(read_labeled(labeled, layout, remarks), held_out, labeled)[0],
        )
        review_for_training(sentences, learned.remarks)
        checked.append(learned)
    if test := (labeled if held_out.holds_out else test):
        test_sentences, tested = _check_labeled(
            "test set", test, lambda remarks: read_test(test, layout, held_out, remarks)
        )
        if sentences and test_sentences:
            review_test(sentences, test_sentences, tested.remarks)
            try:
                check_labels(test_sentences, labels_in(sentences), test)
            except InputError as error:
                tested = replace(tested, refusal=str(error))
        checked.append(tested)
    if corpus.corpus:
        checked.append(_check_corpus(corpus))
    return checked


def _check_labeled(
    role: str, source: str, read: Callable[[Remarks], list[LabeledSentence]]
) -> tuple[list[LabeledSentence], Checked]:
    remarks = Remarks()
    try:
        sentences = read(remarks)
    except InputError as error:
        return [], Checked(role=role, source=source, holds={}, refusal=str(error), remarks=remarks)
    review(sentences, remarks)
    labels = count_labels(sentences)
    holds = {"sentences": labels.sentences, "words": labels.words, "entities": sum(labels.entities.values())}
    return sentences, Checked(role=role, source=source, holds=holds, labels=labels, remarks=remarks)


def _check_corpus(flags: Corpus) -> Checked:
    source, remarks = " ".join(flags.corpus), Remarks()
    try:
        with tempfile.TemporaryDirectory() as staging:
            plan = corpus_plan(flags, staging)
            _look_at_documents(plan, remarks)
    except InputError as error:
        return Checked(role="corpus", source=source, holds={}, refusal=str(error), remarks=remarks)
    for name, count in plan.passed_over:
        remarks.add("files passed over", name, times=count, usual=True)
    holds = {"files": len(plan.files), "documents": plan.documents, "bytes of text": plan.text_bytes}
    return Checked(role="corpus", source=source, holds=holds, remarks=remarks)


def _look_at_documents(plan: CorpusPlan, remarks: Remarks) -> None:
    replaced: Counter[str] = Counter()
    odd: list[tuple[str, str, str]] = []
    seen = 0
    surely_all = plan.text_bytes < LEAST_WORD_BYTES * SAMPLE_WORDS
    for table in draw_documents(plan, 0 if surely_all else SAMPLE_WORDS, 1, replaced):
        seen += table.num_rows
        for id_, text in zip(table["id"].to_pylist(), table["text"].to_pylist(), strict=True):
            if not text or text.isspace():
                odd.append(("documents without text", id_, ""))
            elif len(text) > LONG_DOCUMENT_CHARACTERS:
                odd.append((f"documents of more than {LONG_DOCUMENT_CHARACTERS:,} characters", id_, f"{len(text):,}"))
    of_sample = " (of a sample)" if seen < plan.documents else ""
    for what, id_, detail in odd:
        remarks.add(what + of_sample, id_, detail)
    for name, count in replaced.items():
        remarks.add(REPLACED + of_sample, name, times=count)
