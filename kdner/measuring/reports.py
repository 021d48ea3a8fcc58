"""What a job prints last: its summary as a short table."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from kdner.errors import InputError
from kdner.measuring.tagged_examples import AS_LABELED, examples_report
from kdner.runs.storage import without_secrets
from kdner.student.config import BERT_BASE_PARAMETERS

EXAMPLE = "The embedded example is synthetic, and its students take half of the usual steps: for looking, not for use."
COLUMNS = ("F1", "precision", "recall", "parameters", "s/document", "peak MB")
IN_FULL_ONLY = ("confusion", "score")
"""Measures that stand in evaluation.json, and not in summaries."""
RECALL_COLUMNS = ("known words", "unknown")
"""Recall of entities of words that the student knows, and of those with an unknown word; where there is a student."""


def model_table(evaluations: dict[str, dict[str, Any]]) -> str:
    """Lay out what `kdner.measuring.evaluation.evaluate` returned, one model a row."""
    width = max(len(name) for name in evaluations)
    split = all("known_words" in row for row in evaluations.values())
    columns = (*COLUMNS, *RECALL_COLUMNS) if split else COLUMNS
    lines = [" " * width + "".join(f"{column:>12}" for column in columns)]
    for name, row in evaluations.items():
        lines.append(
            f"{name:<{width}}{row['f1']:>12.4f}{row['precision']:>12.4f}{row['recall']:>12.4f}{row['parameters']:>12,}"
            f"{row['seconds_per_document']:>12.5f}{row['peak_memory_mb']:>12,}"
        )
        if split:
            recalls = (row[f"{kind}_words"]["recall"] for kind in ("known", "unknown"))
            lines[-1] += "".join(f"{'' if recall is None else f'{recall:.4f}':>12}" for recall in recalls)
    if split:
        lines.append("known words, unknown: recall of entities of words that the student knows, and of all others")
    return "\n".join(lines)


_TAGGED = (
    "documents",
    "words",
    "entities",
    "errors",
    "empty",
    "replaced_characters",
    "files_passed_over",
    "words_per_second",
)
"""What the pipeline's summary says of the tagged corpus."""


def short_names(models: Sequence[str]) -> list[str]:
    """Return what models are called in tables and pages: the last part of a path, and more of it until all differ.

    Raises:
        InputError: one of them is named twice.
    """
    if not models:
        raise InputError("--models: name at least one")
    parts = [without_secrets(model).rstrip("/").split("/") for model in models]
    for count in range(1, max(map(len, parts)) + 1):
        names = ["/".join(own[-count:]) for own in parts]
        if len(set(names)) == len(names):
            return names
    twice = next(name for name in names if names.count(name) > 1)
    raise InputError(f"--models: {twice} is named twice; name each model once")


def pipeline_summary(quality: dict[str, Any], tagged: dict[str, Any], seconds: dict[str, float]) -> dict[str, Any]:
    """Put together the summary of the pipeline.

    Args:
        quality: summary of evaluate, with the teachers, `student` and `baseline`.
        tagged: summary of tag_corpus.
        seconds: of each job.
    """
    models = {Path(folder).name: measures for folder, measures in quality["models"].items()}
    parameters = models["student"]["parameters"]
    return {
        **models,
        "compression": round(models["teacher"]["parameters"] / parameters, 1),
        "compression_of_bert_base": round(BERT_BASE_PARAMETERS / parameters, 1),
        "tagged": {key: tagged[key] for key in _TAGGED if key in tagged},
        "examples": quality["examples"],
        "stages": seconds,
    }


def pipeline_report(summary: dict[str, Any], out: str, *, quickstart: bool) -> str:
    """Lay out the summary of the pipeline: models, the tagged corpus, examples, seconds, and what to do next.

    Args:
        summary: what `pipeline_summary` returned.
        out: folder of the pipeline.
        quickstart: whether it was the embedded example.
    """
    tagged = summary["tagged"]
    models = {name: row for name, row in summary.items() if isinstance(row, dict) and "f1" in row}
    seconds = ", ".join(f"{job} {value:.0f}" for job, value in summary["stages"].items())
    example = [EXAMPLE, ""] if quickstart else []
    return "\n".join(
        [
            "",
            model_table(models),
            "",
            f"The student is {summary['compression']} times smaller than its teacher, "
            f"{summary['compression_of_bert_base']} times smaller than BERT-base. The baseline had no teacher.",
            f"Tagged {tagged['documents']:,} documents, {tagged['words']:,} words: {tagged['entities']:,} entities, "
            f"{tagged['errors']:,} errors, {tagged['words_per_second']:,} words/s.",
            textwrap.fill(f"Seconds: {seconds}.", 110, break_on_hyphens=False),
            "",
            f"Sentences of the test set ({AS_LABELED}: as labeled)",
            "",
            examples_report(summary["examples"]),
            "",
            *example,
            "Next",
            f"  look at it     {out}/page.html (in a browser)",
            f"  the student    {out}/student (what it is: {out}/student/README.md)",
            f"  what it found  {out}/entities (Parquet); all numbers: {out}/_summary.json",
            '  tag a text     python -c "from kdner.student import Student; '
            f"print(Student.from_pretrained('{out}/student').tag('Your text.'))\"",
            f"  tag a corpus   python jobs/tag_corpus.py --corpus news/ --student {out}/student --out runs/entities",
            "  your own data  python jobs/pipeline.py --labeled train.conll --test test.conll --corpus news/ "
            "--out runs/news",
        ]
    )


def speed_report(measurements: dict[str, Any]) -> str:
    """Lay out what `jobs/measure_teacher.py` measured: medians, with the least and the most."""

    def row(name: str, key: str, unit: str, scale: float = 1.0) -> str:
        values = [measurements[key][which] / scale for which in ("median", "min", "max")]
        return f"{name:<34}{values[0]:>12,.2f}{values[1]:>12,.2f}{values[2]:>12,.2f} {unit}"

    lines = [
        f"{measurements['teacher']} in {measurements['dtype']}, {measurements['device']}, "
        f"{measurements['threads']} threads: {measurements['words']:,} words, {measurements['pieces']:,} pieces, "
        f"{measurements['engine']} filled {measurements['fill']:.1%}, warm-up {measurements['warm_up_seconds']:.1f} s",
        f"{'':<34}{'median':>12}{'min':>12}{'max':>12}",
        row("matrix-product peak", "peak_flops", "GFLOP/s", 1e9),
        row("documents to logits on disk", "flops", "GFLOP/s", 1e9),
        row("share of the peak", "share", ""),
        row("  of the forward passes alone", "forward_share", ""),
        row("", "words_per_second", "words/s"),
        row("", "pieces_per_second", "pieces/s"),
    ]
    for dtype in ("float32", "bfloat16"):
        if f"times_pipeline_{dtype}" in measurements:
            lines.append(row(f"transformers pipeline, {dtype}", f"pipeline_{dtype}_words_per_second", "words/s"))
            lines.append(row("kdner over it", f"times_pipeline_{dtype}", "times"))
    steps = ", ".join(f"{name} {share:.0%}" for name, share in measurements["steps"].items())
    lines.append(f"Time of {measurements['shards_at_once']} threads: {steps}")
    lines += [
        f"shard map, {pool['actors']} actors: {pool['words_per_second']:,.0f} words/s, "
        f"{pool['times_loop']:.2f} times a plain loop of one process"
        for pool in measurements["shard_map"]
    ]
    return "\n".join(lines)


def throughput_report(measurements: dict[str, Any]) -> str:
    """Lay out what `jobs/measure_throughput.py` measured: medians; `times` is the student over the row."""
    lines = [
        f"Student in {measurements['dtype']} on {measurements['cores']} cores; "
        f"{measurements['documents']:,} documents, {measurements['words']:,} words",
        "",
        *_batch_lines(measurements["batches"]),
        "",
        *_file_lines(measurements["actors"], measurements["peers"]),
        "",
        *_step_lines(measurements["steps"]),
        "",
        *_growth_lines(measurements["growth"]),
    ]
    if measurements["models"]:
        lines += ["", *_model_lines(measurements["models"], measurements["student"])]
    return "\n".join(lines)


def _batch_lines(batches: list[dict[str, Any]]) -> list[str]:
    lines = [f"{'batch':>5}  {'model':<34}{'words/s':>10}{'p50 ms':>10}{'p99 ms':>10}{'times':>8}"]
    student = {row["batch"]: row["words_per_second"] for row in batches if row["model"] == "student"}
    for row in batches:
        times = student[row["batch"]] / row["words_per_second"]
        lines.append(
            f"{row['batch']:>5}  {row['model']:<34}{row['words_per_second']:>10,.0f}{row['p50_ms']:>10,.2f}"
            f"{row['p99_ms']:>10,.2f}{times:>8,.1f}"
        )
    return lines


def _file_lines(actors: list[dict[str, Any]], peers: list[dict[str, Any]]) -> list[str]:
    most = max(row["words_per_second"] for row in actors)
    lines = [f"{'documents to files of entities':<45}{'words/s':>10}{'times':>8}"]
    for row in actors:
        name = f"tag_corpus, actors {row['actors']}, at most {row['actor_peak_memory_mb']:,} MB each"
        lines.append(f"{name:<45}{row['words_per_second']:>10,.0f}{most / row['words_per_second']:>8,.1f}")
    for row in peers:
        lines.append(f"{row['peer']:<45}{row['words_per_second']:>10,.0f}{most / row['words_per_second']:>8,.1f}")
    return lines


def _step_lines(steps: dict[str, Any]) -> list[str]:
    lines = [f"One core, {steps['words']:,} words; first text after {steps['first_text_seconds']:.2f} s"]
    for step, seconds in steps["seconds"].items():
        share = seconds / steps["seconds"]["all"]
        lines.append(f"{step:<10}{1e6 * seconds / steps['words']:>8.3f} microseconds/word{share:>8.1%}")
    return lines


def _growth_lines(growth: list[dict[str, Any]]) -> list[str]:
    return ["One core, more and more words"] + [
        f"{row['words']:>12,} words, {row['documents']:>8,} documents{row['microseconds_per_word']:>8.2f} "
        f"microseconds/word, peak {row['peak_memory_mb']:,} MB"
        for row in growth
    ]


def _model_lines(models: dict[str, dict[str, Any]], student: str) -> list[str]:
    parameters = models[student]["parameters"]
    return [
        model_table(models),
        *(
            f"{name}: {row['parameters'] / parameters:.1f} times the student's parameters"
            for name, row in models.items()
            if name != student
        ),
    ]
