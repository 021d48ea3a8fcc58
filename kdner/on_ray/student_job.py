"""The transfer corpus, and a student's way from what it learns from to a finished student directory."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields
from typing import Any

from kdner.corpora.kept_plan import keep_plan
from kdner.distillation.checkpoint import State
from kdner.distillation.learning_sets import LearningSets
from kdner.distillation.main_inputs import Inputs
from kdner.distillation.recipe import Distillation
from kdner.distillation.transfer_corpus import transfer_corpus
from kdner.distillation.untrained_student import write_untrained_student
from kdner.labeled.sets import drawn_fingerprint
from kdner.measuring.reports import EXAMPLE
from kdner.measuring.tagged_examples import examples_report, tagged_examples
from kdner.on_ray.cluster import on_one_node
from kdner.on_ray.job import once
from kdner.on_ray.train import Workers, distill
from kdner.runs.hub import CARD
from kdner.runs.run_directory import RunDirectory
from kdner.runs.schema import CORPUS
from kdner.runs.trackers import TrackerName
from kdner.student.config import StudentConfig
from kdner.student.model_card import MeasuredQuality, Origin, model_card
from kdner.student.saved import SavedStudent
from kdner.student.tagger import Tagger
from kdner.text.words import splitter_fingerprint

TRANSFER_FILE = "transfer.parquet"
SCRATCH = (".initial", ".checkpoints")
"""Folders of a student directory from which another start goes on."""
CARD_EXAMPLES = 5
"""Sentences that a model card shows."""


@dataclass(frozen=True, kw_only=True)
class Drawing:
    """The transfer corpus to draw."""

    inputs: Inputs
    words: int
    """White-space separated words to draw from the corpus; 0 for all."""
    out: str
    """Its run directory."""


def draw_transfer_corpus(drawing: Drawing) -> dict[str, Any]:
    """Write the documents whose logits will be the transfer set; returns the summary of their run directory."""
    inputs = drawing.inputs
    fingerprint = {
        "labeled": drawn_fingerprint(inputs.labeled),
        "corpus": inputs.corpus_fingerprint,
        **splitter_fingerprint(inputs.labeled.language),
        "transfer_words": drawing.words,
    }

    def work(directory: RunDirectory) -> dict[str, Any]:
        if inputs.plan:
            keep_plan(directory, inputs.plan)
        table = transfer_corpus(inputs.rest, inputs.plan, words=drawing.words, seed=inputs.labeled.seed)
        directory.write_table(TRANSFER_FILE, table, CORPUS)
        return {"documents": table.num_rows, "labeled_sentences_without_labels": len(inputs.rest)}

    return once(drawing.out, fingerprint, work, files=[TRANSFER_FILE])


def make_student(
    directory: RunDirectory,
    sets: LearningSets,
    shape: StudentConfig,
    recipe: Distillation,
    workers: Workers,
    *,
    vectors: str,
    encoder: str | None,
    seed: int,
    origin: Origin,
    tracker: TrackerName | None = None,
) -> dict[str, Any]:
    """Train a student and write its files, or go on where a killed job stopped; returns the summary.

    Args:
        directory: the student directory, which every node sees.
        sets: what it learns from.
        shape: the student's.
        recipe: how it learns.
        workers: how many processes train, and what each may use.
        vectors: its first word vectors: `teacher`, `random`, or the path of a text file of vectors.
        encoder: model directory of the teacher's encoder, for `teacher`.
        seed: of first weights, of the order of sentences and of dropout.
        origin: what the card tells of the labeled set and the teacher.
        tracker: the service that gets the numbers of the training.
    """
    folder = directory.local_path
    initial, checkpoints = (folder / name for name in SCRATCH)
    if not initial.is_dir():
        on_one_node(
            write_untrained_student,
            initial,
            shape,
            labels=sets.labels,
            labeled=sets.labeled,
            transfer=sets.transfer,
            vectors=vectors,
            teacher=encoder,
            language=sets.language,
            seed=seed,
        )
    student, state = distill(
        checkpoints,
        folder,
        initial,
        recipe,
        workers,
        seed=seed,
        labeled=sets.labeled,
        development=sets.development,
        transfer=sets.transfer,
        tracker=tracker,
    )
    student.save(folder)
    summary = {**_summary(sets, student, state), "origin": asdict(origin), "examples": _examples(student, sets)}
    _write_card(directory, summary, asdict(shape), asdict(recipe))
    return summary


def write_test_quality(students: Sequence[str], evaluation: dict[str, Any], *, quickstart: bool) -> None:
    """Write into the model cards of finished students how good they are on a test set.

    Args:
        students: their directories.
        evaluation: summary of evaluate.
        quickstart: whether they learned from the embedded example.
    """
    for path in students:
        directory = RunDirectory(path)
        made = directory.manifest()["fingerprint"]
        measured = evaluation["models"][path]
        quality = MeasuredQuality(
            test_set=evaluation["test_set"],
            sentences=evaluation["sentences"],
            **{field.name: measured[field.name] for field in fields(MeasuredQuality) if field.name in measured},
        )
        _write_card(
            directory,
            directory.summary(),
            made["student"],
            made["distillation"],
            quality=quality,
            warning=EXAMPLE if quickstart else "",
        )


def _write_card(
    directory: RunDirectory,
    summary: dict[str, Any],
    shape: dict[str, Any],
    recipe: dict[str, Any],
    *,
    quality: MeasuredQuality | None = None,
    warning: str = "",
) -> None:
    shown = {}
    if examples := summary.get("examples"):
        sample = next((example for example in examples if example["entities"]["student"]), examples[0])
        shown = {"sample": sample["text"], "examples": examples_report(examples)}
    name = directory.local_path.name
    card = model_card(name, summary, shape, recipe, quality=quality, warning=warning, **shown)
    directory.write_bytes(CARD, card.encode())


def _examples(student: SavedStudent, sets: LearningSets) -> list[dict[str, Any]]:
    """Return sentences of the development set, else of the labeled set, as the student tags them."""
    sentences = sets.development or sets.labeled
    tags = Tagger(student).tags(sentence.words()[0] for sentence in sentences)
    return tagged_examples(sentences, {"student": tags}, CARD_EXAMPLES)


def _summary(sets: LearningSets, student: SavedStudent, state: State) -> dict[str, Any]:
    return {
        "labels": sets.labels,
        "parameters": student.parameters_count,
        "vocabulary_words": len(student.vocabulary.words),
        "vocabulary_pieces": len(student.vocabulary.beginnings) + len(student.vocabulary.continuations),
        "labeled_sentences": len(sets.labeled),
        "development_sentences": len(sets.development),
        "transfer_words": sets.transfer.words if sets.transfer else 0,
        "training_seconds": round(state.seconds, 1),
        "training_words_per_second": round(state.words / state.seconds) if state.seconds else 0,
        "best_epoch": state.best_epoch,
        "development_f1": None if state.best_f1 is None else round(state.best_f1, 4),
        "history": state.history,
    }
