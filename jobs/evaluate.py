"""Compare teachers and students on a labeled set.

Reads   a labeled set, and teacher or student directories
Writes  evaluation.json: for each model F1, precision, recall (strict IOB2, micro, per label, and by the words that the
        student knows), parameters, seconds per document and peak memory; examples.json: sentences as two models tag
        them; prints both
Needs   the cores, and a GPU if there is one, of one node; models are measured one after the other, each in a fresh
        process

    python jobs/evaluate.py --test eng.testb --models runs/teacher runs/student --out runs/evaluation
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdner.data.labeled_sentence import LabeledSentence
from kdner.data.labeled_sets import check_labels, read_labeled, source_fingerprint
from kdner.errors import InputError
from kdner.flags import Language
from kdner.measuring.evaluation import Evaluation, evaluate_models
from kdner.measuring.reports import model_table
from kdner.measuring.tagged_examples import examples_report, tagged_examples
from kdner.on_ray.cluster import on_one_node
from kdner.on_ray.console import console, stage_progress
from kdner.on_ray.job import once, run_job
from kdner.runs.run_directory import RunDirectory
from kdner.runs.storage import without_secrets
from kdner.teacher.by_name import model_fingerprint, model_labels
from kdner.text.words import splitter_fingerprint


@dataclass(frozen=True, kw_only=True)
class Evaluate:
    """Compare teachers and students on a labeled set."""

    test: str
    """Labeled set to measure on: a file of CoNLL columns, a .jsonl file of text and spans, or hf:NAME[:SPLIT]."""
    language: Language = "en"
    """Language of its texts, where they are documents with spans: their abbreviations end no sentence."""
    models: tuple[str, ...]
    """Teachers and students: directories that finetune_teacher, distill_student or transformers' Trainer saved, or
    module:Class[=ARGUMENT] for a class of your own."""
    compare: tuple[str, str] | None = None
    """Two of the models, to show side by side on a few sentences; by default the first and the last."""
    out: str
    """Run directory for evaluation.json and examples.json."""


def evaluate(config: Evaluate) -> dict[str, Any]:
    """Do the job; returns its summary: the test set, the measurements by model directory, and examples."""
    sentences = read_labeled(config.test, config.language)
    for folder in config.models:
        check_labels(sentences, model_labels(folder), config.test)
    compare = config.compare or (config.models[0], config.models[-1])
    if not set(compare) <= set(config.models):
        raise InputError(f"--compare {' '.join(compare)}: two of --models {' '.join(config.models)} are needed")
    fingerprint = {
        "job": "evaluate",
        "test": source_fingerprint(config.test),
        **splitter_fingerprint(config.language),
        "models": [model_fingerprint(model) for model in config.models],
        "compare": [config.models.index(model) for model in compare],
    }

    def work(directory: RunDirectory) -> dict[str, Any]:
        with console.awaiting("evaluate"):
            measured = on_one_node(_evaluate, config, sentences)
        evaluations = dict(zip(config.models, measured, strict=True))
        models = {without_secrets(folder): evaluation.measures for folder, evaluation in evaluations.items()}
        examples = tagged_examples(sentences, {Path(folder).name: evaluations[folder].tags for folder in compare})
        directory.write_json("evaluation.json", models)
        directory.write_json("examples.json", {"examples": examples})
        test_set = Path(config.test.removeprefix("hf:")).name
        return {"test_set": test_set, "sentences": len(sentences), "models": models, "examples": examples}

    return once(config.out, fingerprint, work, stage="evaluate", configuration=config)


def _evaluate(config: Evaluate, sentences: list[LabeledSentence]) -> list[Evaluation]:
    return evaluate_models(config.models, sentences, config.test, stage_progress("evaluate", "model"))


def main(config: Evaluate) -> None:
    """Do the job and print the table."""
    summary = evaluate(config)
    print(model_table({Path(folder).name: row for folder, row in summary["models"].items()}))
    print(f"\n{examples_report(summary['examples'])}")


if __name__ == "__main__":
    run_job(Evaluate, main)
