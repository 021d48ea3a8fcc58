"""What a job prints last: its summary as a short table."""

from __future__ import annotations

from pathlib import Path
from typing import Any

COLUMNS = ("F1", "precision", "recall", "parameters", "s/document", "peak MB")


def model_table(evaluations: dict[str, dict[str, Any]]) -> str:
    """Lay out what `kdner.measuring.evaluation.evaluate` returned, one model a row."""
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
    models = {name: row for name, row in summary.items() if isinstance(row, dict) and "f1" in row}
    stages = [f"{stage:<21}{seconds:>8.1f} s" for stage, seconds in summary["stages"].items()]
    places = [*models, "logits", "evaluation", "entities", "summary.json"]
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


def speed_report(found: dict[str, Any]) -> str:
    """Lay out what `jobs/measure_teacher.py` measured: medians, with the least and the most."""

    def row(name: str, key: str, unit: str, scale: float = 1.0) -> str:
        values = [found[key][which] / scale for which in ("median", "min", "max")]
        return f"{name:<34}{values[0]:>12,.2f}{values[1]:>12,.2f}{values[2]:>12,.2f} {unit}"

    lines = [
        f"{found['teacher']} in {found['dtype']}, {found['device']}, {found['threads']} threads: "
        f"{found['words']:,} words, {found['pieces']:,} pieces, padding {found['padding']:.1%}",
        f"{'':<34}{'median':>12}{'min':>12}{'max':>12}",
        row("matrix-product peak", "peak_flops", "GFLOP/s", 1e9),
        row("documents to logits on disk", "flops", "GFLOP/s", 1e9),
        row("share of the peak", "share", ""),
        row("", "words_per_second", "words/s"),
        row("", "pieces_per_second", "pieces/s"),
    ]
    for dtype in ("float32", "bfloat16"):
        if f"times_pipeline_{dtype}" in found:
            lines.append(row(f"transformers pipeline, {dtype}", f"pipeline_{dtype}_words_per_second", "words/s"))
            lines.append(row("kdner over it", f"times_pipeline_{dtype}", "times"))
    lines += [
        f"shard map, {one['actors']} actors: {one['words_per_second']:,.0f} words/s, "
        f"{one['times_loop']:.2f} times a plain loop of one process"
        for one in found["shard_map"]
    ]
    return "\n".join(lines)


def throughput_report(found: dict[str, Any]) -> str:
    """Lay out what `jobs/measure_throughput.py` measured: medians; `times` is the student over the row."""
    lines = [
        f"Student in {found['dtype']} on {found['cores']} cores; {found['documents']:,} documents, "
        f"{found['words']:,} words",
        "",
        f"{'batch':>5}  {'model':<34}{'words/s':>10}{'p50 ms':>10}{'p99 ms':>10}{'times':>8}",
    ]
    student = {row["batch"]: row["words_per_second"] for row in found["batches"] if row["model"] == "student"}
    for row in found["batches"]:
        times = student[row["batch"]] / row["words_per_second"]
        lines.append(
            f"{row['batch']:>5}  {row['model']:<34}{row['words_per_second']:>10,.0f}{row['p50_ms']:>10,.2f}"
            f"{row['p99_ms']:>10,.2f}{times:>8,.1f}"
        )
    most = max(row["words_per_second"] for row in found["actors"])
    lines += ["", f"{'documents to files of entities':<45}{'words/s':>10}{'times':>8}"]
    for row in found["actors"]:
        name = f"tag_corpus, actors {row['actors']}, at most {row['actor_peak_memory_mb']:,} MB each"
        lines.append(f"{name:<45}{row['words_per_second']:>10,.0f}{most / row['words_per_second']:>8,.1f}")
    for row in found["peers"]:
        lines.append(f"{row['peer']:<45}{row['words_per_second']:>10,.0f}{most / row['words_per_second']:>8,.1f}")
    steps = found["steps"]
    lines += ["", f"One core, {steps['words']:,} words; first text after {steps['first_text_seconds']:.2f} s"]
    for step, seconds in steps["seconds"].items():
        share = seconds / steps["seconds"]["all"]
        lines.append(f"{step:<10}{1e6 * seconds / steps['words']:>8.3f} microseconds/word{share:>8.1%}")
    lines += ["", "One core, more and more words"]
    lines += [
        f"{row['words']:>12,} words, {row['documents']:>8,} documents{row['microseconds_per_word']:>8.2f} "
        f"microseconds/word, peak {row['peak_memory_mb']:,} MB"
        for row in found["growth"]
    ]
    if found["models"]:
        lines += ["", model_table(found["models"])]
        own = found["models"][found["student"]]["parameters"]
        lines += [
            f"{name}: {row['parameters'] / own:.1f} times the student's parameters"
            for name, row in found["models"].items()
            if name != found["student"]
        ]
    return "\n".join(lines)
