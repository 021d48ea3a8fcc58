"""One trial of the low-resource study: a labeled set is drawn, teachers and students learn from it, all are scored.

A trial runs in one process and needs no Ray. What it has done lies in its folder, step by step, so that a trial that
was killed goes on.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from kdner.data.labeled_sentence import LabeledSentence
from kdner.data.labeled_sets import check_labels, draw, read_drawn, read_labeled
from kdner.device import best_device
from kdner.distillation.examples import TransferSet
from kdner.distillation.teachers import train_teacher
from kdner.distillation.trainer import Trainer
from kdner.distillation.transfer_corpus import transfer_corpus
from kdner.distillation.untrained_student import write_untrained_student
from kdner.flags import LabeledSet
from kdner.labels.decoding import best_legal_tags
from kdner.labels.tags import check_same_labels
from kdner.measuring.f1 import Tag, score
from kdner.progress import Progress
from kdner.runs.run_directory import RunDirectory
from kdner.runs.schema import LOGITS
from kdner.runs.storage import without_secrets
from kdner.student.model import Student
from kdner.student.tagger import Tagger
from kdner.study.specs import REST, StudentSpec, Study, TeacherSpec
from kdner.teacher.by_name import Model, encoder_folder, load_model
from kdner.teacher.feature_tagger import FeatureTagger
from kdner.teacher.score_documents import ScoreDocuments
from kdner.teacher.vector_cache import cached_vectors

PART_CHARACTERS = 500_000
"""Text that is scored together."""


class Trial:
    """A trial, or what is left of it."""

    def __init__(
        self,
        study: Study,
        size: int,
        seed: int,
        folder: Path,
        progress: Callable[[str, str], Progress],
        *,
        vectors: Path | None = None,
    ) -> None:
        """Draw the labeled set.

        Args:
            study: what all trials share.
            size: sentences to draw.
            seed: of the draw and of all that is random.
            folder: the trial's own; it can be deleted once the result is kept.
            progress: makes the progress of a step from its name and its unit.
            vectors: folder for the vectors of frozen encoders, which trials that read the same text share.
        """
        self.study, self.size, self.seed, self.folder, self.progress = study, size, seed, folder, progress
        self.vectors = vectors or folder / "vectors"
        folder.mkdir(parents=True, exist_ok=True)
        self.drawn, self.rest, self.labels = read_drawn(LabeledSet(labeled=study.labeled, labeled_size=size, seed=seed))
        self.test = read_labeled(study.test)
        check_labels(self.test, self.labels, study.test)
        self.teachers = [TeacherSpec.read(name) for name in study.teachers]
        self.models = [
            spec.source if spec.fixed else str(folder / f"teacher-{k}") for k, spec in enumerate(self.teachers, start=1)
        ]
        self.students = [StudentSpec.read(name, study) for name in study.students]

    def run(self) -> dict[str, Any]:
        """Do what is left of it.

        Returns:
            `size`, `seed`, `seconds`, `transfer`, and by name `teachers` and `students`, each with f1, precision,
            recall, support, parameters and seconds; `mean` is that of the mean of several teachers' logits.
        """
        numbers = range(1, 1 + len(self.teachers))
        teachers = [self._kept(f"teacher-{k}", self._teach, self.teachers[k - 1], self.models[k - 1]) for k in numbers]
        found: dict[str, Any] = {"size": self.size, "seed": self.seed}
        if any(spec.setting != "labeled" for spec in self.students):
            found["transfer"] = self._kept("logits", self._precompute)
        found["teachers"] = dict(zip(map(without_secrets, self.study.teachers), teachers, strict=True))
        if len(self.models) > 1:
            found["mean"] = self._kept("mean", self._score_mean)
        found["students"] = {
            name: self._kept(f"student-{name}", self._learn, spec, self.folder / f"student-{name}")
            for name, spec in zip(self.study.students, self.students, strict=True)
        }
        steps = [found.get("transfer"), found.get("mean"), *found["teachers"].values(), *found["students"].values()]
        return {**found, "seconds": round(sum(step["seconds"] for step in steps if step), 1)}

    def _kept(self, step: str, function: Callable[..., dict[str, Any]], *args: Any) -> dict[str, Any]:
        """Return what a step returned when it was done, or do it now; with its seconds."""
        path = self.folder / f"{step}.json"
        if not path.exists():
            started = time.monotonic()
            result = {**function(*args), "seconds": round(time.monotonic() - started, 1)}
            unfinished = path.with_suffix(".unfinished")
            unfinished.write_text(json.dumps(result), encoding="utf-8")
            unfinished.rename(path)
        kept: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return kept

    def _teach(self, spec: TeacherSpec, name: str) -> dict[str, Any]:
        if not spec.fixed:
            sentences = self._labeled(spec.labeled) if spec.labeled else self.drawn
            teacher = train_teacher(
                spec.source,
                sentences,
                self.labels,
                self.study.fine_tuning,
                seed=self.seed + spec.seed,
                progress=self.progress("teach", "step"),
            )
            Path(name).mkdir(exist_ok=True)
            teacher.save(name)
        model = self._sharing(load_model(name), spec.source)
        check_same_labels(self.labels, model.labels, self.study.labeled, name)
        return self._scores(model.tags, model.parameters)

    def _sharing(self, model: Model, source: str) -> Model:
        """Have a feature-based tagger share its encoder's vectors."""
        if isinstance(model, FeatureTagger):
            model.contextual_vectors = cached_vectors(model.encoder.contextual_vectors, self.vectors, source)
        return model

    def _labeled(self, source: str) -> list[LabeledSentence]:
        sentences = read_labeled(source)
        check_labels(sentences, self.labels, source)
        return sentences

    def _precompute(self) -> dict[str, Any]:
        """Score the transfer set with all teachers, part by part; a file that is there is not made again."""
        study, path = self.study, str(self.folder / "logits")
        table = transfer_corpus(self.rest, study.corpus, words=study.transfer_words, seed=self.seed)
        parts = list(_parts(table, len(self.rest)))
        run = RunDirectory.open(
            path,
            {"job": "trial", "corpus": table.num_rows},
            {"files": [name for name, _ in parts], "labels": self.labels, "teachers": len(self.models)},
        )
        pending = set(run.pending())
        scorer = ScoreDocuments(self.models) if pending else None
        for teacher, spec in zip(scorer.teachers if scorer else (), self.teachers, strict=False):
            self._sharing(teacher, spec.source)
        progress = self.progress("score", "part")
        progress.begin(len(pending))
        for name, part in parts:
            if scorer and name in pending:
                scored = scorer(part)
                run.write_table(name, scored, LOGITS)
                progress.advance(1, pc.sum(pc.list_value_length(scored["words"])).as_py() or 0)
        run.finish({})
        lengths = (pc.list_value_length(table["sentence_words"]) for table in run.tables(["sentence_words"]))
        sentences = sum(pc.sum(own).as_py() or 0 for own in lengths)
        return {"words": TransferSet([path]).words, "sentences": sentences, "documents": table.num_rows}

    def _score_mean(self) -> dict[str, Any]:
        models = [
            self._sharing(load_model(name), spec.source) for name, spec in zip(self.models, self.teachers, strict=True)
        ]

        def tags(sentences: Any) -> list[list[str]]:
            mean = np.mean([model.score_words(sentences) for model in models], axis=0)
            return best_legal_tags(mean, sentences, self.labels)

        return self._scores(tags, sum(model.parameters for model in models))

    def _learn(self, spec: StudentSpec, folder: Path) -> dict[str, Any]:
        transfer = self._transfer(spec, folder.with_name(folder.name + "-logits"))
        development, labeled = draw(self.drawn, round(spec.development_share * len(self.drawn)), self.seed)
        initial = folder.with_name(folder.name + "-initial")
        if not initial.is_dir():
            encoders = filter(None, map(encoder_folder, self.models))
            first = next(encoders, None) if spec.vectors == "teacher" else None
            write_untrained_student(
                initial,
                spec.shape,
                labels=self.labels,
                labeled=labeled,
                transfer=transfer,
                vectors="teacher" if first else "random",
                teacher=first,
                seed=self.seed,
            )
        trainer = Trainer(
            Student.from_pretrained(initial),
            spec.recipe,
            seed=self.seed,
            labeled=labeled,
            development=development,
            transfer=transfer,
            device=best_device(),
        )
        trainer.train(lambda _: None, self.progress("distill", "step"))
        trainer.student.load_state_dict(trainer.best)
        student = trainer.student.eval()
        folder.mkdir(exist_ok=True)
        student.save(folder)
        history: dict[str, float] = {"best_epoch": trainer.state.best_epoch, "epochs": trainer.epochs}
        if development:
            history["development_f1"] = round(trainer.state.best_f1, 4)
        return {**self._scores(Tagger(student).tags, student.parameters_count), **history}

    def _transfer(self, spec: StudentSpec, folder: Path) -> TransferSet | None:
        """Return the part of the transfer set that a student learns from."""
        if spec.setting == "labeled":
            return None
        whole = RunDirectory.finished_at(str(self.folder / "logits"))
        weights = [float(not spec.teachers or k in spec.teachers) for k in range(1, 1 + len(self.models))]
        files = [name for name in whole.files if spec.transfer != REST or name.startswith(REST)]
        if spec.transfer_sentences or len(files) < len(whole.files):
            tables = list(whole.tables(files=files))
            if spec.transfer_sentences:
                tables = [_sample(pa.concat_tables(tables), spec.transfer_sentences, self.seed)]
            names = [f"part-{k:05d}.parquet" for k in range(len(tables))]
            manifest = {"files": names, "labels": self.labels, "teachers": len(self.models)}
            run = RunDirectory.open(str(folder), {"job": "trial"}, manifest)
            for name, table in zip(names, tables, strict=True):
                run.write_table(name, table, LOGITS)
            run.finish({})
            return TransferSet([str(folder)], weights)
        return TransferSet([whole.path], weights)

    def _scores(self, tag: Tag, parameters: int) -> dict[str, Any]:
        return {**score(tag, self.test)["micro"].rounded(), "parameters": parameters}


def _parts(table: pa.Table, rest: int) -> Iterator[tuple[str, pa.Table]]:
    """Cut the documents of a transfer set into parts of about `PART_CHARACTERS`, with the names of their files."""
    for name, documents in ((REST, table.slice(0, rest)), ("part", table.slice(rest))):
        characters = np.cumsum([len(text or "") for text in documents["text"].to_pylist()])
        cuts = np.flatnonzero(np.diff(characters // PART_CHARACTERS)) + 1
        bounds = [0, *cuts.tolist(), documents.num_rows]
        for number, (first, last) in enumerate(pairwise(bounds)):
            if last > first:
                yield f"{name}-{number:05d}.parquet", documents.slice(first, last - first)


def _sample(table: pa.Table, sentences: int, seed: int) -> pa.Table:
    """Draw documents until they hold so many sentences; the last one may hold more."""
    lengths = [len(own or ()) for own in table["sentence_words"].to_pylist()]
    order = random.Random(seed).sample(range(len(lengths)), len(lengths))
    last = int(np.searchsorted(np.cumsum([lengths[row] for row in order]), sentences)) + 1
    return table.take(sorted(order[:last])).combine_chunks()
