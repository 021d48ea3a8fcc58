"""One trial of the low-resource study: sentences are drawn, teachers and students learn from them, F1 is measured.

A trial runs in one process and needs no Ray. The results of its steps lie in its folder, so that a trial that was
killed goes on with the next step.
"""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc

from kdner.device import best_device
from kdner.distillation.examples import TransferSet
from kdner.distillation.teachers import train_teacher
from kdner.distillation.trainer import Trainer
from kdner.distillation.transfer_corpus import transfer_documents
from kdner.distillation.untrained_student import write_untrained_student
from kdner.flags import LabeledSet
from kdner.labeled.sentence import LabeledSentence
from kdner.labeled.sets import check_labels, draw, read_drawn, read_labeled
from kdner.labels.decoding import best_legal_tags
from kdner.labels.tags import check_same_labels
from kdner.measuring.f1 import Tag, entities_found, measure_f1, recall_by_words
from kdner.measuring.student_speed import time_in_turns
from kdner.progress import Progress
from kdner.runs.run_directory import RunDirectory
from kdner.runs.schema import LOGITS
from kdner.runs.storage import commit, without_secrets
from kdner.student.network import Network
from kdner.student.saved import SavedStudent
from kdner.student.tagger import Tagger
from kdner.study.specs import StudentSpec, Study, TeacherSpec
from kdner.study.transfer import students_transfer_set, transfer_parts
from kdner.teacher.by_name import encoder_folder, largest_vocabulary, load_model, teacher_names
from kdner.teacher.feature_tagger import FeatureTagger
from kdner.teacher.protocol import Model
from kdner.teacher.score_documents import ScoreDocuments
from kdner.teacher.vector_cache import cached_vectors
from kdner.text.words import splitter_fingerprint


class Trial:
    """A trial: its drawn sentences, its teachers and its students, and the folder of what they have become so far."""

    def __init__(
        self,
        study: Study,
        size: int,
        seed: int,
        folder: Path,
        progress: Callable[[str, str], Progress],
        *,
        vector_folder: Path | None = None,
    ) -> None:
        """Draw the labeled set.

        Args:
            study: what all trials share.
            size: sentences to draw.
            seed: decides the draw and everything random after it: weights, order of sentences, dropout.
            folder: holds what this trial makes; it can be deleted once the result is stored elsewhere.
            progress: makes the progress of a step from its name and its unit.
            vector_folder: for the contextual vectors of frozen encoders, which trials that read the same text share;
                by default inside `folder`.
        """
        self.study, self.size, self.seed, self.folder, self.progress = study, size, seed, folder, progress
        self.vector_folder = vector_folder or folder / "vectors"
        folder.mkdir(parents=True, exist_ok=True)
        flags = LabeledSet(**vars(study.layout), labeled=study.labeled, labeled_size=size, seed=seed)
        self.drawn, self.rest, self.labels = read_drawn(flags)
        self.test = read_labeled(study.test, study.layout)
        check_labels(self.test, self.labels, study.test)
        self.teachers = [TeacherSpec.read(name) for name in study.teachers]
        self.steps = teacher_names(len(self.teachers))
        self.models = [
            spec.source if spec.fixed else str(folder / step)
            for spec, step in zip(self.teachers, self.steps, strict=True)
        ]
        self.students = [StudentSpec.read(name, study) for name in study.students]

    def run(self) -> dict[str, Any]:
        """Do the steps that are not done yet.

        Returns:
            `size`, `seed`, `seconds`, `transfer`, and by name `teachers` and `students`, each with f1, precision,
            recall, support, parameters, seconds, and the recall of entities by the words that a student knows;
            `mean` is that of the mean of several teachers' logits. Students also have `words_per_second`, of one core,
            measured in turns: other trials may run beside them, so that only those of one trial compare.
        """
        teachers = [
            self._once(step, self._teach, spec, model)
            for step, spec, model in zip(self.steps, self.teachers, self.models, strict=True)
        ]
        result: dict[str, Any] = {"size": self.size, "seed": self.seed}
        if any(spec.setting != "labeled" for spec in self.students):
            result["transfer"] = self._once("logits", self._precompute)
        result["teachers"] = dict(zip(map(without_secrets, self.study.teachers), teachers, strict=True))
        if len(self.models) > 1:
            result["mean"] = self._once("mean", self._measure_mean)
        result["students"] = {
            name: self._once(f"student-{name}", self._learn, spec, self.folder / f"student-{name}")
            for name, spec in zip(self.study.students, self.students, strict=True)
        }
        steps = [result.get("transfer"), result.get("mean"), *result["teachers"].values(), *result["students"].values()]
        self._tell_words_apart([step for step in steps if step and "found" in step])
        self._measure_speed(result["students"])
        return {**result, "seconds": round(sum(step["seconds"] for step in steps if step), 1)}

    def _tell_words_apart(self, measured: Sequence[dict[str, Any]]) -> None:
        """Give each model its recall by the words that a student knows, in place of the entities it found.

        It is the student with the largest vocabulary.
        """
        vocabulary = largest_vocabulary(str(self.folder / f"student-{name}") for name in self.study.students)
        for model in measured:
            found = [mark == "1" for mark in model.pop("found")]
            if vocabulary:
                model |= recall_by_words(found, self.test, vocabulary.knows)

    def _measure_speed(self, students: Mapping[str, dict[str, Any]]) -> None:
        """Give each student the words/s that it tags of the test set."""
        taggers = {name: Tagger.from_pretrained(self.folder / f"student-{name}") for name in students}
        texts = [sentence.text for sentence in self.test]
        for name, speed in time_in_turns(taggers, texts).items():
            students[name]["words_per_second"] = round(speed)

    def _once(self, step: str, function: Callable[..., dict[str, Any]], *args: Any) -> dict[str, Any]:
        """Return the stored result of a step, with its seconds; do the step first where it is not done yet."""
        path = self.folder / f"{step}.json"
        if not path.exists():
            started = time.monotonic()
            result = {**function(*args), "seconds": round(time.monotonic() - started, 1)}
            with commit(str(path)) as file:
                file.write(json.dumps(result).encode())
        stored: dict[str, Any] = json.loads(path.read_text("utf-8"))
        return stored

    def _teach(self, spec: TeacherSpec, name: str) -> dict[str, Any]:
        """Train a teacher, unless it is a finished model, and measure it."""
        if not spec.fixed:
            sentences = self._labeled(spec.labeled) if spec.labeled else self.drawn
            teacher = train_teacher(
                spec.source,
                sentences,
                self.labels,
                self.study.fine_tuning,
                seed=self.seed + spec.seed,
                progress=self.progress(Path(name).name, "step"),
                checkpoints=Path(f"{name}-checkpoints"),
            )
            Path(name).mkdir(exist_ok=True)
            teacher.save(name)
            shutil.rmtree(f"{name}-checkpoints", ignore_errors=True)
        model = self._sharing(load_model(name, sample=self._sample), spec.source)
        check_same_labels(self.labels, model.labels, self.study.labeled, name)
        return self._measure(model.tags, model.parameters)

    @cached_property
    def _sample(self) -> list[list[str]]:
        """Sentences by which finished teachers with labels of IOB1 are told from those of IOB2."""
        return [sentence.words()[0] for sentence in self.drawn]

    def _sharing(self, model: Model, source: str) -> Model:
        """Have a feature-based tagger share its encoder's contextual vectors with other trials."""
        if isinstance(model, FeatureTagger):
            model.contextual_vectors = cached_vectors(model.encoder.contextual_vectors, self.vector_folder, source)
        return model

    def _labeled(self, source: str) -> list[LabeledSentence]:
        sentences = read_labeled(source, self.study.layout)
        check_labels(sentences, self.labels, source)
        return sentences

    def _precompute(self) -> dict[str, Any]:
        """Score the transfer set with all teachers, part by part; parts that have their file are not scored again."""
        study, path = self.study, str(self.folder / "logits")
        rest, drawn = transfer_documents(self.rest, study.corpus, words=study.transfer_words, seed=self.seed)
        documents = rest.num_rows + drawn.num_rows
        parts = list(transfer_parts(rest, drawn))
        run = RunDirectory.open(
            path,
            {
                "job": "trial",
                "corpus": documents,
                **splitter_fingerprint(study.layout.language, hard_wrapped=study.hard_wrapped),
            },
            {"files": [name for name, _ in parts], "labels": self.labels, "teachers": len(self.models)},
        )
        pending = set(run.pending())
        reading: dict[str, Any] = {"language": study.layout.language, "hard_wrapped": study.hard_wrapped}
        scorer = ScoreDocuments(self.models, sample=self._sample, **reading) if pending else None
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
        sentences = sum(pc.sum(counts).as_py() or 0 for counts in lengths)
        return {"words": TransferSet([path]).words, "sentences": sentences, "documents": documents}

    def _measure_mean(self) -> dict[str, Any]:
        """Measure the mean of all teachers' logits, as if it were those of one model."""
        models = [
            self._sharing(load_model(name, sample=self._sample), spec.source)
            for name, spec in zip(self.models, self.teachers, strict=True)
        ]

        def tags(sentences: Sequence[Sequence[str]]) -> list[list[str]]:
            mean = np.mean([model.score_words(sentences) for model in models], axis=0)
            return best_legal_tags(mean, sentences, self.labels)

        return self._measure(tags, sum(model.parameters for model in models))

    def _learn(self, spec: StudentSpec, folder: Path) -> dict[str, Any]:
        """Train a student and measure it."""
        transfer = self._transfer(spec, folder.with_name(folder.name + "-logits"))
        development, labeled = draw(self.drawn, round(spec.development_share * len(self.drawn)), self.seed)
        initial = folder.with_name(folder.name + "-initial")
        if not initial.is_dir():
            encoders = filter(None, map(encoder_folder, self.models))
            encoder = next(encoders, None) if spec.vectors == "teacher" else None
            write_untrained_student(
                initial,
                spec.shape,
                labels=self.labels,
                labeled=labeled,
                transfer=transfer,
                vectors="teacher" if encoder else "random",
                teacher=encoder,
                language=self.study.layout.language,
                seed=self.seed,
            )
        trainer = Trainer(
            Network.of(SavedStudent.read(initial)),
            spec.recipe,
            seed=self.seed,
            labeled=labeled,
            development=development,
            transfer=transfer,
            device=best_device(),
        )
        trainer.train(lambda _: None, self.progress(folder.name, "step"))
        trainer.network.load_state_dict(trainer.best)
        student = trainer.network.saved()
        folder.mkdir(exist_ok=True)
        student.save(folder)
        training: dict[str, float] = {"best_epoch": trainer.state.best_epoch, "epochs": trainer.epochs}
        if trainer.state.best_f1 is not None:
            training["development_f1"] = round(trainer.state.best_f1, 4)
        return {**self._measure(Tagger(student).tags, student.parameters_count), **training}

    def _transfer(self, spec: StudentSpec, folder: Path) -> TransferSet | None:
        """Return the part of the transfer set that a student learns from, None where it learns without one."""
        if spec.setting == "labeled":
            return None
        logits = RunDirectory.finished_at(str(self.folder / "logits"))
        return students_transfer_set(logits, spec, folder, self.seed)

    def _measure(self, tag: Tag, parameters: int) -> dict[str, Any]:
        """Measure a model on the test set; `found` marks each gold entity that it found with 1, the others with 0."""
        tags = tag([sentence.words()[0] for sentence in self.test])
        found = "".join("01"[hit] for hit in entities_found(tags, self.test))
        return {**measure_f1(lambda _: tags, self.test).rounded(), "parameters": parameters, "found": found}
