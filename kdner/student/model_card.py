"""The model card that lies beside a student."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from huggingface_hub import EvalResult, ModelCardData

from kdner import __version__


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


def model_card(
    name: str,
    summary: dict[str, Any],
    student: dict[str, Any],
    recipe: dict[str, Any],
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
    types = sorted({label[2:] for label in summary["labels"] if label != "O"})
    origin = "of its development set" if summary["development_sentences"] else "that it learned from"
    settings = "\n".join(f"| {key} | {value} |" for key, value in {**student, **recipe}.items())
    front_matter = ModelCardData(
        library_name="kdner",
        pipeline_tag="token-classification",
        tags=["named-entity-recognition", "distillation", "lstm"],
        model_name=name if quality else None,
        eval_results=_results(quality) if quality else None,
    )
    parts = [
        f"---\n{front_matter.to_yaml()}\n---",
        f"# {name}",
        f"**{warning}**" if warning else "",
        f"An LSTM-CNN named-entity tagger made by kdner {__version__}.",
        f"- Entities: {', '.join(types)}\n"
        f"- Parameters: {summary['parameters']:,}; vocabulary: {summary['vocabulary_words']:,} words and "
        f"{summary.get('vocabulary_pieces', 0):,} pieces of words\n"
        f"- Learned from {summary['labeled_sentences']:,} labeled sentences and {summary['transfer_words']:,} words "
        "with logits\n"
        f"- Quality: {'; '.join(_qualities(summary, quality))}",
        f"""```python
from kdner.student import Student

for entity in Student.from_pretrained("PATH/{name}").tag({sample!r}):
    print(entity.start, entity.end, entity.label, entity.text, entity.score)
```""",
        "Offsets count Unicode code points, end exclusive. It knows the kind of text that it was trained on; test it "
        "on yours.",
        f"Sentences {origin}, as it tags them (`*`: as labeled):\n\n```text\n{examples}\n```" if examples else "",
        f"| setting | value |\n|---|---|\n{settings}",
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _qualities(summary: dict[str, Any], quality: MeasuredQuality | None) -> list[str]:
    measured = []
    if quality:
        measured.append(
            f"F1 {quality.f1:.4f}, precision {quality.precision:.4f}, recall {quality.recall:.4f} (strict IOB2, micro) "
            f"on the {quality.sentences:,} sentences of the test set {quality.test_set}"
        )
    if summary["development_f1"] is not None:
        measured.append(
            f"F1 {summary['development_f1']:.4f} (strict IOB2, micro) on {summary['development_sentences']:,} "
            f"development sentences, by which epoch {summary['best_epoch']} was chosen"
        )
    return measured or ["not measured: no development sentences; `jobs/evaluate.py` measures it on a test set"]


def _results(quality: MeasuredQuality) -> list[EvalResult]:
    metrics = {"f1": "F1", "precision": "Precision", "recall": "Recall"}
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
        for metric, name in metrics.items()
    ]
