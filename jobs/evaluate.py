"""Compare teachers and students on a labeled set.

Reads   a labeled set, and teacher or student directories
Writes  evaluation.json: for each model F1, precision, recall (strict IOB2, micro and per label), parameters, seconds
        per document and peak memory; prints the same as a table
Needs   the cores, and a GPU if there is one, of one node; models are measured one after the other, each in a fresh
        process

    python jobs/evaluate.py --test eng.testb --models runs/teacher runs/student --out runs/evaluation
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdner.data.labeled_sets import check_labels, read_labeled, source_fingerprint
from kdner.measuring.evaluation import evaluate as evaluate_model
from kdner.measuring.reports import model_table
from kdner.on_ray.cluster import in_fresh_process
from kdner.on_ray.job import once, run
from kdner.runs.run_directory import RunDirectory
from kdner.runs.storage import without_secrets
from kdner.teacher.by_name import model_fingerprint, model_labels


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Compare teachers and students on a labeled set."""

    test: str
    """Labeled set to score on: a file of CoNLL columns, a .jsonl file of text and spans, or hf:NAME[:SPLIT]."""
    models: tuple[str, ...]
    """Teachers and students: directories, or module:Class[=ARGUMENT] for a class of your own."""
    out: str
    """Run directory for evaluation.json."""


def evaluate(config: Evaluate) -> dict[str, Any]:
    """Do the job; returns its summary: the measurements by model directory."""
    sentences = read_labeled(config.test)
    for folder in config.models:
        check_labels(sentences, model_labels(folder), config.test)
    fingerprint = {
        "job": "evaluate",
        "test": source_fingerprint(config.test),
        "models": [model_fingerprint(model) for model in config.models],
    }

    def work(directory: RunDirectory) -> dict[str, Any]:
        found = {
            without_secrets(folder): in_fresh_process(evaluate_model, folder, sentences, config.test)
            for folder in config.models
        }
        directory.write_json("evaluation.json", found)
        return {"models": found}

    return once(config.out, fingerprint, work, configuration=config)


def main(config: Evaluate) -> None:
    """Do the job and print the table."""
    found = evaluate(config)["models"]
    print(model_table({Path(folder).name: row for folder, row in found.items()}))


if __name__ == "__main__":
    run(Evaluate, main)
