"""The flags that several jobs share, so that the same words mean the same things everywhere.

They hold values only: `kdner.labeled` and `kdner.corpora` read what they name.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Annotated, Any, Literal, TypeAlias, TypeVar

import tyro

from kdner.errors import InputError

F = TypeVar("F")
OffsetUnit: TypeAlias = Literal["code-points", "utf-16", "bytes"]

Language: TypeAlias = Literal["en", "de", "fr", "es", "it", "nl", "pt", "other"]
"""Languages whose abbreviations are known, and `other`."""


@dataclass(frozen=True, kw_only=True)
class Encoded:
    """The encoding of files of text."""

    encoding: str = "utf-8"
    """Encoding of files of text that are not UTF-8, such as cp1252 or shift_jis. Files that are UTF-8, or begin with
    the mark of UTF-8, UTF-16 or UTF-32, are read as what they are."""


@dataclass(frozen=True, kw_only=True)
class Layout(Encoded):
    """How labeled sets are written, where their files do not tell it themselves."""

    token_column: int = 1
    """In a file of columns, the one that holds the token: counted from 1, or from -1 for the last."""
    tag_column: int = -1
    """In a file of columns, the one that holds the tag: counted from 1, or from -1 for the last."""
    offsets: OffsetUnit = "code-points"
    """Units of the starts and ends of spans: code points, as Python counts them; utf-16, as JavaScript and Java do; or
    bytes of UTF-8."""
    language: Language = "en"
    """Language of the texts, whose abbreviations (Dr., z. B., Mme.) end no sentence; other has none. It stays with the
    student: logits, and texts to tag, are of the same."""

    def __post_init__(self) -> None:
        for flag in ("token_column", "tag_column"):
            if getattr(self, flag) == 0:
                raise InputError(
                    f"--{flag.replace('_', '-')} 0: columns are counted from 1, or from -1 for the last; give another"
                )


@dataclass(frozen=True, kw_only=True)
class HeldOut:
    """The part of a labeled set that is its test set, for those who have one file."""

    test_share: float | None = None
    """Share (0 to 1) of the labeled set's sentences to hold out as its test set: whole documents where it has several,
    drawn at random, but the same ones whatever --seed is. Trainings with this flag do not read them; evaluate with this
    flag, and the labeled set as --test, measures on them only."""
    test_sentences: int | None = None
    """The same by a number of sentences."""

    @property
    def holds_out(self) -> bool:
        """Whether any sentence is held out."""
        return self.test_share is not None or self.test_sentences is not None


@dataclass(frozen=True, kw_only=True)
class LabeledSet(HeldOut, Layout):
    """A labeled set, or a part of one drawn at random."""

    labeled: str
    """Labeled set: a file of CoNLL columns (token first, tag last), a .jsonl file of text and spans, or
    hf:NAME[/CONFIG][:SPLIT]."""
    labeled_size: int | None = None
    """Sentences drawn from it as the labeled set; by default all."""
    seed: int = 1
    """Seed of the draw and of everything random after it: weights, order of sentences, dropout."""

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.seed < 0:
            raise InputError(f"--seed {self.seed}: must be at least 0")


@dataclass(frozen=True, kw_only=True)
class LabelMap:
    """New names for the types of entities that models find."""

    label_map: tuple[str, ...] = ()
    """New names of the models' types of entities, as FROM=TO; FROM= drops a type, *= all that are neither a FROM nor a
    TO. So models of different label lists can be joined, and compared on a labeled set: PERSON=PER GPE=LOC *="""


@dataclass(frozen=True, kw_only=True)
class Actors:
    """The processes that share a corpus."""

    count: int | None = None
    """Actors; by default as many as the cluster's GPUs, or CPUs, hold."""
    cpus: int = 1
    """CPU cores, and threads, of one actor."""
    gpus: float | None = None
    """GPUs of one actor; by default 1 where the job can use one and the cluster has one, else 0."""

    def __post_init__(self) -> None:
        for name in ("count", "cpus"):
            if (value := getattr(self, name)) is not None and value < 1:
                raise InputError(f"--actors.{name} {value}: must be at least 1")
        if self.gpus is not None and not (0 <= self.gpus <= 1 or (self.gpus > 1 and float(self.gpus).is_integer())):
            raise InputError(f"--actors.gpus {self.gpus:g}: must be from 0 to 1, as 0.5 for two actors a GPU, or whole")


@dataclass(frozen=True, kw_only=True)
class Retries:
    """What a job over a corpus does about shards that went wrong."""

    retry_errors: bool = False
    """Make those shards of an earlier start again, finished or not, that hold documents with an error."""
    shard_timeout: float | None = None
    """Seconds that a shard may take before its process counts as dead. By default 20 times what its text would have
    taken at the slowest rate so far, but not less than 10 minutes; and 4 hours before any shard is done."""
    accept_changes: tuple[str, ...] = ()
    """Files of the corpus that were changed since the run began, and whose finished shards stay valid: documents may
    say something else, but there must be as many, with the same ids. The other shards are made of the files as they
    are now. A change that leaves all that is read as it was needs no flag, but in Parquet of more than 1 GB."""


@dataclass(frozen=True, kw_only=True)
class Estimation:
    """Whether a job over a corpus is only estimated."""

    estimate: Annotated[bool, tyro.conf.arg(aliases=["--plan"])] = False
    """Only estimate what the whole corpus takes on this cluster: shards, words, bytes, hours and cost, from the list of
    files and about 10 seconds of work on a sample. Nothing is written to --out, but a dataset of a hub is stored there
    for the job to come. --plan is the old name of --estimate."""
    price_per_hour: float | None = None
    """With --estimate: price of the whole cluster for an hour, in any currency."""

    def __post_init__(self) -> None:
        if self.price_per_hour is not None and not self.estimate:
            raise InputError("--price-per-hour: only an estimate has a cost; give --estimate too, or leave it out")


@dataclass(frozen=True, kw_only=True)
class Corpus(Encoded):
    """A corpus of documents, how it is cut into shards, and who works on them."""

    corpus: tuple[str, ...]
    """Files, folders or globs of Parquet, JSONL or plain text (a document a line), each also packed by gzip, bzip2 or
    zstd, on a local disk or any file system that pyarrow knows (s3://, gs://), and hf:NAME[/CONFIG][:SPLIT]."""
    text_column: str = "text"
    """Column, or JSON key, of a document's text; a.b is the field b of a column a of structs."""
    id_column: str | None = None
    """Column, or JSON key, of a document's unique id; by default id where there is one, else ids are made from file
    and row."""
    ids: Literal["check", "trust"] = "check"
    """Whether missing and duplicate ids are looked for before any work begins: check, or trust where it is known that
    there are none. A check costs little where files are read for the plan anyway; of Parquet it reads the id column,
    and of more than 4 million documents it keeps 12 bytes each in the temporary folder of the driver's machine."""
    shard_documents: int | None = None
    """Documents in one shard: the unit of work, of retry, and of output. By default shards are cut by text, not by
    documents, and hold 3 MB of it; more where that would make more than 100,000 shards; less where it would make fewer
    than 64, or 16 for a student, which is done with 1 MB in a second, but not less than 64 KB."""
    max_error_rate: float = 0.05
    """Share of documents (0 to 1) that may end with an error; above it the job fails once all are done."""
    hard_wrapped: bool = False
    """The lines of the documents end in the middle of sentences, as in mails and old text files: only a blank line ends
    a sentence. By default a line's end does, unless the next line begins with a lower-case letter."""
    actors: Actors = field(default_factory=Actors)


def part_of(config: Any, kind: type[F]) -> F:
    """Return the flags of one kind that a job's config has among others."""
    return kind(**{flag.name: getattr(config, flag.name) for flag in fields(kind)})  # type: ignore[arg-type]


def changed_flags(config: Any, kind: type) -> dict[str, Any]:
    """Return the flags of one kind that a config does not leave at their defaults, by name.

    Flags added in later versions enter a fingerprint only if they are set, so that older runs stay valid.
    """
    return {
        flag.name: getattr(config, flag.name) for flag in fields(kind) if getattr(config, flag.name) != flag.default
    }
