"""The page of an evaluation: scores, intervals, errors, confusion, what scores are worth, and examples."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from kdner.measuring.errors import KINDS, OUTSIDE, compare
from kdner.measuring.label_table import better_first
from kdner.measuring.predictions import Prediction
from kdner.measuring.scores import best_threshold
from kdner.pages.charts import bar, interval, lines
from kdner.pages.error_examples import error_examples
from kdner.pages.marked_text import label_tag
from kdner.pages.page import Html, details, element, facts, joined, page, section, table

Measures = Mapping[str, dict[str, Any]]
"""Of each model, by its name, what `kdner.measuring.evaluation.add_analysis` made of its measures."""
Section = tuple[str, str, Html]

FREQUENT = 15
"""Texts that are listed for each kind of error."""
SHADES = 6
"""Steps of the shading of a confusion, in `page.css`."""


def quality_page(test_set: str, measures: Measures, predictions: Sequence[Prediction], compared: Sequence[str]) -> str:
    """Return the page of an evaluation.

    Args:
        test_set: the labeled set's name.
        measures: of all models, by name.
        predictions: of all models, by the same names.
        compared: names of the one or two models whose sentences are shown side by side.
    """
    lead = f"{', '.join(measures)}: measured on the labeled set {test_set}, sentences: {len(predictions):,}."
    return page(f"Evaluation on {test_set}", lead, quality_sections(measures, predictions, compared))


def quality_sections(measures: Measures, predictions: Sequence[Prediction], compared: Sequence[str]) -> list[Section]:
    """Return the sections of an evaluation; see `quality_page`."""
    labels = list(dict.fromkeys(label for own in measures.values() for label in own["confusion"] if label != OUTSIDE))
    compared = list(dict.fromkeys(compared))
    scored = {name: own["score"] for name, own in measures.items() if "score" in own}
    sections = [
        ("quality", "Quality", _quality(measures)),
        ("labels", "Labels", _labels(measures, labels)),
        ("kinds", "Kinds of errors", _kinds(measures, predictions, compared, labels)),
        ("confusion", "Confusion", _confusion(measures, compared, labels)),
    ]
    if scored:
        sections.append(("scores", "Scores", _scores(scored, labels)))
    return [*sections, ("examples", "Examples", error_examples(predictions, compared, labels))]


def _quality(measures: Measures) -> Html:
    span = _span([row["f1_interval"] for row in measures.values()])
    rows = []
    for name, own in measures.items():
        low, high = own["f1_interval"]
        drawn = joined([interval(own["f1"], low, high, span), f" {low:.3f} to {high:.3f}"])
        memory = f"{own['peak_memory_mb']:,} MB"
        quality = [f"{own['f1']:.4f}", drawn, f"{own['precision']:.4f}", f"{own['recall']:.4f}"]
        cost = [f"{own['parameters']:,}", f"{1000 * own['seconds_per_document']:,.2f} ms", memory]
        rows.append([name, *quality, *cost])
    what = next(iter(measures.values()))["bootstrap"]
    head = ["model", "F1", "95 % interval", "precision", "recall", "parameters", "per document", "peak memory"]
    note = (
        f"Micro averages over {next(iter(measures.values()))['support']:,} entities. Intervals: {what['samples']:,} "
        f"bootstrap samples of the {what['units']:,} {what['unit']}; all models on the same samples."
    )
    parts = [table("Quality, size and speed of each model", head, rows, note=note)]
    if differences := [_difference(measures, *pair) for pair in better_first(measures)]:
        head = ["difference", "F1", "95 % interval", "better in so many samples"]
        parts.append(table("How much higher the F1 of one model is than that of another", head, differences))
    return section("quality", "How good the models are", *parts)


def _difference(measures: Measures, one: str, other: str) -> list[object]:
    above = measures[one]["against"][other]
    low, high = (_signed(end) for end in above["interval"])
    share = joined([bar(above["positive_share"]), element("span", f"{above['positive_share']:.1%}", class_="f")])
    return [f"{one} over {other}", _signed(above["f1"]), f"{low} to {high}", share]


def _labels(measures: Measures, labels: Sequence[str]) -> Html:
    span = _span([row["f1_interval"] for own in measures.values() for row in own["per_label"].values()])
    rows = []
    for label in labels:
        of_models = [own["per_label"].get(label) for own in measures.values()]
        support = max((row["support"] for row in of_models if row), default=0)
        rows.append([label_tag(label, labels), f"{support:,}", *(_sure(row, span) for row in of_models)])
    parts = [table("F1 of each label, with its 95 % interval", ["label", "entities", *measures], rows)]
    head = ["label", "F1", "95 % interval", "precision", "recall", *KINDS]
    for name, own in measures.items():
        rows = []
        for label, row in own["per_label"].items():
            low, high = row["f1_interval"] or (row["f1"], row["f1"])
            figures = [
                f"{row['f1']:.4f}",
                f"{low:.3f} to {high:.3f}",
                f"{row['precision']:.4f}",
                f"{row['recall']:.4f}",
            ]
            rows.append([label_tag(label, labels), *figures, *(f"{row['kinds'][kind]:,}" for kind in KINDS)])
        parts.append(details(f"Precision, recall and kinds of errors: {name}", table(f"Labels: {name}", head, rows)))
    return section("labels", "Label by label", *parts)


def _sure(row: dict[str, Any] | None, span: tuple[float, float]) -> Html | str:
    if row is None:
        return ""
    low, high = row["f1_interval"] or (row["f1"], row["f1"])
    return joined([interval(row["f1"], low, high, span), element("span", f"{row['f1']:.3f}", class_="f")])


def _kinds(
    measures: Measures, predictions: Sequence[Prediction], compared: Sequence[str], labels: Sequence[str]
) -> Html:
    rows = []
    most = max(1, *(own["kinds"][kind] for own in measures.values() for kind in KINDS if kind != "correct"))
    for kind, meaning in KINDS.items():
        cells = [
            joined(
                [
                    bar(own["kinds"][kind] / most, "wrong") if kind != "correct" else "",
                    element("span", f"{own['kinds'][kind]:,}", class_="f"),
                ]
            )
            for own in measures.values()
        ]
        rows.append([kind, meaning, *cells])
    counted = table("Entities by kind", ["kind", "what it is", *measures], rows, names=2)
    frequent = [details(f"Most frequent errors: {name}", _frequent(predictions, name, labels)) for name in compared]
    return section("kinds", "What is wrong", counted, *frequent)


def _frequent(predictions: Sequence[Prediction], model: str, labels: Sequence[str]) -> Html:
    counts: Counter[tuple[str, str, str, str, str]] = Counter()
    for p in predictions:
        for pair in compare(p.gold, p.models[model]):
            if pair.kind != "correct":
                texts = [(p.text[s.start : s.end], s.label) if s else ("", "") for s in (pair.gold, pair.predicted)]
                counts[(pair.kind, *texts[0], *texts[1])] += 1
    rows = []
    for (kind, gold, gold_label, found, found_label), count in counts.most_common(FREQUENT):
        sides = [(gold, gold_label), (found, found_label)]
        shown = [joined([element("bdi", t), " ", label_tag(n, labels)]) if n else "" for t, n in sides]
        rows.append([kind, *shown, f"{count:,}"])
    return table(f"The same error more than once: {model}", ["kind", "labeled", "found", "times"], rows, names=3)


def _confusion(measures: Measures, compared: Sequence[str], labels: Sequence[str]) -> Html:
    names = [*labels, OUTSIDE]
    tables: list[Html] = []
    for model, own in measures.items():
        rows = []
        for gold in names:
            counts = own["confusion"][gold]
            total = max(1, sum(counts.values()))
            cells = [_cell(counts[found], total, gold, found) for found in names]
            rows.append([gold if gold == OUTSIDE else label_tag(gold, labels), *cells])
        shown = table(f"Confusion: {model}", ["labeled", *(f"as {name}" for name in names)], rows)
        tables.append(details(model, shown, open_=model in compared[-1:]))
    note = (
        "A row has the entities that are labeled so, by the label of what the model found there, also where boundaries "
        f"differ. {OUTSIDE}: nothing. Deeper shades hold a larger share of the row."
    )
    return section("confusion", "Which label is taken for which", element("p", note, class_="note"), *tables)


def _cell(count: int, total: int, gold: str, found: str) -> Html:
    if gold == found == OUTSIDE:
        return element("span", "–", title="not an entity on either side")
    shade = min(SHADES, -(-SHADES * count // total))
    kind = "right" if gold == found else "off"
    return element("span", f"{count:,}", class_=f"cell {kind} s{shade}" if count else "cell none")


def _scores(scored: Mapping[str, dict[str, Any]], labels: Sequence[str]) -> Html:
    meaning = (
        "An entity's score is the mean probability of the tags of its words. With --score, tag_corpus leaves out "
        "entities below a threshold. The thresholds with the best F1 were chosen on these very sentences: on others "
        "they are a little worse."
    )
    parts: list[object] = [element("p", meaning)]
    best_rows: list[list[object]] = [["all", *(f"{best_threshold(own['thresholds']):.2f}" for own in scored.values())]]
    best_rows += [
        [label_tag(label, labels), *(f"{own['best_thresholds'].get(label, 0):.2f}" for own in scored.values())]
        for label in labels
    ]
    parts.append(table("Threshold with the best F1", ["label", *scored], best_rows))
    for name, own in scored.items():
        table_rows = own["thresholds"]
        series = {k: [(row["threshold"], row[k]) for row in table_rows] for k in ("precision", "recall", "f1")}
        chart = lines(
            {("F1" if key == "f1" else key): points for key, points in series.items()},
            x="threshold of the score",
            y="quality",
            label=f"{name}: precision rises and recall falls with the threshold; the figures are in the table below",
        )
        head = ["threshold", "F1", "precision", "recall", "entities"]
        rows = [
            [f"{r['threshold']:.2f}", *(f"{r[key]:.4f}" for key in ("f1", "precision", "recall")), f"{r['entities']:,}"]
            for r in table_rows
        ]
        bins = [
            [
                f"{b['from']:.1f} to {b['to']:.1f}",
                f"{b['entities']:,}",
                f"{b['mean_score']:.3f}",
                joined([bar(b["share_right"]), element("span", f"{b['share_right']:.3f}", class_="f")]),
            ]
            for b in own["bins"]
        ]
        error = [("expected calibration error", f"{own['expected_calibration_error']:.4f}")]
        parts += [
            element("h3", name),
            facts(error),
            chart,
            details("Figures by threshold", table(f"By threshold: {name}", head, rows)),
            details(
                "How often entities of a score are right",
                table(f"By score: {name}", ["score", "entities", "mean score", "share that is right"], bins),
            ),
        ]
    return section("scores", "What a score is worth", *parts)


def _signed(value: float) -> str:
    return f"{value:+.4f}".replace("-", "\N{MINUS SIGN}")


def _span(intervals: Sequence[Sequence[float] | None]) -> tuple[float, float]:
    ends = [end for own in intervals if own for end in own]
    return (min(ends), max(ends)) if ends else (0.0, 1.0)
