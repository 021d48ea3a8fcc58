"""The page of a pipeline: that of its evaluation, what was tagged, how the students learned, and what took how long."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from kdner.measuring.predictions import Prediction
from kdner.measuring.reports import EXAMPLE, short_names
from kdner.pages.charts import bar, lines
from kdner.pages.corpus_page import corpus_sections
from kdner.pages.page import Html, details, element, joined, page, section, table
from kdner.pages.quality_page import quality_sections
from kdner.pages.tagged_corpus import read_tagged
from kdner.runs.run_directory import RunDirectory
from kdner.runs.storage import join

STUDENTS = ("student", "baseline")


def pipeline_page(run: RunDirectory, summary: Mapping[str, Any], *, quickstart: bool) -> str:
    """Return the page of a pipeline.

    Args:
        run: its run directory, of which the folders of all stages are finished.
        summary: what `kdner.measuring.reports.pipeline_summary` returned.
        quickstart: whether it was the embedded example.
    """
    evaluation, entities, *students = (RunDirectory(join(run.path, n)) for n in ("evaluation", "entities", *STUDENTS))
    full = evaluation.read_json("evaluation.json")
    measures = dict(zip(short_names(list(full)), full.values(), strict=True))
    predictions = [Prediction.of_json(line) for line in evaluation.read_json_lines("predictions.jsonl")]
    names = list(measures)
    compared = [names[number] for number in evaluation.manifest()["fingerprint"]["compare"]]
    quality, labels, *others = quality_sections(measures, predictions, compared)
    found = corpus_sections(entities.summary(), read_tagged(entities))
    histories = {name: own.summary()["history"] for name, own in zip(STUDENTS, students, strict=True)}
    made = [("learning", "Learning", _learning(histories)), ("stages", "Stages", _stages(summary["stages"]))]
    lead = (
        f"The student has an F1 of {measures['student']['f1']:.4f} on {evaluation.summary()['test_set']}, and is "
        f"{summary['compression']} times smaller than its teacher, {summary['compression_of_bert_base']} times smaller "
        f"than BERT-base. The baseline is the same student without a teacher.{' ' + EXAMPLE if quickstart else ''}"
    )
    return page("From labels to a tagged corpus", lead, [quality, labels, *found, *others, *made])


def _learning(histories: Mapping[str, list[dict[str, float]]]) -> Html:
    parts: list[Html] = []
    for key, title in (("loss", "training loss"), ("development_f1", "F1 on the development set")):
        series = {
            name: [(epoch["epoch"], epoch[key]) for epoch in history if epoch.get(key) is not None]
            for name, history in histories.items()
        }
        series = {name: points for name, points in series.items() if points}
        if not series:
            continue
        positive = key == "loss" and all(value > 0 for points in series.values() for _, value in points)
        said = ", ".join(f"{name} from {points[0][1]:.3g} to {points[-1][1]:.3g}" for name, points in series.items())
        chart = lines(series, x="epoch", y=title, label=f"{title} by epoch: {said}", logarithmic=positive)
        epochs = sorted({x for points in series.values() for x, _ in points})
        values = [dict(points) for points in series.values()]
        rows = [[f"{x:g}", *(f"{own[x]:.4f}" if x in own else "" for own in values)] for x in epochs]
        parts += [chart, details("Figures by epoch", table(f"{title} by epoch".capitalize(), ["epoch", *series], rows))]
    note = "The two losses are not of one kind: only the student learns from a teacher's distributions."
    return section("learning", "How the students learned", *parts, element("p", note, class_="note"))


def _stages(seconds: Mapping[str, float]) -> Html:
    total = max(sum(seconds.values()), 1e-9)
    rows = [
        [name, joined([bar(value / total), element("span", f"{value:,.1f}", class_="f")])]
        for name, value in seconds.items()
    ]
    return section("stages", "What took how long", table("Seconds of each job", ["job", "seconds"], rows))
