"""The component `kdner` of spaCy pipelines: a student sets `doc.ents`, or a group of spans.

    nlp = spacy.blank("en")
    nlp.add_pipe("kdner", config={"model": "runs/student"})

kdner's own splitter reads `doc.text`, whatever the pipeline's tokenizer made of it; the entities then are laid on
spaCy's tokens. `entity._.kdner_score` is the score.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, Literal

import srsly
from spacy import Language, util
from spacy.pipeline import Pipe
from spacy.tokens import Doc, Span, SpanGroup

from kdner.errors import InputError
from kdner.integrations.spacy_docs import SCORE, register_score
from kdner.student.model import Student
from kdner.student.tagger import Entity

Alignment = Literal["strict", "contract", "expand"]


class KdnerPipe(Pipe):
    """A student as spaCy sees it; it is loaded when it is first needed."""

    def __init__(
        self,
        name: str,
        model: str,
        *,
        spans_key: str | None = None,
        alignment_mode: Alignment = "expand",
        overwrite_ents: bool = False,
        scorer: Callable[..., dict[str, Any]] | None = None,
    ) -> None:
        """Make the component.

        Args:
            name: of the component in its pipeline.
            model: the student, as `Student.from_pretrained` takes it.
            spans_key: key of `doc.spans` to put the entities under, with their scores in the group's attributes
                `scores`; by default they become `doc.ents`.
            alignment_mode: what becomes of an entity that begins or ends inside a token of spaCy's: `expand` takes the
                whole token, `contract` leaves it out, `strict` leaves the entity out.
            overwrite_ents: whether an entity takes the place of those that are in `doc.ents` already and overlap with
                it; by default it is left out.
            scorer: what `nlp.evaluate` measures by.
        """
        self.name, self.model, self.spans_key = name, model, spans_key
        self.alignment_mode, self.overwrite_ents, self.scorer = alignment_mode, overwrite_ents, scorer
        self._student: Student | None = None
        register_score()

    @property
    def student(self) -> Student:
        """The student.

        Raises:
            InputError: there is none of this name.
        """
        if self._student is None:
            if not self.model:
                raise InputError(
                    f"the component {self.name} has no model; give one: "
                    'nlp.add_pipe("kdner", config={"model": "runs/student"})'
                )
            self._student = Student.from_pretrained(self.model)
        return self._student

    @property
    def labels(self) -> tuple[str, ...]:
        """The types of entities that it finds; none while there is no student, as spaCy asks before it reads one."""
        try:
            return tuple(sorted({label[2:] for label in self.student.labels if label != "O"}))
        except InputError:
            return ()

    def __call__(self, doc: Doc) -> Doc:
        """Tag a document."""
        self._set(doc, self.student.tag(doc.text))
        return doc

    def pipe(self, stream: Iterable[Doc], *, batch_size: int = 1000) -> Iterator[Doc]:
        """Tag documents, `batch_size` of them at once, in their order; one that fails goes to the error handler."""
        for batch in util.minibatch(stream, size=batch_size):
            docs = list(batch)
            try:
                found = self.student.tag([doc.text for doc in docs])
            except InputError:
                raise  # there is no student
            except Exception as error:
                self.get_error_handler()(self.name, self, docs, error)
                continue
            for doc, entities in zip(docs, found, strict=True):
                self._set(doc, entities)
            yield from docs

    def to_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> None:
        """Write the student into a folder: a saved pipeline needs nothing else."""
        self.student.save_pretrained(path)

    def from_disk(self, path: str | Path, *, exclude: Iterable[str] = ()) -> KdnerPipe:
        """Read what `to_disk` wrote."""
        self._student = Student.from_pretrained(Path(path))
        return self

    def to_bytes(self, *, exclude: Iterable[str] = ()) -> bytes:
        """Return the student's files."""
        with tempfile.TemporaryDirectory(prefix="kdner-") as folder:
            self.student.save_pretrained(folder)
            content: bytes = srsly.msgpack_dumps({path.name: path.read_bytes() for path in Path(folder).iterdir()})
            return content

    def from_bytes(self, content: bytes, *, exclude: Iterable[str] = ()) -> KdnerPipe:
        """Read what `to_bytes` returned."""
        with tempfile.TemporaryDirectory(prefix="kdner-") as folder:
            for name, file in srsly.msgpack_loads(content).items():
                (Path(folder) / Path(name).name).write_bytes(file)
            return self.from_disk(folder)

    def _set(self, doc: Doc, entities: Iterable[Entity]) -> None:
        spans: list[Span] = []
        for entity in entities:
            span = doc.char_span(entity.start, entity.end, entity.label, alignment_mode=self.alignment_mode)
            if span is not None and not (spans and span.start < spans[-1].end):  # two may share a token
                span._.set(SCORE, entity.score)
                spans.append(span)
        if self.spans_key is not None:
            scores = [span._.get(SCORE) for span in spans]
            doc.spans[self.spans_key] = SpanGroup(doc, name=self.spans_key, spans=spans, attrs={"scores": scores})
            return
        first, second = (spans, list(doc.ents)) if self.overwrite_ents else (list(doc.ents), spans)
        taken = {token for span in first for token in range(span.start, span.end)}
        rest = [span for span in second if taken.isdisjoint(range(span.start, span.end))]
        doc.ents = sorted([*first, *rest], key=lambda span: span.start)


@Language.factory(  # type: ignore[untyped-decorator]
    "kdner",
    assigns=["doc.ents", "token.ent_iob", "token.ent_type"],
    default_config={
        "model": "",
        "spans_key": None,
        "alignment_mode": "expand",
        "overwrite_ents": False,
        "scorer": {"@scorers": "spacy.ner_scorer.v1"},
    },
    default_score_weights={"ents_f": 1.0, "ents_p": 0.0, "ents_r": 0.0, "ents_per_type": None},
)
def make_kdner_pipe(
    nlp: Language,
    name: str,
    model: str,
    spans_key: str | None,
    alignment_mode: Alignment,
    overwrite_ents: bool,
    scorer: Callable[..., dict[str, Any]] | None,
) -> KdnerPipe:
    """Make the component of `nlp.add_pipe("kdner")`; see `KdnerPipe`."""
    return KdnerPipe(
        name,
        model,
        spans_key=spans_key,
        alignment_mode=alignment_mode,
        overwrite_ents=overwrite_ents,
        scorer=scorer,
    )
