"""The model card that lies beside a student: what it is, how good, how big and how fast, of what it was made."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from kdner import __version__
from kdner.runs.hub import NO_LICENSE

METRICS = {"f1": "F1", "precision": "Precision", "recall": "Recall"}


@dataclass(frozen=True, kw_only=True)
class MeasuredQuality:
    """How good a student is on a labeled test set: strict IOB2, micro, 0 to 1."""

    test_set: str
    """Its name."""
    sentences: int
    """Those of the test set."""
    f1: float
    precision: float
    recall: float
    f1_interval: Sequence[float] | None = None
    """The 95 % interval of the F1, where it was measured."""
    per_label: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """`f1`, `precision`, `recall`, `support` and, where it was measured, `f1_interval`, by type of entity."""
    seconds_per_document: float | None = None
    """Seconds to tag one document of the test set."""


@dataclass(frozen=True, kw_only=True)
class Origin:
    """What a model was made of, as its card tells it."""

    labeled: str
    """Name of the labeled set: `hf:NAME`, or that of a file."""
    base_models: Sequence[str] = ()
    """Names of encoders on the hub that it learned from."""

    @classmethod
    def of(cls, labeled: str, base_models: Sequence[str] = ()) -> Origin:
        """Give the origin of a model by its `--labeled`; of what lies on this machine a card names the file only."""
        on_hub = labeled.startswith("hf:") and not Path(labeled[3:]).exists()
        return cls(labeled=labeled if on_hub else Path(labeled.removeprefix("hf:")).name, base_models=base_models)


def model_card(
    name: str,
    summary: Mapping[str, Any],
    student: Mapping[str, Any],
    recipe: Mapping[str, Any],
    *,
    quality: MeasuredQuality | None = None,
    sample: str = "Your text.",
    examples: str = "",
    warning: str = "",
) -> str:
    """Write a student's README.md: what it is, how good it is, how it was made, how to use it.

    Args:
        name: the student's name.
        summary: of distill_student.
        student: its shape.
        recipe: how it was distilled.
        quality: on a test set, where it was measured.
        sample: a text of the kind that it knows.
        examples: what it finds in such texts, as lines.
        warning: what a reader should know first.
    """
    origin = Origin(**summary["origin"]) if "origin" in summary else None
    source = "of its development set" if summary["development_sentences"] else "that it learned from"
    parts = [
        front_matter(origin, library="kdner", tags=["distillation", "lstm"], name=name, quality=quality),
        f"# {name}",
        f"**{warning}**" if warning else "",
        f"An LSTM-CNN named-entity tagger made by kdner {__version__}.",
        f"- Entities: {', '.join(entity_types(summary['labels']))}\n"
        f"- Parameters: {summary['parameters']:,}; vocabulary: {summary['vocabulary_words']:,} words and "
        f"{summary.get('vocabulary_pieces', 0):,} pieces of words\n"
        f"- Learned from {summary['labeled_sentences']:,} labeled sentences{_of(origin)}"
        f"{_and_logits(summary, origin)}\n"
        f"- Quality: {'; '.join(_qualities(summary, quality))}\n"
        f"- Speed: on CPUs, without Ray or transformers{_speed(quality)}",
        scores_table(quality) if quality else "",
        usage(f"PATH/{name}", sample),
        limits("its labeled set and its transfer set"),
        NO_LICENSE,
        f"Sentences {source}, as it tags them (`*`: as labeled):\n\n```text\n{examples}\n```" if examples else "",
        settings_table({**student, **recipe}),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def plain_card(name: str, labels: Sequence[str], parameters: int) -> str:
    """Write the README.md of a student of which nothing else is known."""
    parts = [
        front_matter(None, library="kdner", tags=["lstm"], name=name),
        f"# {name}",
        f"An LSTM-CNN named-entity tagger made by kdner {__version__}.",
        f"- Entities: {', '.join(entity_types(labels))}\n- Parameters: {parameters:,}\n- Quality: not measured",
        usage(f"PATH/{name}", "Your text."),
        limits("what it learned from"),
        NO_LICENSE,
    ]
    return "\n\n".join(parts) + "\n"


def front_matter(
    origin: Origin | None, *, library: str, tags: Sequence[str], name: str, quality: MeasuredQuality | None = None
) -> str:
    """Return the metadata that the hub reads, between their marks."""
    labeled = origin.labeled.removeprefix("hf:").split(":")[0] if origin and origin.labeled.startswith("hf:") else ""
    data = ModelCardData(
        library_name=library,
        pipeline_tag="token-classification",
        tags=["named-entity-recognition", *tags],
        base_model=list(origin.base_models) or None if origin else None,
        datasets=[labeled] if labeled else None,
        model_name=name if quality else None,
        eval_results=_results(quality) if quality else None,
    )
    return f"---\n{data.to_yaml()}\n---"


def entity_types(labels: Sequence[str]) -> list[str]:
    """Return the types of entities in a label list, sorted."""
    return sorted({label[2:] for label in labels if label != "O"})


def scores_table(quality: MeasuredQuality) -> str:
    """Return the scores of each type of entity, and of all, as a table."""
    every = {**vars(quality), "support": sum(row["support"] for row in quality.per_label.values())}
    if not quality.per_label:
        return ""
    lines = [
        f"| {label} | {_with_interval(row)} | {row['precision']:.4f} | {row['recall']:.4f} | {row['support']:,} |"
        for label, row in (*quality.per_label.items(), ("**all**", every))
    ]
    return "\n".join(
        [
            f"On {quality.test_set} (an entity counts if label, start and end are right):\n",
            "| entity | F1 | precision | recall | entities |",
            "|---|---|---|---|---|",
            *lines,
        ]
    )


def usage(name: str, sample: str) -> str:
    """Return the lines of Python that use a student."""
    return f"""```python
from kdner.student import Student

for entity in Student.from_pretrained("{name}").tag({sample!r}):
    print(entity.start, entity.end, entity.label, entity.text, entity.score)
```"""


def limits(known: str) -> str:
    """Return what a model cannot do."""
    return (
        "Offsets count Unicode code points, end exclusive. Entities are flat: none lies in another. It knows the kind "
        f"of text, and the language, of {known}; test it on yours."
    )


def settings_table(settings: Mapping[str, Any]) -> str:
    """Return how a model was made, as a table."""
    return "| setting | value |\n|---|---|\n" + "\n".join(f"| {key} | {value} |" for key, value in settings.items())


def _speed(quality: MeasuredQuality | None) -> str:
    if quality is None or quality.seconds_per_document is None:
        return ""
    return f"; {1e3 * quality.seconds_per_document:.3g} ms a document of {quality.test_set}"


def _of(origin: Origin | None) -> str:
    return f" of {origin.labeled.removeprefix('hf:')}" if origin else ""


def _and_logits(summary: Mapping[str, Any], origin: Origin | None) -> str:
    if not summary["transfer_words"]:
        return ""
    made_of = f" made of {', '.join(origin.base_models)}" if origin and origin.base_models else ""
    return f" and {summary['transfer_words']:,} words with logits of a teacher{made_of}"


def _with_interval(row: Mapping[str, Any]) -> str:
    interval = row.get("f1_interval")
    return f"{row['f1']:.4f}" + (f" ({interval[0]:.4f} to {interval[1]:.4f})" if interval else "")


def _qualities(summary: Mapping[str, Any], quality: MeasuredQuality | None) -> list[str]:
    measured = []
    if quality:
        measured.append(
            f"F1 {_with_interval(vars(quality))}, precision {quality.precision:.4f}, recall {quality.recall:.4f} "
            f"(strict IOB2, micro) on the {quality.sentences:,} sentences of the test set {quality.test_set}"
        )
    if summary["development_f1"] is not None:
        measured.append(
            f"F1 {summary['development_f1']:.4f} (strict IOB2, micro) on {summary['development_sentences']:,} "
            f"development sentences, by which epoch {summary['best_epoch']} was chosen"
        )
    return measured or ["not measured: no development sentences; `jobs/evaluate.py` measures it on a test set"]


def _results(quality: MeasuredQuality) -> list[EvalResult]:
    return [
        EvalResult(
            task_type="token-classification",
            task_name="Named-entity recognition",
            dataset_type=quality.test_set,
            dataset_name=quality.test_set,
            dataset_args={"sentences": quality.sentences},
            metric_type=metric,
            metric_name=f"{name} (strict IOB2, micro)",
            metric_value=getattr(quality, metric),
        )
        for metric, name in METRICS.items()
    ]
