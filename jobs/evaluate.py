"""Compare teachers and students on a labeled set.

Reads   a labeled set, and teacher or student directories
Writes  evaluation.json: for each model F1 with its 95 % interval, precision, recall (strict IOB2, micro, per label, and
        by the words that the student knows), differences from the others, kinds of errors, confusion, what a student's
        scores are worth, parameters, seconds per document and peak memory; page.html, to look at all that;
        errors.jsonl: each error in its sentence; predictions.jsonl: all entities; examples.json: sentences as two
        models tag them. Prints tables and examples
Needs   the cores, and a GPU if there is one, of one node; models are measured one after the other, each in a fresh
        process

    python jobs/evaluate.py --test eng.testb --models runs/teacher runs/student --out runs/evaluation
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kdner.errors import InputError
from kdner.flags import HeldOut, LabelMap, Layout
from kdner.labeled.remarks import Remarks
from kdner.labeled.sentence import LabeledSentence
from kdner.labeled.sets import check_labels, read_test, source_fingerprint
from kdner.labels.folding import read_label_map
from kdner.measuring.errors import error_lines
from kdner.measuring.evaluation import Evaluation, add_analysis, evaluate_models
from kdner.measuring.label_table import label_table
from kdner.measuring.predictions import predictions
from kdner.measuring.reports import IN_FULL_ONLY, model_table, short_names
from kdner.measuring.tagged_examples import examples_report, tagged_examples
from kdner.on_ray.cluster import on_one_node
from kdner.on_ray.console import console, stage_progress
from kdner.on_ray.job import once, run_job
from kdner.pages.quality_page import quality_page
from kdner.runs.run_directory import RunDirectory
from kdner.runs.storage import without_secrets
from kdner.teacher.by_name import check_model, joined_labels, model_fingerprint, pinned_model
from kdner.text.words import splitter_fingerprint


@dataclass(frozen=True, kw_only=True)
class Evaluate(HeldOut, LabelMap, Layout):
    """Compare teachers and students on a labeled set."""

    test: str
    """Labeled set to measure on, in any format that kdner reads, or hf:NAME[/CONFIG][:SPLIT]."""
    models: tuple[str, ...]
    """Teachers and students: directories that finetune_teacher, distill_student or transformers' Trainer saved,
    NAME[@REVISION] of a token classifier or a student on the Hugging Face hub, kdner/general-tiny, spacy:NAME,
    gliner:NAME=TYPE,TYPE, or module:Class[=ARGUMENT] for a class of your own."""
    compare: tuple[str, str] | None = None
    """Two of the models, to show side by side on a few sentences; by default the first and the last."""
    out: str
    """Run directory for page.html, evaluation.json, errors.jsonl, predictions.jsonl and examples.json."""


def evaluate(config: Evaluate) -> dict[str, Any]:
    """Do the job; returns its summary: the test set, the measurements by model directory, and examples."""
    remarks = Remarks()
    sentences = read_test(config.test, config, config, remarks)
    for model in config.models:
        check_model(model)
    models = list(map(pinned_model, config.models))
    label_map = read_label_map(config.label_map)
    for labels in joined_labels(config.models, label_map).values():
        check_labels(sentences, labels, config.test)
    names = short_names(config.models)
    compare = config.compare or (config.models[0], config.models[-1])
    if not set(compare) <= set(config.models):
        raise InputError(f"--compare {' '.join(compare)}: two of --models {' '.join(config.models)} are needed")
    fingerprint = {
        "job": "evaluate",
        "test": source_fingerprint(config.test, config, config),
        **splitter_fingerprint(config.language),
        "models": [model_fingerprint(model) for model in models],
        "compare": [config.models.index(model) for model in compare],
        **({"label_map": label_map} if label_map else {}),
    }

    def work(directory: RunDirectory) -> dict[str, Any]:
        with console.awaiting("evaluate"):
            measured = on_one_node(_evaluate, config, models, sentences)
        evaluations = dict(zip(names, measured, strict=True))
        compared = [names[config.models.index(model)] for model in compare]
        predicted = predictions(sentences, {name: evaluation.tagged for name, evaluation in evaluations.items()})
        measures = {name: evaluation.measures for name, evaluation in evaluations.items()}
        add_analysis(measures, predicted)
        examples = tagged_examples(sentences, {name: evaluations[name].tagged.tags for name in compared})
        named = dict(zip(map(without_secrets, config.models), measures.values(), strict=True))
        directory.write_json("evaluation.json", named)
        directory.write_json("examples.json", {"examples": examples})
        directory.write_json_lines("predictions.jsonl", (prediction.json() for prediction in predicted))
        directory.write_json_lines("errors.jsonl", (line for name in names for line in error_lines(predicted, name)))
        test_set = Path(config.test.removeprefix("hf:")).name
        directory.write_bytes("page.html", quality_page(test_set, measures, predicted, compared).encode())
        short = {name: {key: own[key] for key in own if key not in IN_FULL_ONLY} for name, own in named.items()}
        return {"test_set": test_set, "sentences": len(sentences), "models": short, "examples": examples}

    return once(config.out, fingerprint, work, stage="evaluate", configuration=config, remarks=remarks)


def _evaluate(config: Evaluate, models: list[str], sentences: list[LabeledSentence]) -> list[Evaluation]:
    label_map = read_label_map(config.label_map)
    return evaluate_models(models, sentences, config.test, stage_progress("evaluate", "model"), label_map)


def main(config: Evaluate) -> None:
    """Do the job and print the table."""
    summary = evaluate(config)
    models = dict(zip(short_names(list(summary["models"])), summary["models"].values(), strict=True))
    print(f"{model_table(models)}\n\n{label_table(models)}")
    print(f"\n{examples_report(summary['examples'])}")


if __name__ == "__main__":
    run_job(Evaluate, main)
