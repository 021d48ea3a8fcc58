"""What a student learns from: labeled sentences and a transfer set, drawn and read."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from kdner.distillation.examples import TransferSet
from kdner.errors import InputError
from kdner.flags import LabeledSet
from kdner.labeled.remarks import Remarks
from kdner.labeled.sentence import LabeledSentence
from kdner.labeled.sets import check_labels, draw, read_drawn, read_labeled


@dataclass(frozen=True, kw_only=True)
class LearningSets:
    """What a student learns from, and chooses its best epoch by."""

    labels: list[str]
    """The label list."""
    labeled: list[LabeledSentence]
    """Sentences with gold labels to train on."""
    development: list[LabeledSentence]
    """Sentences with gold labels to choose the best epoch by; without any the last epoch is kept."""
    transfer: TransferSet | None
    """The transfer set, or None to train on the labeled set only."""
    remarks: Remarks
    """What was odd about the labeled sets."""
    language: str
    """Language of all texts."""

    @property
    def logits_fingerprint(self) -> dict[str, Any] | None:
        """The identities of the runs that the transfer set is read from; None without one."""
        if self.transfer is None:
            return None
        return {f"run {number}": run.identity() for number, run in enumerate(self.transfer.runs)}


def read_sets(
    flags: LabeledSet,
    *,
    logits: Sequence[str],
    logits_weights: Sequence[float],
    development: str | None,
    development_share: float,
) -> LearningSets:
    """Read and draw what a student learns from.

    Args:
        flags: which labeled set (none, where its name is empty), which part of it, and how labeled sets are written.
        logits: run directories of precompute_logits over one corpus; none for no transfer set.
        logits_weights: weight of each teacher in the mean of their logits; none for equal ones.
        development: labeled set to choose the best epoch by, if there is one.
        development_share: share (0 to 1) of the labeled sentences to draw for development where there is none.

    Raises:
        InputError: a set cannot be read, a run is unfinished, or labels or languages differ.
    """
    if not flags.labeled and not logits:
        raise InputError("nothing to learn from: give --labeled, or --logits, or both")
    remarks = Remarks()
    labeled, _, labels = read_drawn(flags, remarks) if flags.labeled else ([], [], [])
    transfer = TransferSet(logits, logits_weights) if logits else None
    if transfer:
        labels = transfer.labels
        check_labels(labeled, labels, flags.labeled)
        if transfer.language != flags.language:
            raise InputError(
                f"--language {flags.language}: the texts of {logits[0]} were split as {transfer.language}. Give "
                f"--language {transfer.language}, or score them again with --language {flags.language}."
            )
    if development:
        chosen_by = read_labeled(development, flags, remarks)
        check_labels(chosen_by, labels, development)
    else:
        chosen_by, labeled = draw(labeled, round(development_share * len(labeled)), flags.seed)
    return LearningSets(
        labels=labels,
        labeled=labeled,
        development=chosen_by,
        transfer=transfer,
        remarks=remarks,
        language=flags.language,
    )
