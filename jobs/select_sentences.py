"""Select the sentences of a corpus that are most worth labeling, for an annotation tool.

Reads   a student, and a corpus: the sentences that the student is least sure of; or a run of precompute_logits: those
        that its teachers tag otherwise than the student
Writes  a run directory with one file, selected.*, for the tool
Needs   CPU cores; started again it does only the shards that are missing

    python jobs/select_sentences.py --student runs/student --corpus news/ --count 200 --format prodigy --out runs/select
    python jobs/select_sentences.py --student runs/student --logits runs/logits --format conll --out runs/select
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from kdner.corpora.corpus_listing import corpus_listing
from kdner.corpora.kept_plan import keep_plan
from kdner.corpora.plan import CorpusPlan, read_shard
from kdner.corpora.slices import SliceReader
from kdner.errors import InputError
from kdner.flags import Corpus
from kdner.integrations.corpus_run import CorpusRun
from kdner.integrations.doubts import Doubt, as_table, choose, differing, of_table, unsure
from kdner.integrations.formats import FORMATS, Written
from kdner.labels.tags import check_same_labels
from kdner.on_ray.file_map import file_map
from kdner.on_ray.job import once, run_job
from kdner.on_ray.map_files import planned
from kdner.on_ray.pool import numeric_type
from kdner.runs.fingerprint import hash_of_files
from kdner.runs.hub import model_folder, pinned
from kdner.runs.run_directory import RunDirectory
from kdner.runs.schema import DOUBTS
from kdner.runs.storage import join
from kdner.student.engine import NumericType, fastest_type
from kdner.student.saved import MODEL_FILES, SavedStudent
from kdner.student.tag_documents import one_thread_tagger
from kdner.text.words import Splitting, splitter_fingerprint, splitting_of

SPARE = 10
"""How many times as many sentences as are wanted are kept while the files are read: some are alike."""


@dataclass(frozen=True, kw_only=True)
class SelectSentences(Written, Corpus):
    """Select the sentences of a corpus that are most worth labeling, for an annotation tool."""

    student: str
    """Student directory, which every node sees, or a student of the Hugging Face hub."""
    corpus: tuple[str, ...] = ()
    """Files, folders or globs of documents, as for tag_corpus; with --logits where the files of its corpus lie now, by
    default where they lay."""
    logits: str | None = None
    """Run directory of precompute_logits: selects what its teachers tag otherwise than the student, in its corpus."""
    count: int = 200
    """Sentences to select; fewer where there are not so many."""
    min_words: int = 5
    """Words of the shortest sentence."""
    out: str
    """Run directory for the selection: a folder which every node sees, or a URI such as s3://bucket/run."""

    def __post_init__(self) -> None:
        if not self.corpus and not self.logits:
            raise InputError("--corpus is needed, or --logits with the run of precompute_logits over one")
        for flag in ("count", "min_words"):
            if getattr(self, flag) < 1:
                raise InputError(f"--{flag.replace('_', '-')} {getattr(self, flag)}: must be at least 1")


def select_sentences(config: SelectSentences) -> dict[str, Any]:
    """Do the job; returns its summary."""
    student = pinned(config.student, MODEL_FILES)
    saved = SavedStudent.read(student)
    labels = saved.labels
    source = CorpusRun.open(config.logits, config.corpus) if config.logits else None
    if source and not source.teachers:
        raise InputError(f"--logits {config.logits}: holds no logits. Expected what precompute_logits writes")
    if source:
        check_same_labels(labels, source.labels, config.student, str(config.logits))
    found = join(config.out, "doubts")
    if source:
        plan, corpus = source.plan, source.plan.fingerprint()
    else:
        plan, corpus = planned(found, corpus_listing(config, config.out))
    split_as = splitter_fingerprint(saved.language, hard_wrapped=config.hard_wrapped)
    dtype = numeric_type(found, None) or fastest_type()
    fingerprint = {
        "dtype": dtype,
        "model": hash_of_files(str(model_folder(student, MODEL_FILES)), MODEL_FILES),
        "corpus": corpus,
        "logits": source.run.identity() if source else None,
        "count": config.count,
        "min_words": config.min_words,
        **({} if source else split_as),
    }
    name = f"selected{FORMATS[config.format].suffix}"

    def find(directory: RunDirectory) -> dict[str, Any]:
        if not source:
            keep_plan(directory, plan)
        arguments = {
            "student": student,
            "dtype": dtype,
            "source": source or plan,
            "count": config.count,
            "min_words": config.min_words,
            "splitting": source.splitting if source else splitting_of(split_as),
        }
        file_map("select_sentences", directory, FindDoubts, arguments, config.actors)
        return {"documents": plan.documents}

    def work(directory: RunDirectory) -> dict[str, Any]:
        once(found, {"job": "find_doubts", **fingerprint}, find, files=[shard.name for shard in plan.shards])
        best: list[Doubt] = []
        for table in RunDirectory(found).tables(schema=DOUBTS):
            best = choose([*best, *of_table(table)], SPARE * config.count)
        chosen = best[: config.count]
        content = FORMATS[config.format].write([doubt.annotated() for doubt in chosen], labels)
        directory.write_bytes(name, content)
        least = round(chosen[-1].doubt, 4) if chosen else None
        ids_checked = plan.listing.ids == "check"
        return {"documents": plan.documents, "selected": len(chosen), "least_doubt": least, "ids_checked": ids_checked}

    return once(
        config.out,
        {"job": "select_sentences", "format": config.format, **fingerprint},
        work,
        stage="select_sentences",
        configuration=config,
        files=[name],
        labels=labels,
    )


class FindDoubts:
    """Writes the sentences of a shard that are most in doubt, as many as are selected of the whole corpus."""

    def __init__(
        self,
        student: str,
        dtype: NumericType,
        source: CorpusRun | CorpusPlan,
        count: int,
        min_words: int,
        splitting: Splitting,
    ) -> None:
        self.tagger, self.splitting = one_thread_tagger(student, dtype), splitting
        self.run = source if isinstance(source, CorpusRun) else None
        self.plan = source.plan if isinstance(source, CorpusRun) else source
        self.count, self.min_words = count, min_words
        self.reader = SliceReader(self.plan.text_column)

    def __call__(self, number: int, directory: RunDirectory, name: str) -> int:
        """Make one file."""
        if self.run:
            documents, logits = self.run.read(number, self.reader)
            labels, teachers = self.run.labels, self.run.teachers
            of_run = documents, logits, labels, teachers
            found = differing(*of_run, self.tagger, min_words=self.min_words, splitting=self.splitting)
        else:
            documents = read_shard(self.plan, self.plan.shards[number], self.reader)
            found = unsure(documents, self.tagger, min_words=self.min_words, splitting=self.splitting)
        directory.write_table(name, as_table(choose(found, self.count)), DOUBTS)
        return documents.num_rows


if __name__ == "__main__":
    run_job(SelectSentences, select_sentences)
