"""Models measured on one labeled set: quality, size, seconds per document and peak memory."""

from __future__ import annotations

import multiprocessing
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from itertools import permutations
from typing import Any, NamedTuple

import torch

from kdner.errors import InputError
from kdner.labeled.sentence import LabeledSentence
from kdner.labeled.sets import check_labels
from kdner.measuring.errors import compare, confusion, count_kinds
from kdner.measuring.f1 import entities_found, measure_f1, recall_by_words
from kdner.measuring.intervals import SAMPLES, bootstrap
from kdner.measuring.predictions import Prediction, Tagged
from kdner.measuring.scores import score_quality
from kdner.memory import peak_memory_mb
from kdner.progress import Progress
from kdner.student.tagger import Tagger
from kdner.teacher.by_name import largest_vocabulary, load_model

WARM_UP_SENTENCES = 32


class Evaluation(NamedTuple):
    """What one model did on a labeled set."""

    measures: dict[str, Any]
    """f1, precision, recall, support, parameters, seconds_per_document, peak_memory_mb, and per_label; for some also
    known_words and unknown_words."""
    tagged: Tagged
    """IOB2 tags of the splitter's words of each sentence; of a student also their probabilities."""


def evaluate(
    name: str, sentences: Sequence[LabeledSentence], source: str, label_map: Mapping[str, str] | None = None
) -> Evaluation:
    """Tag a labeled set with a model and measure.

    Time is that of words to tags, after a warm-up, per document of the labeled set. Peak memory is the resident
    memory of the whole process, so call this in a fresh one, or use `evaluate_models`.

    Args:
        name: of the model, as `kdner.teacher.by_name` says.
        sentences: the labeled set.
        source: the labeled set's name, for errors.
        label_map: new names of the model's types; see `kdner.labels.folding`.
    """
    words = [sentence.words()[0] for sentence in sentences]
    model = load_model(name, label_map=label_map, sample=words)
    check_labels(sentences, model.labels, source)
    model.tags(words[:WARM_UP_SENTENCES])
    started = time.perf_counter()
    tags = model.tags(words)
    seconds = time.perf_counter() - started
    quality = measure_f1(lambda _: tags, sentences)
    documents = len({sentence.document for sentence in sentences})
    measures = {
        **quality.rounded(),
        "parameters": model.parameters,
        "seconds_per_document": round(seconds / documents, 6),
        "peak_memory_mb": round(peak_memory_mb()),
        "per_label": {label: row.rounded() for label, row in quality.per_label.items()},
    }
    if not isinstance(model, Tagger):
        return Evaluation(measures, Tagged(tags))
    return Evaluation(measures, Tagged(tags, [probabilities.tolist() for _, probabilities in model.decode(words)]))


def evaluate_models(
    names: Sequence[str],
    sentences: Sequence[LabeledSentence],
    source: str,
    progress: Progress,
    label_map: Mapping[str, str] | None = None,
) -> list[Evaluation]:
    """Evaluate models one after the other, each in a process of its own with this process's number of threads.

    The processes are forked from one that has only imported what they need: a start takes no time, and the peak memory
    of one model knows nothing of the others. Where there is a student, recall is also told apart by the words that it
    knows, of several students the one with the largest vocabulary: `known_words` and `unknown_words`.

    Args:
        names: of the models, as `kdner.teacher.by_name` says.
        sentences: the labeled set.
        source: the labeled set's name, for errors.
        progress: counts models.
        label_map: new names of the models' types.

    Raises:
        InputError: what `evaluate` raises, or a model's process was ended from outside.
    """
    evaluations: list[Evaluation] = []
    words = sum(len(sentence.words()[0]) for sentence in sentences)
    progress.begin(len(names))
    processes = multiprocessing.get_context("forkserver")
    processes.set_forkserver_preload([__name__, "seqeval.metrics"])
    threads = (torch.get_num_threads(),)
    with ProcessPoolExecutor(1, processes, torch.set_num_threads, threads, max_tasks_per_child=1) as pool:
        for name in names:
            try:
                evaluations.append(pool.submit(evaluate, name, sentences, source, label_map).result())
            except BrokenProcessPool as error:
                raise InputError(
                    f"{name}: the process that evaluated it was killed, perhaps for want of memory; make room, or "
                    "leave it out"
                ) from error
            progress.advance(1, words)
    if vocabulary := largest_vocabulary(names):
        for measures, tagged in evaluations:
            measures |= recall_by_words(entities_found(tagged.tags, sentences), sentences, vocabulary.knows)
    return evaluations


def add_analysis(measures: Mapping[str, dict[str, Any]], predictions: Sequence[Prediction]) -> None:
    """Add to the measures of each model how sure they are and what its errors are.

    `f1_interval` beside each F1; `bootstrap`, of what it is; `against` each other model, how much higher this one's F1
    is; `kinds` of pairs (`kdner.measuring.errors`), also of each label; `confusion`; and `score` of students.

    Args:
        measures: of each model by its name, as `evaluate` returned them; they are changed.
        predictions: of all models, by the same names.
    """
    spans = (span for p in predictions for own in (p.gold, *p.models.values()) for span in own)
    labels = sorted({span.label for span in spans})
    samples = bootstrap(predictions, labels)
    for name, own in measures.items():
        compared = [pair for p in predictions for pair in compare(p.gold, p.models[name])]
        own["f1_interval"] = samples.interval(name)
        own["bootstrap"] = {"samples": SAMPLES, "unit": samples.unit, "units": samples.units}
        own["against"] = {}
        own["kinds"] = count_kinds(compared)
        own["confusion"] = confusion(compared, labels)
        for label, row in own["per_label"].items():
            row["f1_interval"] = samples.interval(name, label)
            row["kinds"] = count_kinds(pair for pair in compared if (pair.gold or pair.predicted).label == label)  # type: ignore[union-attr]
        if any(span.score is not None for p in predictions for span in p.models[name]):
            own["score"] = score_quality(predictions, name)
    for name, other in permutations(measures, 2):
        difference = {"f1": round(measures[name]["f1"] - measures[other]["f1"], 4), **samples.difference(name, other)}
        measures[name]["against"][other] = difference
