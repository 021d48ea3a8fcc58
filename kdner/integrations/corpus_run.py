"""A finished run of tag_corpus or precompute_logits, read side by side with the corpus that it was made of."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import pyarrow as pa

from kdner.corpora.finished_plan import plan_of_finished_run
from kdner.corpora.plan import CorpusPlan, read_shard
from kdner.corpora.slices import SliceReader
from kdner.errors import InputError
from kdner.integrations.annotated import Annotated, of_entities, of_logits
from kdner.runs.run_directory import RunDirectory
from kdner.runs.schema import ENTITIES, LOGITS
from kdner.text.words import Splitting, split, splitting_of


@dataclass(frozen=True)
class CorpusRun:
    """A run over a corpus, shard by shard."""

    run: RunDirectory
    plan: CorpusPlan
    """Of the same shards as the run's files."""
    labels: list[str]
    teachers: int
    """Teachers whose logits it holds; 0 where it holds a student's entities."""
    columns: tuple[pa.Field, ...] = ()
    """Columns of the corpus that were kept beside the entities."""
    splitting: Splitting = split
    """How its documents were split."""

    @classmethod
    def open(cls, path: str, corpus: Sequence[str] = ()) -> CorpusRun:
        """Open the finished run at a path.

        Args:
            path: the run directory.
            corpus: where the files of its corpus lie now; by default where they lay when it was made.

        Raises:
            InputError: it is unfinished, another job's, or its corpus is gone or has changed.
        """
        run = RunDirectory.finished_at(path)
        manifest = run.manifest()
        fingerprint = manifest.get("fingerprint", {})
        if fingerprint.get("job") not in ("tag_corpus", "precompute_logits"):
            raise InputError(f"{path}: not a run of tag_corpus or precompute_logits; give the --out of one of these")
        plan = plan_of_finished_run(run, corpus)
        columns: tuple[pa.Field, ...] = ()
        if names := fingerprint.get("keep_columns"):
            columns = tuple(next(run.tables(names, files=run.files[:1])).schema)
        return cls(
            run, plan, manifest["labels"], manifest.get("teachers", 0), columns, splitting=splitting_of(fingerprint)
        )

    @property
    def kept(self) -> list[pa.Field]:
        """The columns that were kept, other than the text: what is known of a document besides."""
        return [field for field in self.columns if field.name != self.plan.text_column]

    @property
    def files(self) -> list[str]:
        """The names of the run's files, in order."""
        return self.plan.shards.names

    def read(self, number: int, reader: SliceReader) -> tuple[pa.Table, pa.Table]:
        """Read the documents of a shard and what the run has of them, with the same ids in the same order.

        Raises:
            InputError: a file is missing, has changed, or holds other documents.
        """
        documents = read_shard(self.plan, self.plan.shards[number], reader)
        name = self.files[number]
        schema = LOGITS if self.teachers else pa.schema([*ENTITIES, *self.columns])
        (found,) = self.run.tables(schema=schema, files=[name])
        if not found["id"].equals(documents["id"]):
            raise InputError(f"{self.run.path}/{name}: holds other documents than the corpus has there")
        return documents, found

    def annotated(self, number: int, reader: SliceReader) -> list[Annotated]:
        """Return the documents of a shard with the entities that the run gives them, without those with an error."""
        documents, found = self.read(number, reader)
        if self.teachers:
            return of_logits(documents, found, self.labels, self.teachers, self.splitting)
        found = found.select([*ENTITIES.names, *(field.name for field in self.kept)])
        return of_entities(documents, found, self.splitting)
