"""Write what a finished run found in the format of another tool, shard by shard.

Reads   a run of tag_corpus (a student's entities) or of precompute_logits (the teachers' pseudo-labels, with
        confidences), and the corpus that it was made of
Writes  a run directory: one file for each shard, _manifest.json, _summary.json, and _SUCCESS last
Needs   CPU cores; started again it makes only the files that are missing

    python jobs/export.py --run runs/entities --format label-studio --out runs/label-studio
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from kdner.corpora.slices import SliceReader
from kdner.flags import Actors
from kdner.integrations.corpus_run import CorpusRun
from kdner.integrations.formats import FORMATS, FormatName, Written
from kdner.on_ray.file_map import file_map
from kdner.on_ray.job import once, run_job
from kdner.runs.run_directory import RunDirectory


@dataclass(frozen=True, kw_only=True)
class Export(Written):
    """Write what a finished run found in the format of another tool."""

    run: str
    """Run directory of tag_corpus or of precompute_logits."""
    corpus: tuple[str, ...] = ()
    """Where the files of the run's corpus lie now; by default where they lay when it was made."""
    out: str
    """Run directory for the files: a folder which every node sees, or a URI such as s3://bucket/run."""
    actors: Actors = field(default_factory=Actors)


def export(config: Export) -> dict[str, Any]:
    """Do the job; returns its summary."""
    source = CorpusRun.open(config.run, config.corpus)
    suffix = FORMATS[config.format].suffix

    def work(directory: RunDirectory) -> dict[str, Any]:
        file_map("export", directory, ExportShard, {"source": source, "format": config.format}, config.actors)
        read = source.run.summary()
        counts: dict[str, Any] = {name: read[name] for name in ("documents", "words", "entities") if name in read}
        return {**counts, "left_out": read["errors"]}

    return once(
        config.out,
        {"job": "export", "format": config.format, "run": source.run.identity()},
        work,
        stage="export",
        configuration=config,
        files=[str(PurePath(name).with_suffix(suffix)) for name in source.files],
        labels=source.labels,
    )


class ExportShard:
    """Writes the documents of a shard with their entities; those with an error are left out."""

    def __init__(self, source: CorpusRun, format: FormatName) -> None:
        self.source, self.format = source, FORMATS[format]
        self.reader = SliceReader(source.plan.text_column)

    def __call__(self, number: int, directory: RunDirectory, name: str) -> int:
        """Make one file."""
        documents = self.source.annotated(number, self.reader)
        directory.write_bytes(name, self.format.write(documents, self.source.labels, self.source.kept))
        return self.source.plan.shards[number].documents


if __name__ == "__main__":
    run_job(Export, export)
