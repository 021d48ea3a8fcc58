"""Sentences with errors, on a page: as labeled and as each model tagged them, worst disagreements first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from kdner.measuring.errors import KINDS, Compared, compare
from kdner.measuring.predictions import Prediction
from kdner.pages.marked_text import SAID, Mark, marked, marks_of
from kdner.pages.page import Html, details, element, joined, section

EXAMPLES = 200
"""Sentences that a page shows at most."""
AT_ONCE = 20
"""Of which so many are seen at once, and the others unfolded."""
LABELED = "labeled"
"""What the gold entities are called beside the models."""


class _Example(NamedTuple):
    prediction: Prediction
    compared: dict[str, list[Compared]]
    disagreements: int
    """Entities that one model has and the other has not."""
    errors: int
    """Of both models."""


def error_examples(predictions: Sequence[Prediction], models: Sequence[str], labels: Sequence[str]) -> Html:
    """Return the section of examples.

    First come sentences of which two models have the most different entities, of alike ones those with the most errors,
    then in the order of the labeled set.

    Args:
        predictions: of at least these models.
        models: one, or two to show side by side.
        labels: those of the page.
    """
    examples = [_example(prediction, models) for prediction in predictions]
    wrong = [example for example in examples if example.errors]
    shown = sorted(wrong, key=lambda example: (-example.disagreements, -example.errors))[:EXAMPLES]
    items = [_item(example, models, labels) for example in shown]
    lists = [element("ol", *items[:AT_ONCE], class_="examples")]
    if len(items) > AT_ONCE:
        rest = element("ol", *items[AT_ONCE:], class_="examples", start=AT_ONCE + 1)
        lists.append(details(f"{len(items) - AT_ONCE:,} more", rest))
    who = " or ".join(models) if len(models) == 2 else models[0]
    count = (
        f"{len(wrong):,} of {len(predictions):,} sentences have an error of {who}; {len(shown):,} are shown, those "
        f"first in which {'the two differ most' if len(models) == 2 else 'most is wrong'}."
    )
    return section("examples", "Sentences with errors", element("p", count), _filters(models, labels), *lists)


def _example(prediction: Prediction, models: Sequence[str]) -> _Example:
    compared = {name: compare(prediction.gold, prediction.models[name]) for name in models}
    found = [{span[:3] for span in prediction.models[name]} for name in models]
    errors = sum(pair.kind != "correct" for own in compared.values() for pair in own)
    return _Example(prediction, compared, len(found[0] ^ found[-1]), errors)


def _filters(models: Sequence[str], labels: Sequence[str]) -> Html:
    """Return the filters, which the script shows, since it makes them work."""
    kinds = [kind for kind in KINDS if kind != "correct"]
    selects = [
        _select("model", models),
        _select("kind", [SAID[kind] for kind in kinds]),
        _select("label", labels),
    ]
    count = element("output", class_="count", aria_live="polite")
    return element("form", *selects, count, class_="filters", hidden=True, aria_label="Filter the sentences")


def _select(name: str, choices: Sequence[str]) -> Html:
    options = [element("option", "any", value="")]
    options += [element("option", choice, value=number) for number, choice in enumerate(choices)]
    return element("label", element("span", name), element("select", *options, name=name))


def _item(example: _Example, models: Sequence[str], labels: Sequence[str]) -> Html:
    prediction, kinds = example.prediction, [kind for kind in KINDS if kind != "correct"]
    errors = {
        f"{model}.{kinds.index(pair.kind)}.{labels.index(span.label)}"
        for model, name in enumerate(models)
        for pair in example.compared[name]
        for span in pair[1:]
        if pair.kind != "correct" and span
    }
    first = min(pair.start for own in example.compared.values() for pair in own if pair.kind != "correct")
    rows = [
        joined(
            [
                element("dt", " = ".join(names)),
                element("dd", marked(prediction.text, marks, labels, first=first), dir="auto"),
            ]
        )
        for names, marks in _alike(example, models)
    ]
    where = element("p", prediction.sentence, f", document {prediction.document}", class_="where")
    return element("li", where, element("dl", *rows, class_="versions"), data_errors=" ".join(sorted(errors)))


def _alike(example: _Example, models: Sequence[str]) -> list[tuple[list[str], list[Mark]]]:
    """Return the gold entities and those of each model; who has the same ones shares them."""
    versions: Mapping[str, list[Mark]] = {
        LABELED: [Mark(*span[:3]) for span in example.prediction.gold],
        **{name: marks_of(example.compared[name]) for name in models},
    }
    alike: list[tuple[list[str], list[Mark]]] = []
    for name, marks in versions.items():
        same = next((names for names, others in alike if [m[:4] for m in others] == [m[:4] for m in marks]), None)
        if same:
            same.append(name)
        else:
            alike.append(([name], marks))
    return alike
