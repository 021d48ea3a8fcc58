"""What a job prints last: its summary as a short table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

COLUMNS = ("F1", "precision", "recall", "parameters", "s/document", "peak MB")


def model_table(evaluations: dict[str, dict[str, Any]]) -> str:
    """Lay out what `kdner.evaluation.evaluate` returned, one model a row."""
    width = max(len(name) for name in evaluations)
    lines = [" " * width + "".join(f"{column:>12}" for column in COLUMNS)]
    for name, row in evaluations.items():
        lines.append(
            f"{name:<{width}}{row['f1']:>12.4f}{row['precision']:>12.4f}{row['recall']:>12.4f}{row['parameters']:>12,}"
            f"{row['seconds_per_document']:>12.5f}{row['peak_memory_mb']:>12,}"
        )
    return "\n".join(lines)


def pipeline_report(summary: dict[str, Any], out: Path) -> str:
    """Lay out the summary of the pipeline: models, sizes, the tagged corpus, seconds of each stage, and paths."""
    tagged = summary["tagged"]
    models = {name: summary[name] for name in ("teacher", "student", "baseline")}
    stages = [f"{stage:<21}{seconds:>8.1f} s" for stage, seconds in summary["stages"].items()]
    places = ("teacher", "logits", "student", "baseline", "evaluation", "entities", "summary.json")
    return "\n".join(
        [
            model_table(models),
            "",
            f"The student is {summary['compression']} times smaller than its teacher, "
            f"{summary['compression_of_bert_base']} times smaller than BERT-base.",
            f"Tagged {tagged['documents']:,} documents, {tagged['words']:,} words: {tagged['entities']:,} entities, "
            f"{tagged['errors']:,} errors, {tagged['words_per_second']:,} words/s.",
            "",
            *stages,
            "",
            *(f"{name:<21}{out / name}" for name in places),
        ]
    )
